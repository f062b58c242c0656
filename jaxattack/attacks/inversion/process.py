"""What is done to a reconstruction after each step (Fredrikson et al. 2015, function PROCESS).

    clip       back into the unit box, which every process ends with
    median     each pixel the median of its 3x3 neighbourhood
    gaussian   each pixel a weighted mean of its neighbourhood, weights (1 2 1)/4 along both axes
    sharpen    what the gaussian takes away, added once more

Several are joined by "+" and run in that order. All but clip need pictures: points ["point height width channel"],
or without the channel. Edges are repeated outwards.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp

from jaxattack.types import InputError

_EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4), (2, 5),
    (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
"""Exchanges after which the fifth of nine numbers is their median (Smith 1996); sorting them all takes far longer."""


def clip(x: jax.Array) -> jax.Array:
    """Into the unit box."""
    return jnp.clip(x, 0.0, 1.0)


def median(x: jax.Array) -> jax.Array:
    """The median of each 3x3 neighbourhood."""
    nine = _neighbours(x)
    for low, high in _EXCHANGES:
        nine[low], nine[high] = jnp.minimum(nine[low], nine[high]), jnp.maximum(nine[low], nine[high])
    return nine[4]


def gaussian(x: jax.Array) -> jax.Array:
    """The weighted mean of each 3x3 neighbourhood."""
    weights = (1, 2, 1, 2, 4, 2, 1, 2, 1)
    return sum((weight / 16 * part for weight, part in zip(weights, _neighbours(x), strict=True)), jnp.zeros_like(x))


def sharpen(x: jax.Array) -> jax.Array:
    """Differences from the neighbourhood, doubled."""
    return 2 * x - gaussian(x)


def _neighbours(x: jax.Array) -> list[jax.Array]:
    frame = jnp.pad(x, ((0, 0), (1, 1), (1, 1), *[(0, 0)] * (x.ndim - 3)), mode="edge")
    height, width = x.shape[1:3]
    return [frame[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]


PROCESSES = {"clip": clip, "median": median, "gaussian": gaussian, "sharpen": sharpen}


@cache
def process(name: str) -> Callable[[jax.Array], jax.Array]:
    """A process by name; the same name gives the same function, so that nothing is compiled twice.

    Raises:
        InputError: an unknown name.
    """
    unknown = [part for part in name.split("+") if part not in PROCESSES]
    if unknown:
        raise InputError(f"process is {name!r}: join some of {', '.join(PROCESSES)} by +.")
    steps = [PROCESSES[part] for part in name.split("+")]

    def run(x: jax.Array) -> jax.Array:
        for step in steps:
            x = step(x)
        return clip(x)

    return run


def check_pictures(name: str, shape: tuple[int, ...]) -> None:
    """Refuse a process of pictures for records that are none.

    Raises:
        InputError: the records have no height and width.
    """
    if name != "clip" and len(shape) not in (2, 3):
        raise InputError(f"process is {name!r} and a record has shape {shape}: choose clip for what is no picture.")
