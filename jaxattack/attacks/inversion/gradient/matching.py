"""How far the update of made-up records is from the one that was sent.

With g the simulated update and g* the one that was sent, all parameters taken as one long vector:

    cosine     1 - <g, g*> / (|g| |g*|) = |g / |g| - g* / |g*||^2 / 2    Geiping et al. 2020, equation 4
    squared    |g - g*|^2 / |g*|^2    Zhu et al. 2019, equation 4, in units of what was sent

`total_variation` is the anisotropic one that Geiping et al. use: the mean absolute difference of neighbours, down and across.
`statistics` is how far the batch statistics that the simulation ends with are from those that the user sent along.
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Float

Distance = Literal["cosine", "squared"]

LEAST = 2e-19
"""Lengths whose squares float32 holds are above it."""


def dot(a: Any, b: Any) -> Float[jax.Array, ""]:
    """The inner product of two trees of the same shape."""
    return sum((jnp.vdot(u, v) for u, v in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)), jnp.float32(0))


def cosine(gradient: Any, sent: Any) -> Float[jax.Array, ""]:
    """0 where they point the same way, 2 where they are opposed."""
    own, theirs = length(gradient), length(sent)
    return direction_distance(own, half_squared(gradient, own, sent, theirs))


def length(gradient: Any) -> Float[jax.Array, ""]:
    """The Euclidean norm of a tree; its derivative is 0 where the tree is."""
    return root(dot(gradient, gradient))


def root(square: jax.Array) -> Float[jax.Array, ""]:
    """The root of a squared norm, above 0."""
    return jnp.sqrt(jnp.maximum(square, LEAST**2))


def half_squared(a: Any, a_length: jax.Array, b: Any, b_length: jax.Array) -> Float[jax.Array, ""]:
    """Half the squared distance of a / a_length and b / b_length.

    Of unit vectors it is 1 - cosine. Taken of inner products, that difference would be rounded to 6e-8, which is where a
    search of a few hundred steps ends.
    """
    left = jax.tree.map(lambda u, v: u / a_length - v / b_length, a, b)
    return dot(left, left) / 2


def direction_distance(own_length: jax.Array, half: jax.Array) -> Float[jax.Array, ""]:
    """``half`` of a gradient that has a direction; one of zero has none, and is at a right angle."""
    return jnp.where(own_length <= 2 * LEAST, 1.0, half)


def squared(gradient: Any, sent: Any) -> Float[jax.Array, ""]:
    """0 where they agree, 1 where nothing was found."""
    left = jax.tree.map(jnp.subtract, gradient, sent)
    return dot(left, left) / dot(sent, sent)


DISTANCES = {"cosine": cosine, "squared": squared}


def total_variation(x: Float[jax.Array, "record height width *channel"]) -> Float[jax.Array, ""]:
    """Mean absolute difference between neighbouring pixels."""
    return jnp.abs(jnp.diff(x, axis=1)).mean() + jnp.abs(jnp.diff(x, axis=2)).mean()


def statistics(gradient: Any, sent: Any) -> Float[jax.Array, ""]:
    """The mean over layers and kinds of the squared distance, in units of what was sent; 0 without any."""
    pairs = list(zip(jax.tree.leaves(gradient), jax.tree.leaves(sent), strict=True))
    return sum((squared(a, b) for a, b in pairs), jnp.float32(0)) / max(len(pairs), 1)
