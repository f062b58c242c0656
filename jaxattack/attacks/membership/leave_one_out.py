"""Sums over all models but one, for every model at once.

Each target's sum is that of the models before it plus that of the models after it. Unlike a total less the target's
own part this never subtracts: a target's own value and membership leave no trace, not even of rounding, and an
outlying target costs no digits. All targets together cost two passes over the models.

Work goes a block of records at a time, the blocks spread over threads; NumPy releases the interpreter's lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

BLOCK_VALUES = 2**20  # values of one array in one block: 8 MB in float64
CACHED_VALUES = 2**16  # half a megabyte, so that the few arrays of one step stay in a core's own cache

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


def record_blocks(models: int, records: int, queries: int, values: int = BLOCK_VALUES) -> list[slice]:
    """Consecutive slices of the records, each with so many values at most for all models.

    Sums over records that round are added up block by block: their last bits depend on the number of values.
    """
    width = max(1, values // (models * queries))
    return [slice(start, min(start + width, records)) for start in range(0, records, width)]


_WORKER = threading.local()


def mark_worker() -> None:
    """Tell `map_threads` that this thread is one of several already; the initializer of a pool of threads."""
    _WORKER.marked = True


def map_threads(function: Callable[..., Result], items: Sequence) -> list[Result]:
    """The function of each item, in order, computed by as many threads as the machine has cores; of one item, or in a thread
    that is one of several, by none."""
    if len(items) == 1 or getattr(_WORKER, "marked", False):
        return [function(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count(), initializer=mark_worker) as pool:
        return list(pool.map(function, items))
