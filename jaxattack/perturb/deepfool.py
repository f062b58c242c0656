"""DeepFool: the nearest boundary of a model, linearised again and again (Moosavi-Dezfooli et al. 2016).

Within a box: a feature at its edge does not count where the boundary lies beyond it, and a category nowhere: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.perturb.box import box_of, free_of, in_blocks, span_of
from jaxattack.types import Inputs, Model, Variables

OVERSHOOT = 0.02
"""How much farther than to the linearised boundary a step goes: the paper's."""


class DeepFooled(NamedTuple):
    """Records moved over a boundary.

    Attributes:
        example: in the units of the records.
        distance: how far that is, in shares of the ranges (2-norm).
        steps: that each record took.
    """

    example: Float[np.ndarray, "record *feature"]
    distance: Float[np.ndarray, "record"]
    steps: Int[np.ndarray, "record"]


def deepfool(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    inputs: Inputs,
    *,
    steps: int = 10,
    overshoot: float = OVERSHOOT,
) -> DeepFooled:
    """Each record moved just over the model's nearest boundary.

    A record that does not cross within the steps of the search keeps how far it went. On a linear model and away from the
    box one step is enough: the distance is (1 + overshoot) times that to the boundary.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        inputs: the range to stay in; categories stay as they are.
        steps: at most.
        overshoot: how much farther than to the linearised boundary a step goes.
    """

    def block(x, _):
        return _deepfool(model, variables, x, box_of(inputs), free_of(inputs), steps, overshoot)

    moved, counts = in_blocks(block, x, np.zeros(len(x), int))
    example = np.where(inputs.categories > 0, x, moved)
    share = (example - x) / span_of(inputs)
    return DeepFooled(example, np.sqrt((share.reshape(len(x), -1) ** 2).sum(axis=1)), counts.astype(int))


class Boundaries(NamedTuple):
    """The boundaries of each record with all classes, linearised at a place.

    Attributes:
        gap: how far the class's logit is above the record's.
        away: the slope of that gap, where it can be followed.
        norm: its length.
        distance: to the boundary; infinite for the record's own class.
    """

    gap: Float[jax.Array, "record cls"]
    away: Float[jax.Array, "record cls feature"]
    norm: Float[jax.Array, "record cls"]
    distance: Float[jax.Array, "record cls"]


def boundaries(
    logits: Callable[[jax.Array], jax.Array],
    share: Float[jax.Array, "record *feature"],
    own: Int[jax.Array, "record"],
    low: Float[jax.Array, "record *feature"],
    high: Float[jax.Array, "record *feature"],
) -> Boundaries:
    """The boundaries at a place.

    Args:
        logits: of records in shares of the ranges.
        share: the place.
        own: the class of each record.
        low: the least shares; where a feature stays as it is, its own.
        high: the largest.
    """
    z, pull = jax.vjp(logits, share)
    rows = jax.lax.map(lambda one: pull(jnp.broadcast_to(one, z.shape))[0], jnp.eye(z.shape[1], dtype=z.dtype))
    slope, mine = jnp.moveaxis(rows, 0, 1).reshape(*z.shape, -1), own[:, None]
    gap = z - jnp.take_along_axis(z, mine, axis=1)
    away = slope - jnp.take_along_axis(slope, mine[:, :, None], axis=1)
    # What a feature at the edge of the box cannot follow would leave every step short of the boundary.
    at, (least, most) = share.reshape(len(share), 1, -1), (edge.reshape(len(share), 1, -1) for edge in (low, high))
    away = jnp.where(((at <= least) & (away < 0)) | ((at >= most) & (away > 0)), 0.0, away)
    norm = jnp.sqrt(jnp.sum(away**2, axis=2))
    distance = jnp.where(jax.nn.one_hot(own, z.shape[1]) > 0, jnp.inf, jnp.abs(gap) / jnp.maximum(norm, 1e-12))
    return Boundaries(gap, away, norm, distance)


@partial(jax.jit, static_argnames="model")
def _deepfool(
    model: Model, variables: Variables, x: jax.Array, box, free, steps, overshoot
) -> tuple[jax.Array, jax.Array]:
    low, high, span = (part[None] for part in box)
    low, high = (jnp.where(free[None] > 0, edge, x) / span for edge in (low, high))
    own = model.apply(variables, x).argmax(axis=1)

    def logits(share):
        return model.apply(variables, share * span)

    def step(state):
        share, count, moving = state
        to = boundaries(logits, share, own, low, high)
        near = to.distance.argmin(axis=1)[:, None]
        length = jnp.take_along_axis(jnp.abs(to.gap) / jnp.maximum(to.norm**2, 1e-12), near, axis=1)
        move = length * jnp.take_along_axis(to.away, near[:, :, None], axis=1)[:, 0]
        stepped = jnp.clip(share + (1 + overshoot) * move.reshape(share.shape), low, high)
        share = jnp.where(moving.reshape(-1, *[1] * (x.ndim - 1)), stepped, share)
        return share, count + moving.astype(count.dtype), moving & (logits(share).argmax(axis=1) == own)

    def unfinished(state):
        _, count, moving = state
        return (moving & (count < steps)).any()

    start = x / span, jnp.zeros(len(x), jnp.int32), jnp.ones(len(x), bool)
    share, count, _ = jax.lax.while_loop(unfinished, step, start)
    return share * span, count
