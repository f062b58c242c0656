"""Records as networks take them and back, and the range in which poison must stay.

Images are bytes outside and -1 to 1 inside (`jaxattack.training.images.as_input`); tables are the same in both.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.training.images import as_input
from jaxattack.types import Dataset


class Range(NamedTuple):
    """Where each feature lies, as a network takes it.

    Attributes:
        low: Float["*feature"].
        high: Float["*feature"].
    """

    low: np.ndarray
    high: np.ndarray


def to_inputs(x: Shaped[np.ndarray, "record *feature"]) -> Float[np.ndarray, "record *feature"]:
    """Records as a network takes them."""
    return np.asarray(as_input(jnp.asarray(x)), np.float32)


def from_inputs(x: Float[np.ndarray, "record *feature"], dataset: Dataset) -> Shaped[np.ndarray, "record *feature"]:
    """The same in the units of a data set; images to the nearest byte."""
    if dataset.x.dtype == np.uint8:
        return np.rint((np.asarray(x, np.float64) + 1) * 127.5).clip(0, 255).astype(np.uint8)
    return np.asarray(x).astype(dataset.x.dtype)


def range_of(dataset: Dataset) -> Range:
    """The range of every feature: that of a byte, or what a table's columns span."""
    if dataset.x.dtype == np.uint8:
        return Range(np.full(dataset.shape, -1, np.float32), np.full(dataset.shape, 1, np.float32))
    return Range(dataset.x.min(axis=0).astype(np.float32), dataset.x.max(axis=0).astype(np.float32))
