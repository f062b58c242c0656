"""First-order descent: the one loop around an optax transformation, as traceable functions.

`descend` takes so many steps along a loss, which may be another one each time, as that of minibatches is.

`advance` moves lanes, points that know nothing of one another, down their costs together. Each keeps the best it has been
at, and stops by itself, by Fredrikson et al. 2015's rule (algorithm 1):

    its cost is at most ``enough``, or has not improved within ``patience`` steps, or is no number.

A stopped lane is masked: it moves no more, and its steps no longer count.

The networks that are deployed are trained by `jaxattack.training.single`, which carries their batch statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Descent(NamedTuple):
    """Where a descent has come to.

    Attributes:
        point: tree.
        moments: the transformation's state.
        loss: what the steps' losses add up to.
    """

    point: Any
    moments: Any
    loss: Any


def descend(
    loss: Callable[[Any, Any], jax.Array],
    change: optax.GradientTransformation,
    start: Any,
    steps: int | jax.Array,
    *,
    first: int | jax.Array = 0,
    moments: Any = None,
    process: Callable[[Any], Any] = lambda point: point,
) -> Descent:
    """Follow a loss that is another one at each step.

    Args:
        loss: point and the step's number -> scalar.
        change: makes steps of gradients.
        start: tree.
        steps: where to end.
        first: the number of the first step.
        moments: the transformation's state; by default as it begins.
        process: applied to the point after each step, as a projection onto a box.
    """

    def step(number: Any, now: Descent) -> Descent:
        value, point, moments = _step(lambda point: loss(point, number), change, now.point, now.moments)
        return Descent(process(point), moments, now.loss + jnp.float32(value))

    begin = Descent(start, change.init(start) if moments is None else moments, jnp.float32(0))
    return jax.lax.fori_loop(first, steps, step, begin)


def _step(
    cost: Callable[[Any], jax.Array], change: optax.GradientTransformation, point: Any, moments: Any
) -> tuple[jax.Array, Any, Any]:
    """The costs at a point, and the point and the transformation's state a step later."""
    value, pull = jax.vjp(cost, point)
    (gradient,) = pull(jnp.ones_like(value))
    updates, moments = change.update(gradient, moments, point)
    return value, optax.apply_updates(point, updates), moments


class Lanes(NamedTuple):
    """Where the lanes are; every array leads with the axis lane.

    Attributes:
        point: tree, now.
        moments: the transformation's state.
        best: tree, where the cost was least.
        cost: Float["lane"], there; infinite where it never was a number.
        at: Int["lane"], the step of it.
        steps: Int["lane"], taken.
        active: Bool["lane"].
    """

    point: Any
    moments: Any
    best: Any
    cost: Any
    at: Any
    steps: Any
    active: Any


def begin(change: optax.GradientTransformation, point: Any) -> Lanes:
    """Lanes at their starts."""
    lanes = len(jax.tree.leaves(point)[0])
    infinite, none = jnp.full(lanes, jnp.inf), jnp.zeros(lanes, jnp.int32)
    return Lanes(point, _by_lane(change).init(point), point, infinite, none, none, jnp.ones(lanes, bool))


def advance(
    cost: Callable[[Any], jax.Array],
    change: optax.GradientTransformation,
    lanes: Lanes,
    *,
    until: int | jax.Array,
    enough: float | jax.Array,
    patience: int,
    process: Callable[[Any], Any] = lambda point: point,
) -> Lanes:
    """Move every active lane until so many steps were taken, or all have stopped.

    Args:
        cost: points -> Float["lane"].
        change: makes steps of gradients, lane by lane.
        lanes: as they are.
        until: steps, those before included.
        enough: a cost at which a lane stops.
        patience: steps without improvement after which it stops.
        process: applied to the points after each step.
    """

    def body(carry: tuple[Any, Lanes]) -> tuple[Any, Lanes]:
        step, now = carry
        value, point, moments = _step(cost, _by_lane(change), now.point, now.moments)
        better = now.active & (value < now.cost)
        at = jnp.where(better, step, now.at)
        going = now.active & jnp.isfinite(value) & (value > enough) & (step - at < patience)
        return step + 1, Lanes(
            _where(going, process(point), now.point),
            _where(going, moments, now.moments),
            _where(better, now.point, now.best),
            jnp.where(better, value, now.cost),
            at,
            now.steps + now.active.astype(now.steps.dtype),
            going,
        )

    def unfinished(carry: tuple[Any, Lanes]) -> jax.Array:
        step, now = carry
        return (step < until) & now.active.any()

    return jax.lax.while_loop(unfinished, body, (lanes.steps.max(), lanes))[1]


def _by_lane(change: optax.GradientTransformation) -> optax.GradientTransformation:
    return optax.GradientTransformation(jax.vmap(change.init), jax.vmap(change.update))


def _where(condition: jax.Array, new: Any, old: Any) -> Any:
    """Lane by lane, one tree or another."""
    return jax.tree.map(
        lambda a, b: jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b), new, old
    )
