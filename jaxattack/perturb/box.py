"""What a record may become, and the units in which it is moved: shares of each feature's range.

Examples stay inside the range that a service documents. Categories of a table are steps, where gradients vanish: they
stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxattack.models.batches import pad_batch
from jaxattack.types import InputError, Inputs

BLOCK = 1024
"""Records moved at once."""

NUMBERS = 2**20
"""Numbers of them at once, where each is moved in several attempts: what a network keeps of them on the way back is some
hundred times as much."""

Box = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The smallest value of each feature, the largest, and how far apart they are, in float32."""


def box_of(inputs: Inputs) -> Box:
    """The box of what a service documents."""
    return inputs.low.astype(np.float32), inputs.high.astype(np.float32), span_of(inputs).astype(np.float32)


def span_of(inputs: Inputs) -> Float[np.ndarray, "*feature"]:
    """How far a feature may go; 1 where it never changes, for 0 would divide."""
    span = inputs.high - inputs.low
    return np.where(span > 0, span, 1.0)


def free_of(inputs: Inputs) -> Float[np.ndarray, "*feature"]:
    """1 where a feature may change, 0 where it is a category and stays as it is."""
    return (inputs.categories == 0).astype(np.float32)


def block_of(features: int, attempts: int) -> int:
    """How many records are moved at once, a power of two, where each is moved in so many attempts."""
    rows = max(1, min(BLOCK, NUMBERS // features) // attempts)
    return 1 << (rows.bit_length() - 1)


def picture(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape of a record as rows, columns and channels: one column and one channel where it is no picture."""
    return shape if len(shape) == 3 else (math.prod(shape), 1, 1)


def share_of_range(**fields: float) -> None:
    """Refuse a field that is no share of the range, above 0 and at most 1.

    Raises:
        InputError: it names the first.
    """
    for name, value in fields.items():
        if not 0 < value <= 1:
            raise InputError(f"{name} is {value}: give a share of the range above 0, at most 1.")


def in_blocks(function: Callable[..., Any], x: np.ndarray, *beside: np.ndarray, block: int = BLOCK) -> Any:
    """A function of records and of something beside each, a block at a time, in float32.

    Args:
        function: (records, what is beside them) -> an array that leads with ``record``, or a tuple of such.
        x: records, at least one.
        beside: whole numbers or reals, one entry a record.
        block: records at once, a power of two.

    Returns:
        What the function returns for all records, in float64.
    """
    parts = []
    for start in range(0, max(len(x), 1), block):
        rows = slice(start, start + block)
        results = function(*(pad_batch(each[rows].astype(_kind(each, x))) for each in (x, *beside)))
        parts.append(jax.tree.map(lambda part: np.asarray(part, np.float64)[: len(x[rows])], results))  # noqa: B023
    return jax.tree.map(lambda *blocks: np.concatenate(blocks), *parts)


def _kind(each: np.ndarray, x: np.ndarray) -> type:
    return np.float32 if each is x or np.issubdtype(each.dtype, np.floating) else np.int32
