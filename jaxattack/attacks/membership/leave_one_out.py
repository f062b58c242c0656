"""Sums over all models but one, for every model at once.

Each target's sum is that of the models before it plus that of the models after it. Unlike a total less the target's
own part this never subtracts: a target's own value and membership leave no trace, not even of rounding, and an
outlying target costs no digits. All targets together cost two passes over the models.

Work goes a block of records at a time, the blocks spread over threads; NumPy releases the interpreter's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

BLOCK_VALUES = 2**20  # values of one array in one block: 8 MB in float64

Result = TypeVar("Result")


def leave_one_out(
    combine: np.ufunc,
    identity: float,
    values: Float[np.ndarray, "model *rest"],
    targets: Int[np.ndarray, "target"],
) -> Float[np.ndarray, "target *rest"]:
    """Combines the values of all models but the target, for each target.

    Args:
        combine: an associative and commutative ufunc, such as `numpy.add` or `numpy.logaddexp`.
        identity: what leaves the other operand as it is: 0 for a sum, minus infinity for a sum of logarithms.
        values: one slice a model.
        targets: the models left out, each once.

    Returns:
        One slice a target.
    """
    place = {int(model): i for i, model in enumerate(targets)}
    out = np.empty((len(targets), *values.shape[1:]))
    running = np.full(values.shape[1:], identity)
    for model in range(len(values)):
        if model in place:
            out[place[model]] = running
        combine(running, values[model], out=running)
    running.fill(identity)
    for model in reversed(range(len(values))):
        if model in place:
            combine(out[place[model]], running, out=out[place[model]])
        combine(running, values[model], out=running)
    return out


def record_blocks(models: int, records: int, queries: int) -> list[slice]:
    """Consecutive slices of the records, each small enough that its values for all models fit a block."""
    width = max(1, BLOCK_VALUES // (models * queries))
    return [slice(start, min(start + width, records)) for start in range(0, records, width)]


def map_threads(function: Callable[..., Result], items: Sequence) -> list[Result]:
    """The function of each item, in order, computed by as many threads as the machine has cores; of one item by none."""
    if len(items) == 1:
        return [function(items[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))
