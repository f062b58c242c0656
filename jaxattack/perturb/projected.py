"""Projected gradient ascent from random starts (Madry et al. 2018), with momentum where it is to transfer (Dong et al. 2018).

    g <- mu g + grad / |grad|_1        x <- project(x + rate steepest(g))

On a linear model it ends at the best change of a ball in the max norm once steps times rate is twice the size of the ball; in the
2-norm the angle to the best falls by 1 / (1 + rate / size) a step.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.perturb.ascent import (
    Ascent,
    Best,
    Ground,
    ascend,
    best_attempt,
    better,
    likeliest_others,
    random_changes,
    repeated,
    slopes,
    without_slope,
)
from jaxattack.perturb.losses import Loss
from jaxattack.perturb.norms import BALLS, Norm, per_record
from jaxattack.types import Inputs, Model, Variables

_TINY = 1e-30


def projected_steps(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    loss: Loss,
    norm: Norm,
    size: float,
    rate: float,
    steps: int,
    attempts: int = 1,
    targeted: bool = False,
    random: bool = True,
    momentum: float = 0.0,
    early: bool = True,
    seed: int = 0,
    record: Int[np.ndarray, "record"] | None = None,
) -> Ascent:
    """Records moved up a loss within a ball.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        loss: what to raise.
        norm: of the ball.
        size: of the ball, in shares of the ranges.
        rate: the length of a step.
        steps: of every attempt.
        attempts: random starts; or targets, the likeliest classes first.
        targeted: whether attempts are targets.
        random: whether an attempt starts at a random point of the ball; at the record otherwise.
        momentum: mu.
        early: leave a record alone once one of its attempts fools the model.
        seed: decides the random starts.
        record: the number of each, which decides its random starts.
    """

    def program(x, y, number, box, free):
        return _projected(
            model, loss, norm, attempts, targeted, random, early, variables, x, y, number, box, free, size, rate, steps,
            momentum, seed,
        )  # fmt: skip

    return ascend(program, x, y, inputs, attempts, record)


@partial(jax.jit, static_argnames=("model", "loss", "norm", "attempts", "targeted", "random", "early"))
def _projected(
    model, loss, norm, attempts, targeted, random, early, variables, x, y, number, box, free, size, rate, steps, momentum,
    seed,
):  # fmt: skip
    low, high, span = (part[None] for part in box)
    ball, count = BALLS[norm], len(x)
    target = likeliest_others(model, variables, x, y, attempts).reshape(-1) if targeted else None
    ground = Ground(repeated(x / span, attempts), low / span, high / span, free[None], size)
    at = slopes(model, loss, variables, span, repeated(y, attempts), target)
    share = ground.start
    if random:
        share = ground.inside(share + size * random_changes(ball, seed, number, attempts, x.shape[1:]), ball)
    value, slope, reached = at(share)
    flat = without_slope(slope, reached, attempts)

    def through(best):
        return best.reached.reshape(attempts, count).any(axis=0)

    def unfinished(state):
        step, _, _, _, best, _ = state
        return (step < steps) & ~(early & through(best).all())

    def move(state):
        step, share, slope, velocity, best, gradients = state
        velocity = momentum * velocity + slope / per_record(_absolute(slope), slope)
        stepped = ground.inside(share + rate * ball.steepest(ground.free * velocity), ball)
        done = through(best) if early else jnp.zeros(count, bool)
        share = jnp.where(per_record(repeated(done, attempts), share), share, stepped)
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
    return *best_attempt(best, attempts), gradients * attempts, flat


def _absolute(slope: jax.Array) -> jax.Array:
    return jnp.abs(slope).reshape(len(slope), -1).sum(axis=1) + _TINY
