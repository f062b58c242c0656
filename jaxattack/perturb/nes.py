"""NES: projected gradient descent whose gradient is asked for, by pairs of normal steps (Ilyas et al. 2018).

With u_1, ..., u_n normal, L the margin and s the size of a step,

    g = sum (L(x + s u_i) - L(x - s u_i)) u_i / (2 n s)        whose mean is the gradient of L smoothed by s
    v <- m v + (1 - m) g,   x <- x - rate sign(v), within the ball

The paper descends a cross-entropy; a confident answer's has no digits left in float32, and its margin has. No step is asked
about for itself: the pairs around it are, and are examples as good. A question about every other point makes 2 n a step.
Answers that are rounded more coarsely than s moves them make g zero.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import share_of_range
from jaxattack.types import InputError, at_least, config


class State(NamedTuple):
    """Of one record.

    Attributes:
        point: the step until now.
        momentum: v.
    """

    point: Float[jax.Array, "*feature"]
    momentum: Float[jax.Array, "*feature"]


@config
class NormalDifferences:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        size: of the max-norm ball, as a share of the range.
        steps: of the descent.
        pairs: n.
        scale: s.
        rate: of a step.
        momentum: m, below 1.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.05
    steps: int = 100
    pairs: int = 50
    scale: float = 0.001
    rate: float = 0.01
    momentum: float = 0.9

    minimises = False

    def __post_init__(self) -> None:
        share_of_range(size=self.size, scale=self.scale, rate=self.rate)
        at_least(1, steps=self.steps, pairs=self.pairs)
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}: give at least 0 and less than 1.")

    @property
    def rounds(self) -> int:
        """A step in each."""
        return self.steps

    @property
    def points(self) -> int:
        """Two of each pair."""
        return 2 * self.pairs

    def begin(self, record: Record) -> State:
        """The record itself."""
        return State(record.x, jnp.zeros_like(record.x))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """Pairs of points around the step."""
        key = jax.random.fold_in(record.key, number)
        return pairs(
            state.point, jax.random.normal(key, (self.pairs, *record.x.shape)), self.scale, within(record, self.size)
        )

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:  # noqa: ARG002 (as all methods)
        """Step against the gradient."""
        slope = gradient(query.draws, reply.margin, self.scale)
        momentum = self.momentum * state.momentum + (1 - self.momentum) * slope
        return State(jnp.clip(state.point - self.rate * jnp.sign(momentum), *within(record, self.size)), momentum)

    def through(self, state: State) -> Bool[jax.Array, ""]:  # noqa: ARG002 (as all methods)
        """Never."""
        return jnp.zeros((), bool)


def within(record: Record, size: float) -> tuple[jax.Array, jax.Array]:
    """The least and the most that a point of the max-norm ball around a record may be."""
    return jnp.maximum(record.low, record.x - size), jnp.minimum(record.high, record.x + size)


def pairs(
    point: Float[jax.Array, "*feature"],
    directions: Float[jax.Array, "pair *feature"],
    scale: float,
    bounds: tuple[jax.Array, jax.Array],
) -> Query:
    """A step along each direction, then one against it, all within bounds; the directions are its draws."""
    shift, (low, high) = scale * directions, bounds
    points = jnp.concatenate([point[None] + shift, point[None] - shift])
    return Query(jnp.clip(points, low[None], high[None]), directions)


def gradient(
    directions: Float[jax.Array, "pair *feature"], loss: Float[jax.Array, "point"], scale: float
) -> Float[jax.Array, "*feature"]:
    """The gradient of the loss as the points of `pairs` tell it: without bias on a quadratic, for directions of unit covariance."""
    count = len(directions)
    return jnp.tensordot(loss[:count] - loss[count:], directions, 1) / (2 * count * scale)
