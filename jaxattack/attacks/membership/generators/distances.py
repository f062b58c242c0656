"""Distances from records to the samples of generators, by one product of matrices a block of records."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

BLOCK = 1 << 24
"""Distances that are held at once."""


class Nearest(NamedTuple):
    """The nearest sample of each record.

    Attributes:
        distance: Euclidean.
        sample: its number; the first where several are as near.
    """

    distance: Float[np.ndarray, "record"]
    sample: Int[np.ndarray, "record"]


def distances(
    records: Float[np.ndarray, "record feature"], samples: Float[np.ndarray, "sample feature"]
) -> Iterator[Float[np.ndarray, "part sample"]]:
    """Euclidean distances of records to all samples, so many records at a time.

    |x - g|^2 = |x|^2 + |g|^2 - 2 x.g, about the mean of the samples, so that little is lost where the two cancel.
    """
    centre = samples.mean(axis=0)
    own, others = jnp.asarray(records - centre), jnp.asarray(samples - centre)
    step = max(1, BLOCK // len(samples))
    for begin in range(0, len(records), step):
        yield np.asarray(_block(own[begin : begin + step], others))


def nearest(records: Float[np.ndarray, "record feature"], samples: Float[np.ndarray, "sample feature"]) -> Nearest:
    """The nearest sample of each record, and how far it is: that distance is of the two themselves, so exactly 0 of equals."""
    at = np.concatenate([part.argmin(axis=1) for part in distances(records, samples)])
    apart = records.astype(np.float64) - samples[at]
    return Nearest(np.sqrt((apart**2).sum(axis=1)), at)


@partial(jax.jit)
def _block(x: jax.Array, g: jax.Array) -> jax.Array:
    squares = (x**2).sum(axis=1)[:, None] + (g**2).sum(axis=1)[None] - 2 * x @ g.T
    return jnp.sqrt(jnp.maximum(squares, 0))
