"""Queries that are optimised on models whose weights the attacker has, for what other models answer to them.

    yoqo    a point that models which know a record label as the record is, and no others (Wu et al. 2024)
    oslo    the nearest points that fool models which do not know the record, one for each confidence (Peng et al. 2024)

A query that is judged on the models it was found on says that it works on them: who finds and who answers are different
models (`jaxattack.audit.optimising`). Records are inputs as the network takes them: pictures stay within -1 to 1, and a
table's steps are measured by the record's own size. Neither paper's official code was read; what was is a re-implementation
(LeakPro), whose departures are named below.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from jaxattack.signals.boundary import region_of
from jaxattack.signals.correct import Correct
from jaxattack.signals.scores import Labels, Values, others
from jaxattack.types import Model, Sight, Signal, Surrogates, View, above_zero, at_least, config

STOP = 8
"""YOQO stops where the sum of the losses of M models is below M / 8."""

STEP = 2.55
"""OSLO's step against the growth of its ball: the paper's .01 against 80 / 255 in 80 parts."""


class ReadLabel:
    """What is read of the answer to a query: whether it is the record's label."""

    reads: Signal = Correct()

    @property
    def sees(self) -> Sight:
        """Labels are enough of whoever is asked; the weights are of other models."""
        return "label"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """Of a query that was found, as `jaxattack.types.Signal`."""
        return self.reads(view, x, y, key)


@config
class YoqoQuery(ReadLabel):
    """One point that should be answered with the label by models that know the record, and by no others.

    It lowers sum CE(f_m(x), y) over models m that know the record plus alpha times sum CE(f_m(x), y_m) over the others, with
    y_m the likeliest other class at the record, by Adam, until the sum is below M / 8. LeakPro takes 35 steps of gradient
    descent at a rate of .001, which hardly move.

    Attributes:
        steps: at most, at least 1.
        rate: of Adam, above 0: a first step of each feature, as a share of the range of pictures, 2, or of the root mean
            square of a table's record.
        alpha: the weight of models that do not know the record, above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Wu et al. 2024"
    queries = 1

    steps: int = 35
    rate: float = 0.02
    alpha: float = 2.0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        above_zero(rate=self.rate, alpha=self.alpha)

    @property
    def name(self) -> str:
        """``yoqo_35_0.02_2``: steps, rate, alpha."""
        return f"yoqo_{self.steps}_{self.rate:g}_{self.alpha:g}"

    def lacking(
        self,
        member: Bool[np.ndarray, "model record"],
        validation: Bool[np.ndarray, "model"],  # noqa: ARG002 (every search has the same arguments)
    ) -> Bool[np.ndarray, "record"]:
        """Records that all of these models know, or none."""
        return np.equal(member.all(axis=0), member.any(axis=0))

    def search(
        self, model: Model, surrogates: Surrogates, x: jax.Array, y: Labels
    ) -> Float[jax.Array, "record query *feature"]:
        """As `jaxattack.types.OptimisedSignal`."""
        variables, member, _ = surrogates
        goal = jnp.where(member, y[None], _likeliest_others(model, variables, x, y))
        weight = jnp.where(member, 1.0, self.alpha)
        region, change = region_of(x), optax.adam(self.rate)

        def step(now, _):
            point, state = now
            loss, gradient = _slopes(model, variables, weight, goal, point)
            update, state = change.update(gradient, state)
            moved = jnp.clip(point + region.scale * update, region.low, region.high)
            return (jnp.where(_each(loss >= len(member) / STOP, point), moved, point), state), None

        (point, _), _ = jax.lax.scan(step, (x, change.init(x)), length=self.steps)
        return point[:, None]


@config
class OsloQueries(ReadLabel):
    """The nearest points found at which models that do not know the record have lost their confidence in its label.

    Source models' mean loss is raised by steps of equal length within a ball around the record, which grows from step to
    step; a point is taken as soon as the mean log confidence of the validation models is below the logarithm of a threshold,
    and the last point for a threshold that is never met. LeakPro compares the sum of the logarithms, so that thresholds mean
    another thing for each number of models, and scores the last threshold alone, which is one bit.

    Attributes:
        growth: parts in which the ball grows, at least 1; the paper's 80, of 5 steps each.
        steps: of each part, at least 1.
        largest: radius of the largest ball, above 0: the root mean square of a change of the features, as a share of the
            range of pictures or of a table's record's own.
        thresholds: of the validation models' confidence, 1 down to .0001 in so many steps, at least 2.

    Raises:
        InputError: a value out of range.
    """

    paper = "Peng et al. 2024"

    growth: int = 40
    steps: int = 5
    largest: float = 0.3
    thresholds: int = 5

    def __post_init__(self) -> None:
        at_least(1, growth=self.growth, steps=self.steps)
        at_least(2, thresholds=self.thresholds)
        above_zero(largest=self.largest)

    @property
    def queries(self) -> int:
        """One for each threshold."""
        return self.thresholds

    @property
    def name(self) -> str:
        """``oslo_40_5_0.3_5``: growth, steps, largest, thresholds."""
        return f"oslo_{self.growth}_{self.steps}_{self.largest:g}_{self.thresholds}"

    def lacking(
        self, member: Bool[np.ndarray, "model record"], validation: Bool[np.ndarray, "model"]
    ) -> Bool[np.ndarray, "record"]:
        """Records that all source models, or all validation models, know."""
        judges, sources = (np.asarray(member[role].all(axis=0)) for role in (validation, ~validation))
        return np.asarray(judges | sources)

    def search(
        self, model: Model, surrogates: Surrogates, x: jax.Array, y: Labels
    ) -> Float[jax.Array, "record query *feature"]:
        """As `jaxattack.types.OptimisedSignal`."""
        variables, member, validation = surrogates
        source, judging = (jnp.where(member | ~role[:, None], 0.0, 1.0) for role in (~validation, validation))
        source, judging = (share / jnp.maximum(share.sum(axis=0), 1.0)[None] for share in (source, judging))
        goal = jnp.broadcast_to(y[None], member.shape)
        region = region_of(x)
        part = region.scale * self.largest * np.sqrt(x[0].size) / self.growth  # the radius of the first ball
        bounds = -jnp.linspace(0.0, np.log(1e-4), self.thresholds)

        def step(now, number):
            point, found, met = now
            _, gradient = _slopes(model, variables, source, goal, point)
            moved = point - x + STEP * part * gradient / _each(_length(gradient), x)
            radius = part * (1 + number // self.steps).astype(x.dtype)
            moved = moved * jnp.minimum(1.0, radius / _each(_length(moved), x))
            point = jnp.clip(x + moved, region.low, region.high)
            loss = _losses(model, variables, judging, goal, point)
            found = jnp.where(met.reshape(met.shape + (1,) * (x.ndim - 1)), found, point[:, None])
            return (point, found, met | (loss[:, None] > bounds[None])), None

        found = jnp.repeat(x[:, None], self.thresholds, axis=1)
        met = jnp.zeros((len(x), self.thresholds), bool)
        numbers = jnp.arange(self.growth * self.steps)
        return jax.lax.scan(step, (x, found, met), numbers)[0][1]


def _likeliest_others(model: Model, variables: Any, x: jax.Array, y: Labels) -> Int[jax.Array, "model record"]:
    """Each model's likeliest class but the label."""
    return jax.lax.map(lambda one: jnp.argmax(others(model.apply(one, x), y), axis=1).astype(y.dtype), variables)


