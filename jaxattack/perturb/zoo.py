"""ZOO: Carlini and Wagner's objective in the 2-norm, descended a few coordinates at a time by differences (Chen et al. 2017).

    |x' - x|^2 + c max(margin of x', -kappa)

In each step so many coordinates, drawn anew, are moved by Adam, each with its own count of steps; the derivative of the margin
along one is (margin(x' + h e) - margin(x' - h e)) / 2h, that of the distance is known. The weight c is searched for each record,
as the paper does: ten times as large until an example is met, then halfway between the largest that met none and the
smallest that did; each search starts at the record. Two points a coordinate are asked about, and nothing else: the points
are examples as good as the step between them.

Of the paper's means for large pictures there are none here: neither coordinates by importance nor a smaller space. Answers in
half precision, or rounded, differ by nothing at h = 1e-4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import share_of_range
from jaxattack.types import InputError, above_zero, at_least, config

DECAYS = (0.9, 0.999)
"""Of Adam's moments: the paper's."""

TINY = 1e-8
"""Keeps Adam from dividing by 0: the paper's."""


class State(NamedTuple):
    """Of one record; coordinates in one row.

    Attributes:
        point: x'.
        mean: Adam's first moment of each coordinate.
        square: its second.
        count: steps of each coordinate.
        weight: c.
        least: the largest c that met no example.
        most: the smallest that did; infinite while none did.
        success: whether this search met one.
    """

    point: Float[jax.Array, "feature"]
    mean: Float[jax.Array, "feature"]
    square: Float[jax.Array, "feature"]
    count: Int[jax.Array, "feature"]
    weight: Float[jax.Array, ""]
    least: Float[jax.Array, ""]
    most: Float[jax.Array, ""]
    success: Bool[jax.Array, ""]


@config
class CoordinateDifferences:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        coordinates: moved in a step, at most as many as there are features.
        steps: of a search.
        searches: of c.
        weight: the first c: the paper's. A large one steps to and fro over the boundary.
        kappa: how negative a margin is worth anything.
        scale: h.
        rate: of Adam.

    Raises:
        InputError: a value out of range.
    """

    coordinates: int = 128
    steps: int = 100
    searches: int = 4
    weight: float = 0.01
    kappa: float = 0.0
    scale: float = 1e-4
    rate: float = 0.01

    minimises = True

    def __post_init__(self) -> None:
        share_of_range(scale=self.scale, rate=self.rate)
        at_least(1, coordinates=self.coordinates, steps=self.steps, searches=self.searches)
        above_zero(weight=self.weight)
        if not 0 <= self.kappa < math.inf:
            raise InputError(f"kappa is {self.kappa}: give a margin of at least 0.")

    @property
    def rounds(self) -> int:
        """A step in each."""
        return self.steps * self.searches

    @property
    def points(self) -> int:
        """Two of each coordinate."""
        return 2 * self.coordinates

    def begin(self, record: Record) -> State:
        """The record itself, and the first c."""
        return _restart(record, jnp.asarray(self.weight), jnp.zeros(()), jnp.asarray(jnp.inf))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """A point on each side along each coordinate."""
        low, high = record.low.ravel(), record.high.ravel()
        draws = jax.random.uniform(jax.random.fold_in(record.key, number), state.point.shape)
        places = jax.lax.top_k(draws, self.coordinates)[1]
        shift = jnp.zeros((self.coordinates, state.point.size)).at[jnp.arange(self.coordinates), places].set(self.scale)
        points = jnp.concatenate([state.point[None] + shift, state.point[None] - shift])
        points = jnp.clip(points, low[None], high[None])
        return Query(points.reshape(-1, *record.x.shape), places)

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:
        """Adam on those coordinates; after the last step of a search, the next c."""
        places, x = query.draws, record.x.ravel()
        hinge = jnp.maximum(reply.margin, -self.kappa)
        slope = (hinge[: self.coordinates] - hinge[self.coordinates :]) / (2 * self.scale)
        slope = 2 * (state.point - x)[places] + state.weight * slope
        state = self._step(state, record, places, slope)
        state = state._replace(success=state.success | reply.outside.any())
        ends = number % self.steps == 0
        return jax.tree.map(lambda new, old: jnp.where(ends, new, old), _next_weight(state, record), state)

    def through(self, state: State) -> Bool[jax.Array, ""]:
        """Never."""
        return jnp.zeros_like(state.success)

    def _step(self, state: State, record: Record, places: jax.Array, slope: jax.Array) -> State:
        first, second = DECAYS
        count = (state.count[places] + 1).astype(jnp.float32)
        mean = first * state.mean[places] + (1 - first) * slope
        square = second * state.square[places] + (1 - second) * slope**2
        change = mean / (1 - first**count) / (jnp.sqrt(square / (1 - second**count)) + TINY)
        point = state.point.at[places].add(-self.rate * change)
        return state._replace(
            point=jnp.clip(point, record.low.ravel(), record.high.ravel()),
            mean=state.mean.at[places].set(mean),
            square=state.square.at[places].set(square),
            count=state.count.at[places].add(1),
        )


def _restart(record: Record, weight: jax.Array, least: jax.Array, most: jax.Array) -> State:
    zero = jnp.zeros(record.x.size)
    return State(record.x.ravel(), zero, zero, zero.astype(jnp.int32), weight, least, most, jnp.zeros((), bool))


def _next_weight(state: State, record: Record) -> State:
    least = jnp.where(state.success, state.least, jnp.maximum(state.least, state.weight))
    most = jnp.where(state.success, jnp.minimum(state.most, state.weight), state.most)
    weight = jnp.where(jnp.isinf(most), 10 * state.weight, (least + most) / 2)
    return _restart(record, weight, least, most)
