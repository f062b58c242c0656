"""Squeezers of features (Xu, Evans and Qi 2018, arXiv 1704.01155): many queries become the same one.

    depth        round(x (2^bits - 1)) / (2^bits - 1)
    median       the median of windows of pixels, as `scipy.ndimage.median_filter` has it (of an even number the higher middle one)
    non-local    the mean of the pixels around, each by exp(-d / strength^2), where d is the mean squared difference of the patches
                 about the two, in 0..255 (Buades et al. 2005)

Records are shares of their range. Each has the gradient of the identity, for their own is zero or of no use to who knows them
(backward pass differentiable approximation: Athalye, Carlini and Wagner 2018, arXiv 1802.00420).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

Shares = Float[jax.Array, "query *feature"]
Pictures = Float[jax.Array, "query row column channel"]

SEARCH, PATCH = 11, 3
"""Pixels across the window of a non-local mean, and across a patch: the paper's 11-3-4 has them and a strength of 4."""


def straight_through(squeeze: Callable[[Shares], Shares]) -> Callable[[Shares], Shares]:
    """The same function with the gradient of the identity."""
    passing = jax.custom_jvp(squeeze)
    passing.defjvp(lambda x, tangent: (squeeze(*x), tangent[0]))
    return passing


def depth(share: Shares, bits: int) -> Shares:
    """Shares of so many bits each."""
    levels = 2**bits - 1
    return straight_through(lambda share: jnp.round(share * levels) / levels)(share)


def median(share: Pictures, size: int) -> Pictures:
    """The median of windows of ``size`` x ``size`` pixels, mirrored at the edges."""

    def filtered(share: Pictures) -> Pictures:
        before = size // 2
        rows, columns = share.shape[1:3]
        padded = jnp.pad(share, ((0, 0), *[(before, size - 1 - before)] * 2, (0, 0)), mode="symmetric")
        places = [padded[:, i : i + rows, j : j + columns] for i in range(size) for j in range(size)]
        return jnp.sort(jnp.stack(places), axis=0)[len(places) // 2]

    return straight_through(filtered)(share)


def non_local_mean(share: Pictures, strength: float) -> Pictures:
    """The non-local mean of each pixel, mirrored at the edges."""
    return straight_through(partial(_non_local, strength=strength))(share)


def _non_local(share: Pictures, *, strength: float) -> Pictures:
    reach, (rows, columns) = SEARCH // 2, share.shape[1:3]
    around = jnp.pad(share, ((0, 0), *[(reach, reach)] * 2, (0, 0)), mode="symmetric")

    def add(total, offset):
        other = jax.lax.dynamic_slice(around, (0, offset[0], offset[1], 0), share.shape)
        squared = jnp.mean((255 * (share - other)) ** 2, axis=3, keepdims=True)
        edge = PATCH // 2
        padded = jnp.pad(squared, ((0, 0), *[(edge, edge)] * 2, (0, 0)), mode="symmetric")
        patch = sum(padded[:, i : i + rows, j : j + columns] for i in range(PATCH) for j in range(PATCH)) / PATCH**2
        weight = jnp.exp(-patch / strength**2)
        return (total[0] + weight * other, total[1] + weight), None

    offsets = jnp.stack(jnp.meshgrid(jnp.arange(SEARCH), jnp.arange(SEARCH)), axis=-1).reshape(-1, 2)
    nothing = jnp.zeros_like(share), jnp.zeros((*share.shape[:3], 1), share.dtype)
    weighted, weight = jax.lax.scan(add, nothing, offsets)[0]
    return weighted / weight
