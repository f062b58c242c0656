"""Queries that are optimised on models whose weights the attacker has, for what other models answer to them.

    yoqo    a point that models which know a record label as the record is, and no others (Wu et al. 2024)
    oslo    the nearest points that fool models which do not know the record, one for each confidence (Peng et al. 2024)
    canary  points at which models that know the record are sure of its label, and others undecided (Wen et al. 2023)

A query that is judged on the models it was found on says that it works on them: who finds and who answers are different
models (`jaxattack.audit.optimising`). Records are inputs as the network takes them: pictures stay within -1 to 1, and a
table's steps are measured by the record's own size. The official code of the first two was not read; what was is a
re-implementation (LeakPro), whose departures are named below.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from jaxattack.signals.correct import Correct
from jaxattack.signals.scores import Labels, Values
from jaxattack.types import Model, Sight, Signal, View


class ReadQuery:
    """What is read of the answer to a query: whether it is the record's label."""

    reads: Signal = Correct()

    @property
    def sees(self) -> Sight:
        """What is enough of whoever is asked; the weights are of other models."""
        return self.reads.sees

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """Of a query that was found, as `jaxattack.types.Signal`."""
        return self.reads(view, x, y, key)


def summed_losses(
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


def summed_slopes(
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
