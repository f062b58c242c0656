"""FAB: the nearest example, by projections onto the boundary linearised (Croce and Hein 2020, arXiv 1907.02044).

    m(x)     the logit of a target less that of the record's label
    h_k      where m is 0, linearised at x_k, within the box
    d, d_0   the shortest changes that bring x_k and the record x_0 onto h_k;  alpha = min(|d| / (|d| + |d_0|), .1)
    x_{k+1} <- (1 - alpha) (x_k + 1.05 d) + alpha (x_0 + 1.05 d_0)

The pull toward x_0's own projection keeps the search near the record. Where x_{k+1} is an example it is a candidate for the nearest, and
the search goes on from .9 x_{k+1} + .1 x_0. Each target is an attempt of its own: the form that AutoAttack takes, whose cost does not
grow with the number of classes. Neither random restarts nor the paper's last search along a line are here.

On a linear model the second step ends within .6% of the nearest point of the boundary.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ascent import Ascent, Ground, ascend, likeliest_others, repeated
from jaxattack.perturb.losses import at
from jaxattack.perturb.norms import BALLS, Norm, per_record
from jaxattack.types import Inputs, Model, Variables

ALPHA, ETA, BETA = 0.1, 1.05, 0.9
"""The largest pull toward the record's own projection, the overshoot, and how much of an example is left: the paper's."""

TURNS = 64
"""Of Newton's method, at most; a handful are enough."""

_TINY = 1e-12


def fast_adaptive_boundary(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    norm: Norm,
    steps: int,
    targets: int,
    size: float = np.inf,
) -> Ascent:
    """The nearest example of each record.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        norm: of the distance, in shares of the ranges.
        steps: toward each target.
        targets: the likeliest other classes.
        size: examples farther than this do not count, and a record is left alone once it has one as near.

    Returns:
        The nearest example of each record; the record itself where there is none.
    """

    def program(x, y, number, box, free):  # noqa: ARG001 (nothing is random)
        return _search(model, norm, targets, variables, x, y, box, free, jnp.float32(size), steps)

    return ascend(program, x, y, inputs, targets, None)


class _Walk(NamedTuple):
    """Rows on their way.

    Attributes:
        step: taken.
        share: where each is.
        best: its nearest example; the record where there is none.
        distance: of that; infinite where there is none.
        gradients: taken of each record's attempts.
    """

    step: jax.Array | int
    share: Float[jax.Array, "row *feature"]
    best: Float[jax.Array, "row *feature"]
    distance: Float[jax.Array, "row"]
    gradients: Int[jax.Array, "record"]


@partial(jax.jit, static_argnames=("model", "norm", "targets"))
def _search(model, norm, targets, variables, x, y, box, free, size, steps):
    ball, records = BALLS[norm], len(x)
    low, high, span = (part[None] for part in box)
    target = likeliest_others(model, variables, x, y, targets).reshape(-1)
    label, start = repeated(y, targets), repeated(x / span, targets)
    ground = Ground(start, low / span, high / span, free[None], size)

    def ahead(share):
        z = model.apply(variables, share * span)
        margin = at(z, target) - at(z, label)
        return margin.sum(), margin

    def near(distance: jax.Array) -> Bool[jax.Array, "record"]:
        return (distance <= size).reshape(targets, records).any(axis=0) & jnp.isfinite(size)

    def unfinished(walk):
        return (walk.step < steps) & ~near(walk.distance).all()

    def move(walk):
        slope, margin = jax.grad(ahead, has_aux=True)(walk.share)
        slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
        here = to_hyperplane(walk.share, slope, -margin, ground, norm)
        there = to_hyperplane(start, slope, -margin - _inner(slope, start - walk.share), ground, norm)
        far, far_there = (jnp.maximum(ball.length(change), 1e-8) for change in (here, there))
        alpha = per_record(jnp.minimum(far / (far + far_there), ALPHA), start)
        # Means of changes and not of places: what is not free stays as it is to the last bit, and a category a whole number.
        change = (1 - alpha) * (walk.share - start + ETA * here) + alpha * ETA * there
        moved = jnp.clip(start + change, ground.low, ground.high)
        fooled = model.apply(variables, moved * span).argmax(axis=1) != label
        distance = jnp.where(fooled, ball.length(moved - start), jnp.inf)
        going = repeated(~near(walk.distance), targets)
        nearer = going & (distance < walk.distance)
        back = jnp.where(per_record(fooled, start), start + BETA * (moved - start), moved)
        return _Walk(
            step=walk.step + 1,
            share=jnp.where(per_record(going, start), back, walk.share),
            best=jnp.where(per_record(nearer, start), moved, walk.best),
            distance=jnp.where(nearer, distance, walk.distance),
            gradients=walk.gradients + going[:records].astype(jnp.int32),
        )

    walk = _Walk(0, start, start, jnp.full(len(start), jnp.inf), jnp.zeros(records, jnp.int32))
    walk = jax.lax.while_loop(unfinished, move, walk)
    distance = walk.distance.reshape(targets, records)
    within = distance.min(axis=0) <= size
    share = walk.best.reshape(targets, *x.shape)[distance.argmin(axis=0), jnp.arange(records)]
    reached = within & jnp.isfinite(distance.min(axis=0))
    return (
        jnp.where(per_record(within, x), share, x / span),
        reached,
        walk.gradients * targets,
        jnp.zeros(records, bool),
    )


def to_hyperplane(
    share: Float[jax.Array, "row *feature"],
    slope: Float[jax.Array, "row *feature"],
    gap: Float[jax.Array, "row"],
    ground: Ground,
    norm: Norm,
) -> Float[jax.Array, "row *feature"]:
    """The shortest changes within the box by which a linear function grows by a gap; to the edge of the box where none does.

    Every feature moves by min(lambda c_i, room_i) in the direction that closes the gap, c_i being 1 in the max norm and |slope_i| in
    the 2-norm. What that closes is concave and piecewise linear in lambda, so that Newton's method from below ends in the root.

    Args:
        share: where each row is.
        slope: of the linear function.
        gap: by how much it is to grow.
        ground: the edges of the box, and what may change.
        norm: in which the change is the shortest.
    """
    toward = jnp.sign(gap.reshape(-1, *[1] * (share.ndim - 1)) * slope)
    room = ground.free * jnp.where(toward > 0, ground.high - share, share - ground.low)
    steep = jnp.abs(slope) * ground.free
    reach = jnp.ones_like(steep) if norm == "linf" else steep
    height = jnp.abs(gap)

    def at_pace(pace):
        length = jnp.minimum(per_record(pace, share) * reach, room)
        left = _sum(jnp.where(per_record(pace, share) * reach < room, steep * reach, 0.0))
        return length, height - _sum(steep * length), left

    def unfinished(state):
        turn, _, going = state
        return (turn < TURNS) & going.any()

    def step(state):
        turn, pace, going = state
        _, missing, left = at_pace(pace)
        going = going & (missing > 1e-6 * height) & (left > 0)
        return turn + 1, pace + jnp.where(going, missing / jnp.maximum(left, _TINY**2), 0.0), going

    begin = 0, jnp.zeros_like(height), height > 0
    _, pace, _ = jax.lax.while_loop(unfinished, step, begin)
    return toward * at_pace(pace)[0]


def _sum(each: jax.Array) -> jax.Array:
    return each.reshape(len(each), -1).sum(axis=1)


def _inner(one: jax.Array, other: jax.Array) -> jax.Array:
    return _sum(one * other)
