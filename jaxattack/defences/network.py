"""Small dense networks that a defence learns: layers of a weight and a bias, with ReLU between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

Layers = list[tuple[jax.Array, jax.Array]]


def start(key: Any, widths: Sequence[int]) -> Layers:
    """Layers before they learn: Glorot weights and no bias."""
    shapes = list(pairwise(widths))
    draw = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(key, len(shapes))
    return [(draw(one, shape), jnp.zeros(shape[1])) for one, shape in zip(keys, shapes, strict=True)]


def through(layers: Layers, h: Float[jax.Array, "query feature"]) -> Float[jax.Array, "query output"]:
    """What the last layer says."""
    for number, (weight, bias) in enumerate(layers):
        h = h @ weight + bias[None]
        h = jax.nn.relu(h) if number + 1 < len(layers) else h
    return h
