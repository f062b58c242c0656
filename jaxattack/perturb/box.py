"""What a record may become, and the units in which it is moved: shares of each feature's range.

Examples stay inside the range that a service documents. Categories of a table are steps, where gradients vanish: they
stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxattack.models.batches import pad_batch
from jaxattack.types import Inputs

BLOCK = 1024
"""Records moved at once."""

Box = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The smallest value of each feature, the largest, and how far apart they are, in float32."""


def box_of(inputs: Inputs) -> Box:
    """The box of what a service documents."""
    return inputs.low.astype(np.float32), inputs.high.astype(np.float32), span_of(inputs).astype(np.float32)


def span_of(inputs: Inputs) -> Float[np.ndarray, "*feature"]:
    """How far a feature may go; 1 where it never changes, for 0 would divide."""
    span = inputs.high - inputs.low
    return np.where(span > 0, span, 1.0)


def in_blocks(function: Callable[[Any, Any], Any], x: np.ndarray, beside: np.ndarray) -> Any:
    """A function of records and of something beside each, a block at a time, in float32.

    Args:
        function: (records, what is beside them) -> an array that leads with ``record``, or a tuple of such.
        x: records, at least one.
        beside: whole numbers or reals, one entry a record.

    Returns:
        What the function returns for all records, in float64.
    """
    kind = np.float32 if np.issubdtype(beside.dtype, np.floating) else np.int32
    parts = []
    for start in range(0, max(len(x), 1), BLOCK):
        block = slice(start, start + BLOCK)
        results = function(pad_batch(x[block].astype(np.float32)), pad_batch(beside[block].astype(kind)))
        parts.append(jax.tree.map(lambda part: np.asarray(part, np.float64)[: len(x[block])], results))  # noqa: B023
    return jax.tree.map(lambda *blocks: np.concatenate(blocks), *parts)
