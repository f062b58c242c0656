"""Powell's method (1964) of many points in lockstep: a minimum without derivatives, each point along directions of its own.

An iteration goes along every direction in turn, then looks once beyond where it went, as Powell did: where that promises more, it
goes along the way it came and that replaces the direction of the largest decrease. A line is searches with three questions: either
side at the point's own step, and the lowest point of the parabola through the three values; the best of them is kept, so that no
value ever rises.

    questions = 1 + iterations * (3 * dimensions + 4)

SciPy's asks about ten to thirty times a line, whose number differs from point to point.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

STEP, LEAST, REACH = 0.5, 1e-3, 4.0
"""The first step of a line, in latent units, whose deviation is 1; the smallest; and how far the parabola's lowest point may lie, in
steps."""

Value = Callable[[jax.Array], jax.Array]
"""z["point latent"] -> a value a point."""


def questions(iterations: int, dimensions: int) -> int:
    """How often each point is asked about."""
    return 1 + iterations * (3 * dimensions + 4)


def powell(
    value: Value, start: Float[jax.Array, "point latent"], iterations: int
) -> tuple[Float[jax.Array, "point latent"], Float[jax.Array, "point"]]:
    """Where each point ends, and the value there; traced.

    Args:
        value: what is lessened.
        start: where each begins.
        iterations: of the method.
    """
    count, dimensions = start.shape
    axes = jnp.broadcast_to(jnp.eye(dimensions), (count, dimensions, dimensions))
    steps = jnp.full((dimensions, count), STEP)

    def along(state, move):
        z, low = state
        direction, step = move
        z, new, length = _line(value, z, low, direction, step)
        step = jnp.clip(jnp.where(length == 0, step / 2, jnp.abs(length)), LEAST, REACH * STEP)
        return (z, new), (low - new, step)

    def iterate(state, _):
        z, low, directions, steps = state
        (end, lower), (decrease, steps) = jax.lax.scan(along, (z, low), (jnp.moveaxis(directions, 1, 0), steps))
        way = end - z
        beyond = value(end + way)
        most, largest = decrease.max(axis=0), decrease.argmax(axis=0)
        promise = 2 * (low - 2 * lower + beyond) * (low - lower - most) ** 2 - most * (low - beyond) ** 2
        length = jnp.linalg.norm(way, axis=1, keepdims=True)
        turn = (beyond < low) & (promise < 0) & (length[:, 0] > 0)
        new = way / jnp.where(length > 0, length, 1)
        moved, lowest, _ = _line(value, end, lower, new, length[:, 0])
        end, lower = jnp.where(turn[:, None], moved, end), jnp.where(turn, lowest, lower)
        replaced = turn[:, None] & (jnp.arange(dimensions)[None] == largest[:, None])
        return (end, lower, jnp.where(replaced[..., None], new[:, None], directions), steps), None

    state = (start, value(start), axes, steps)
    (z, low, _, _), _ = jax.lax.scan(iterate, state, length=iterations)
    return z, low


def _line(value: Value, z, low, direction, step):
    """The best of a point, of either side at a step, and of the lowest point of the parabola through them."""

    def at(length):
        return value(z + length[:, None] * direction)

    left, right = at(-step), at(step)
    bend = left - 2 * low + right
    vertex = step * (left - right) / jnp.where(bend > 0, 2 * bend, 1)
    downhill = jnp.where(left < right, -REACH, REACH) * step  # no lowest point: far on the lower side
    lengths = jnp.stack(
        [jnp.zeros_like(step), -step, step, jnp.where(bend > 0, vertex, downhill).clip(-REACH * step, REACH * step)]
    )
    values = jnp.stack([low, left, right, at(lengths[3])])
    best = jnp.where(jnp.isnan(values), jnp.inf, values).argmin(axis=0)
    length = jnp.take_along_axis(lengths, best[None], axis=0)[0]
    return z + length[:, None] * direction, jnp.take_along_axis(values, best[None], axis=0)[0], length
