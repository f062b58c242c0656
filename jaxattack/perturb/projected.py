"""Projected gradient ascent from random starts (Madry et al. 2018), with momentum where it is to transfer (Dong et al. 2018).

    g <- mu g + grad / |grad|_1        x <- project(x + rate steepest(g))

On a linear model it ends at the best change of a ball in the max norm once steps times rate is twice the size of the ball; in the
2-norm the angle to the best falls by 1 / (1 + rate / size) a step.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxattack.perturb.ascent import (
    Ascent,
    Best,
    Climb,
    best_attempt,
    better,
    random_changes,
    repeated,
    without_slope,
)
from jaxattack.perturb.norms import per_record

_TINY = 1e-30


def projected_steps(climb: Climb, *, rate: float, steps: int, random: bool = True, momentum: float = 0.0) -> Ascent:
    """Records moved up a loss within a ball.

    Args:
        climb: the records and the loss.
        rate: the length of a step.
        steps: of every attempt.
        random: whether an attempt starts at a random point of the ball; at the record otherwise.
        momentum: mu.
    """
    return climb.run(partial(_projected, random=random, rate=rate, steps=steps, momentum=momentum))


@partial(jax.jit, static_argnames=("aim", "random"))
def _projected(aim, variables, x, y, number, box, free, size, seed, *, random, rate, steps, momentum):
    ball, count = aim.ball, len(x)
    ground, at = aim.begin(variables, x, y, box, free, size)
    share = ground.start
    if random:
        share = ground.inside(share + size * random_changes(ball, seed, number, aim.attempts, x.shape[1:]), ball)
    value, slope, reached = at(share)
    flat = without_slope(slope, reached, aim.attempts)

    def unfinished(state):
        step, _, _, _, best, _ = state
        return (step < steps) & ~aim.done(best).all()

    def move(state):
        step, share, slope, velocity, best, gradients = state
        velocity = momentum * velocity + slope / per_record(_absolute(slope), slope)
        stepped = ground.inside(share + rate * aim.steepest(ground.free * velocity), ball)
        done = aim.done(best)
        share = jnp.where(per_record(repeated(done, aim.attempts), share), share, stepped)
        value, slope, reached = at(share)
        return (
            step + 1,
            share,
            slope,
            velocity,
            better(best, share, value, reached),
            gradients + (~done).astype(jnp.int32),
        )

    state = (0, share, slope, jnp.zeros_like(slope), Best(share, value, reached), jnp.ones(count, jnp.int32))
    *_, best, gradients = jax.lax.while_loop(unfinished, move, state)
    return *best_attempt(best, aim.attempts), gradients * aim.attempts, flat


def _absolute(slope: jax.Array) -> jax.Array:
    return jnp.abs(slope).reshape(len(slope), -1).sum(axis=1) + _TINY
