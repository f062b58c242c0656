"""Auto-PGD: projected ascent that chooses its step sizes itself (Croce and Hein 2020, arXiv 2003.01690, Algorithm 1).

    z <- project(x_k + rate steepest(grad))
    x_{k+1} <- project(x_k + .75 (z - x_k) + .25 (x_k - x_{k-1}))

The rate is twice the size of the ball at first. At each checkpoint it is halved, and the row goes back to its best place, where
fewer than .75 of the steps since the last one raised the loss, or where neither the rate nor the best loss changed.
Checkpoints are at the shares p_0 = 0, p_1 = .22, p_{j+1} = p_j + max(p_j - p_{j-1} - .03, .06) of all steps; windows between
them are rounded down as the authors' code does. Rises are counted as in the paper: the first step after a return rises where it
is above the best place, which the code compares with the place before the return.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ascent import (
    Ascent,
    Best,
    Climb,
    Ground,
    best_attempt,
    better,
    random_changes,
    repeated,
    without_slope,
)
from jaxattack.perturb.norms import Ball, per_record

MOMENTUM, RISES = 0.75, 0.75
"""The weight of the new step, and the share of steps that must raise the loss: the paper's alpha and rho."""

_TINY = 1e-12


def checkpoints(steps: int) -> Int[np.ndarray, "step"]:
    """How many steps a checkpoint after each step looks back on; 0 where there is none."""
    window, least, less = (max(int(share * steps), 1) for share in (0.22, 0.06, 0.03))
    looks, since = np.zeros(steps, np.int32), 0
    for step in range(steps):
        since += 1
        if since == window:
            looks[step], since, window = window, 0, max(window - less, least)
    return looks


def auto_projected_steps(climb: Climb, *, steps: int = 100) -> Ascent:
    """Records moved up a loss within a ball, by steps that need no tuning; attempts begin on the ball's surface.

    Args:
        climb: the records and the loss.
        steps: of every attempt.
    """
    return climb.run(partial(_auto_projected, looks=checkpoints(steps)))


class _Walk(NamedTuple):
    """Rows on their way.

    Attributes:
        step: taken until now.
        share: where each row is.
        before: where it was a step ago.
        slope: of the loss at ``share``.
        value: of the loss at ``share``.
        rate: of its next step.
        peak: where its loss was highest.
        peak_slope: there.
        peak_value: there.
        rises: how many steps since the last checkpoint raised the loss.
        halved: whether the last checkpoint halved the rate.
        marked: the highest loss at the last checkpoint.
        best: the best place to hand back.
        gradients: taken of each record's attempts.
    """

    step: jax.Array | int
    share: Float[jax.Array, "row *feature"]
    before: Float[jax.Array, "row *feature"]
    slope: Float[jax.Array, "row *feature"]
    value: Float[jax.Array, "row"]
    rate: Float[jax.Array, "row"]
    peak: Float[jax.Array, "row *feature"]
    peak_slope: Float[jax.Array, "row *feature"]
    peak_value: Float[jax.Array, "row"]
    rises: Int[jax.Array, "row"]
    halved: Bool[jax.Array, "row"]
    marked: Float[jax.Array, "row"]
    best: Best
    gradients: Int[jax.Array, "record"]


@partial(jax.jit, static_argnames="aim")
def _auto_projected(aim, variables, x, y, number, box, free, size, seed, *, looks):
    ball, count = aim.ball, len(x)
    ground, at = aim.begin(variables, x, y, box, free, size)
    change = random_changes(ball, seed, number, aim.attempts, x.shape[1:])
    change = change / per_record(jnp.maximum(ball.length(change), _TINY), change)
    start = ground.inside(ground.start + size * change, ball)
    value, slope, reached = at(start)
    flat = without_slope(slope, reached, aim.attempts)

    def unfinished(walk):
        return (walk.step < len(looks)) & ~aim.done(walk.best).all()

    def move(walk):
        ahead, done = _step(walk, ground, ball), aim.done(walk.best)
        share = jnp.where(per_record(repeated(done, aim.attempts), start), walk.share, ground.inside(ahead, ball))
        value, slope, reached = at(share)
        after = _note(walk, share, value, slope, reached, done)
        window = jnp.asarray(looks)[walk.step]
        return jax.lax.cond(window > 0, _check, lambda walk, _: walk, after, window)

    walk = jax.lax.while_loop(unfinished, move, _start(start, slope, value, reached, 2.0 * size, count))
    return *best_attempt(walk.best, aim.attempts), walk.gradients * aim.attempts, flat


def _start(
    start: jax.Array, slope: jax.Array, value: jax.Array, reached: jax.Array, rate: jax.Array, count: int
) -> _Walk:
    """Rows that have not moved yet, of so many records."""
    return _Walk(
        step=0,
        share=start,
        before=start,
        slope=slope,
        value=value,
        rate=jnp.full(len(start), rate, start.dtype),
        peak=start,
        peak_slope=slope,
        peak_value=value,
        rises=jnp.zeros(len(start), jnp.int32),
        halved=jnp.ones(len(start), bool),
        marked=value,
        best=Best(start, value, reached),
        gradients=jnp.ones(count, jnp.int32),
    )


def _step(walk: _Walk, ground: Ground, ball: Ball) -> Float[jax.Array, "row *feature"]:
    """Where momentum and the steepest step lead, which may be outside; the first step has no momentum."""
    fresh = jnp.where(walk.step == 0, 1.0, MOMENTUM)
    reach = walk.share + per_record(walk.rate, walk.share) * ball.steepest(ground.free * walk.slope)
    reach = ground.inside(reach, ball)
    return walk.share + fresh * (reach - walk.share) + (1 - fresh) * (walk.share - walk.before)


def _note(
    walk: _Walk, share: jax.Array, value: jax.Array, slope: jax.Array, reached: jax.Array, done: jax.Array
) -> _Walk:
    """The walk a step later, with what the loss is at the new place."""
    higher = value > walk.peak_value
    return walk._replace(
        step=walk.step + 1,
        share=share,
        before=walk.share,
        slope=slope,
        value=value,
        peak=jnp.where(per_record(higher, share), share, walk.peak),
        peak_slope=jnp.where(per_record(higher, slope), slope, walk.peak_slope),
        peak_value=jnp.maximum(value, walk.peak_value),
        rises=walk.rises + (value > walk.value).astype(jnp.int32),
        best=better(walk.best, share, value, reached),
        gradients=walk.gradients + (~done).astype(jnp.int32),
    )


def _check(walk: _Walk, window: jax.Array) -> _Walk:
    """A checkpoint: rows that swing or stand still go back to their best places with half the rate."""
    halve = (walk.rises.astype(jnp.float32) < RISES * window.astype(jnp.float32)) | (
        ~walk.halved & (walk.marked >= walk.peak_value)
    )
    return walk._replace(
        share=jnp.where(per_record(halve, walk.share), walk.peak, walk.share),
        slope=jnp.where(per_record(halve, walk.slope), walk.peak_slope, walk.slope),
        value=jnp.where(halve, walk.peak_value, walk.value),
        rate=jnp.where(halve, walk.rate / 2, walk.rate),
        rises=jnp.zeros_like(walk.rises),
        halved=halve,
        marked=walk.peak_value,
    )
