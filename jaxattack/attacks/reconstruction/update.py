"""How a model is updated on one more record, and how its answers change by that.

    delta[probe, cls] = log p_after - log p_before, less its mean over classes

which is the change of the centred logits: confidences fix logits up to a constant.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.descent import descend
from jaxattack.types import (
    Answer,
    InputError,
    Ledger,
    Model,
    Oracle,
    OracleError,
    Variables,
    above_zero,
    at_least,
    config,
)

AT_ONCE = 64
"""Updates computed side by side; it changes memory, not results beyond rounding."""


class Change(NamedTuple):
    """How the answers changed.

    Attributes:
        delta: Float["target probe cls"], of the centred log-confidences, an entry for each update.
        cost: what was asked, before and after.
    """

    delta: np.ndarray
    cost: Ledger


def change(before: Oracle, after: tuple[Oracle, ...], probes: Float[np.ndarray, "probe *feature"]) -> Change:
    """Ask about the probes before the updates and after each, in one call each.

    Args:
        before: the victim as it was; where the service is one, answers kept from then.
        after: the victim after each update.
        probes: the attacker's own records.

    Raises:
        InputError: labels alone, or victims of different classes.
        OracleError: a confidence that is 0, NaN or withheld, of which no logarithm can be taken.
    """
    classes = before.access.classes
    for oracle in after:
        if oracle.access.classes != classes or classes < 2:
            raise InputError(
                f"the victim had {classes} classes and has {oracle.access.classes}: give one classifier twice."
            )
    scores, cost = [], Ledger()
    for oracle in (before, *after):
        total = oracle.ledger
        scores.append(_log_confidence(oracle(probes)))
        cost += oracle.ledger - total
    return Change(_centred(np.stack(scores[1:]) - scores[0]), cost)


def _log_confidence(answer: Answer) -> Float[np.ndarray, "probe cls"]:
    if answer.logit is None and answer.probability is None:
        raise InputError("the victim answers with labels alone: an update shows in its confidences.")
    with np.errstate(divide="ignore"):
        score = answer.logit if answer.logit is not None else np.log(np.asarray(answer.probability, np.float64))
    if not np.isfinite(score).all():
        raise OracleError(
            "the victim answers a confidence that is 0, NaN or withheld, so that its change cannot be measured: where that is after an "
            "update, lower the rate of updates."
        )
    return np.asarray(score, np.float64)


def _centred(delta: Any) -> Any:
    return delta - delta.mean(axis=-1, keepdims=True)


@config
class Update:
    """How the owner of a model trains it on one more record: plain gradient descent on its cross entropy.

    Attributes:
        steps: of it.
        learning_rate: above 0.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 1
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        above_zero(learning_rate=self.learning_rate)

    def apply(
        self, model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
    ) -> Variables:
        """The model updated on each record alone; every leaf of the parameters leads with ``record``."""
        params = _update_each(model, self, variables, jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32))
        return Variables(params, variables.rest)

    def changes(
        self,
        model: Model,
        variables: Variables,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        probes: Float[np.ndarray, "probe *feature"],
    ) -> Float[np.ndarray, "record probe cls"]:
        """How the answers to the probes change when the model is updated on each record alone.

        Raises:
            InputError: other than one label for each record, or an update that diverged.
        """
        if len(x) != len(y) or not len(x):
            raise InputError(f"there are {len(x)} records and {len(y)} labels: give one of each.")
        arrays = (jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32), jnp.asarray(probes, jnp.float32))
        delta = np.asarray(_changes(model, self, variables, *arrays))
        if not np.isfinite(delta).all():
            raise InputError(f"learning_rate is {self.learning_rate} and an update diverged: lower it.")
        return delta


def _update(model: Model, update: Update, variables: Variables, x: jax.Array, y: jax.Array) -> Any:
    def loss(params, _):
        logits = model.apply(Variables(params, variables.rest), x[None])
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[None])[0]

    return descend(loss, optax.sgd(update.learning_rate), variables.params, update.steps).point


@partial(jax.jit, static_argnames=("model", "update"))
def _update_each(model: Model, update: Update, variables: Variables, x: jax.Array, y: jax.Array) -> Any:
    return jax.lax.map(lambda one: _update(model, update, variables, *one), (x, y), batch_size=AT_ONCE)


@partial(jax.jit, static_argnames=("model", "update"))
def _changes(
    model: Model, update: Update, variables: Variables, x: jax.Array, y: jax.Array, probes: jax.Array
) -> jax.Array:
    before = model.apply(variables, probes)

    def one(record):
        params = _update(model, update, variables, *record)
        return _centred(model.apply(Variables(params, variables.rest), probes) - before)

    return jax.lax.map(one, (x, y), batch_size=AT_ONCE)
