"""How far the update of made-up records is from the one that was sent.

With g the simulated update and g* the one that was sent, all parameters taken as one long vector:

    cosine     1 - <g, g*> / (|g| |g*|)    Geiping et al. 2020, equation 4
    squared    |g - g*|^2 / |g*|^2         Zhu et al. 2019, equation 4, in units of what was sent

`total_variation` is the anisotropic one that Geiping et al. use: the mean absolute difference of neighbours, down and across.
`statistics` is how far the batch statistics that the simulation ends with are from those that the user sent along.
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Float

Distance = Literal["cosine", "squared"]


def dot(a: Any, b: Any) -> Float[jax.Array, ""]:
    """The inner product of two trees of the same shape."""
    return sum((jnp.vdot(u, v) for u, v in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)), jnp.float32(0))


def cosine(gradient: Any, sent: Any) -> Float[jax.Array, ""]:
    """0 where they point the same way, 2 where they are opposed."""
    return apart(dot(gradient, sent), dot(gradient, gradient), dot(sent, sent))


def apart(inner: jax.Array, own: jax.Array, sent: jax.Array) -> Float[jax.Array, ""]:
    """The same from <g, g*>, <g, g> and <g*, g*>."""
    # A simulated gradient of zero has no direction: its cosine is taken as 0, and its derivative stays finite.
    return 1 - inner / jnp.sqrt(jnp.maximum(own * sent, 1e-30))


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
