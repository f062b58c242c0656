"""A recurrent layer that reads a sequence, for attack networks: an LSTM with attention of its last state (Li et al. 2024).

i, f, g, o = the four parts of x_t W + b + h_{t-1} U + c,    s_t = sigmoid(f) s_{t-1} + sigmoid(i) tanh(g)
h_t = sigmoid(o) tanh(s_t),    a = softmax over t of h_T . h_t,    what is handed on: (h_T, sum_t a_t h_t)
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Float

Layer = tuple[jax.Array, jax.Array]


def shapes(per_time: int, units: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The shapes of W and of U; b and c have their second axis."""
    return (per_time, 4 * units), (units, 4 * units)


def encode(layers: Sequence[Layer], x: Float[jax.Array, "row feature"]) -> Float[jax.Array, "row hidden"]:
    """The last state and the context of each row, whose features are those of one time after another.

    Args:
        layers: (W, b) and (U, c).
        x: the rows; their features are as many times the inputs of W.
    """
    (w, b), (u, c) = layers
    rows, units = x.shape[0], u.shape[0]
    times = jnp.moveaxis(x.reshape(rows, -1, w.shape[0]), 1, 0)

    def step(state, now):
        h, s = state
        i, f, g, o = jnp.split(now @ w + b[None] + h @ u + c[None], 4, axis=1)
        s = jax.nn.sigmoid(f) * s + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(s)
        return (h, s), h

    (last, _), every = jax.lax.scan(step, (jnp.zeros((rows, units)), jnp.zeros((rows, units))), times)
    weight = jax.nn.softmax(jnp.einsum("tru,ru->tr", every, last), axis=0)
    return jnp.concatenate([last, jnp.einsum("tr,tru->ru", weight, every)], axis=1)