def _losses(
    model: Model,
    variables: Any,
    weight: Float[jax.Array, "model record"],
    goal: Int[jax.Array, "model record"],
    x: jax.Array,
) -> Float[jax.Array, "record"]:
    """The weighted sum over models of the cross entropy to each one's goal; one model is in memory at a time."""

    def add(total, now):
        return total + _loss(model, now, x), None

    return jax.lax.scan(add, jnp.zeros(len(x)), (variables, weight, goal))[0]


def _slopes(
    model: Model,
    variables: Any,
    weight: Float[jax.Array, "model record"],
    goal: Int[jax.Array, "model record"],
    x: jax.Array,
) -> tuple[Float[jax.Array, "record"], Float[jax.Array, "record *feature"]]:
    """The same, and its gradient in each record: deployed models answer each record by itself."""

    def add(total, now):
        def summed(x):
            loss = _loss(model, now, x)
            return loss.sum(), loss

        slope, loss = jax.grad(summed, has_aux=True)(x)
        return (total[0] + loss, total[1] + slope), None

    return jax.lax.scan(add, (jnp.zeros(len(x)), jnp.zeros_like(x)), (variables, weight, goal))[0]


def _loss(model: Model, now: tuple[Any, jax.Array, jax.Array], x: jax.Array) -> Float[jax.Array, "record"]:
    variables, weight, goal = now
    return weight * optax.softmax_cross_entropy_with_integer_labels(model.apply(variables, x), goal)


def _each(value: jax.Array, like: jax.Array) -> jax.Array:
    """One value a record, with as many axes as the records have."""
    return value.reshape(-1, *[1] * (like.ndim - 1))


def _length(x: jax.Array) -> Float[jax.Array, "record"]:
    """The 2-norm of each record, which nothing divides by 0."""
    return jnp.sqrt(jnp.maximum(jnp.sum(x.reshape(len(x), -1) ** 2, axis=1), jnp.finfo(x.dtype).tiny))
