"""What an update of a model tells of the record behind it (Salem et al. 2020, Updates-Leak).

A service is asked about the same probes before and after its owner trained it on one more record. The change is

    delta[probe, cls] = log p_after - log p_before, less its mean over classes

which is the change of the centred logits: confidences fix logits up to a constant.

A softmax regression, one gradient step (closed form). With q~ = (q, 1) and x~ = (x, 1),

    delta = - rate (q~ . x~) (p(x) - onehot(y)), centred

has rank one, and its only entry of the other sign is the label's. Its left factor is Q~ x~ up to a scale, which the last
entry of x~ sets: probes that span the records' space give the record itself.

Any network (shadow updates). The attacker updates a model of its own on each of many records in turn, all in one
program, and learns the label from the changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from jaxattack.types import Answer, InputError, Ledger, Model, Oracle, OracleError, Variables, above_zero, config

AT_ONCE = 64
"""Shadow updates computed side by side."""


class Change(NamedTuple):
    """How the answers changed.

    Attributes:
        delta: Float["probe cls"], of the centred log-confidences.
        cost: what was asked, before and after.
    """

    delta: np.ndarray
    cost: Ledger


def change(before: Oracle, after: Oracle, probes: Float[np.ndarray, "probe *feature"]) -> Change:
    """Ask about the probes before and after the update, in one call each.

    Args:
        before: the victim as it was; where the service is one, answers kept from then.
        after: the victim as it is.
        probes: the attacker's own records.

    Raises:
        InputError: labels alone, or victims of different classes.
        OracleError: a confidence that is 0, NaN or withheld, of which no logarithm can be taken.
    """
    if before.access.classes != after.access.classes or before.access.classes < 2:
        raise InputError(
            f"the victim had {before.access.classes} classes and has {after.access.classes}: give one classifier twice."
        )
    told, cost = [], Ledger()
    for oracle in (before, after):
        begun = oracle.ledger
        told.append(_log_confidence(oracle(probes)))
        cost += oracle.ledger - begun
    return Change(_centred(told[1] - told[0]), cost)


def _log_confidence(answer: Answer) -> Float[np.ndarray, "probe cls"]:
    if answer.logit is None and answer.probability is None:
        raise InputError("the victim answers with labels alone: an update shows in its confidences.")
    with np.errstate(divide="ignore"):
        told = answer.logit if answer.logit is not None else np.log(np.asarray(answer.probability, np.float64))
    if not np.isfinite(told).all():
        raise OracleError("the victim answers a confidence that is 0, NaN or withheld: its change cannot be measured.")
    return np.asarray(told, np.float64)


def _centred(delta: Any) -> Any:
    return delta - delta.mean(axis=-1, keepdims=True)


class Updated(NamedTuple):
    """The record behind an update.

    Attributes:
        x: Float["feature"], the record.
        label: its label.
        residual: how far the change is from rank one, relative to its size; 0 for one exact gradient step.
    """

    x: np.ndarray
    label: int
    residual: float


def solve_softmax(delta: Float[np.ndarray, "probe cls"], probes: Float[np.ndarray, "probe feature"]) -> Updated:
    """The record of one gradient step of a softmax regression with a bias.

    Args:
        delta: of `change`.
        probes: more than the features, so that they and a constant span the space.

    Raises:
        InputError: nothing changed, or probes that do not span the space.
    """
    ones = np.concatenate([np.asarray(probes, np.float64), np.ones((len(probes), 1))], axis=1)
    rank = np.linalg.matrix_rank(ones)
    if rank < ones.shape[1]:
        raise InputError(
            f"the {len(probes)} probes and a constant span {rank} of {ones.shape[1]} dimensions: give more probes."
        )
    left, size, right = np.linalg.svd(delta, full_matrices=False)
    if not size[0] > 0:
        raise InputError("no answer changed: the update did not reach these probes, or the answers are rounded.")
    record = np.linalg.lstsq(ones, left[:, 0] * size[0])[0]
    # x~ ends in 1, and the change is rate times onehot(y) - p, centred: above 0 at the label once the sign is right.
    direction = right[0] * np.sign(record[-1])
    residual = float(np.sqrt((size[1:] ** 2).sum()) / np.sqrt((size**2).sum()))
    return Updated(record[:-1] / record[-1], int(direction.argmax()), residual)


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
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}: give 1 or more.")
        above_zero(learning_rate=self.learning_rate)

    def apply(
        self, model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
    ) -> Variables:
        """The model updated on each record alone; every leaf of the parameters leads with ``record``."""
        params = _updated(model, self, variables, jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32))
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
        found = np.asarray(_changes(model, self, variables, *arrays))
        if not np.isfinite(found).all():
            raise InputError(f"learning_rate is {self.learning_rate} and an update diverged: lower it.")
        return found


def _update(model: Model, update: Update, variables: Variables, x: jax.Array, y: jax.Array) -> Any:
    def loss(params):
        logits = model.apply(Variables(params, variables.rest), x[None])
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[None])[0]

    def step(params, _):
        return jax.tree.map(
            lambda leaf, slope: leaf - update.learning_rate * slope, params, jax.grad(loss)(params)
        ), None

    return jax.lax.scan(step, variables.params, length=update.steps)[0]


@partial(jax.jit, static_argnames=("model", "update"))
def _updated(model: Model, update: Update, variables: Variables, x: jax.Array, y: jax.Array) -> Any:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelReader:
    """The label of the record behind an update, learnt from shadow updates.

    Attributes:
        scale: Float["feature"], the spread of each change.
        classifier: of scaled changes.
    """

    scale: np.ndarray
    classifier: LogisticRegression

    @classmethod
    def fit(cls, changes: Float[np.ndarray, "record probe cls"], labels: Int[np.ndarray, "record"]) -> LabelReader:
        """Learn the label from changes.

        Raises:
            InputError: other than one label for each change, or one label throughout.
        """
        if len(changes) != len(labels) or len(np.unique(labels)) < 2:
            raise InputError(
                f"there are {len(changes)} changes and {len(labels)} labels: give a label each, of 2 or more."
            )
        flat = changes.reshape(len(changes), -1)
        scale = flat.std(axis=0) + 1e-12
        return cls(scale=scale, classifier=LogisticRegression(C=0.1, max_iter=1000).fit(flat / scale, labels))

    def __call__(self, changes: Float[np.ndarray, "record probe cls"]) -> Int[np.ndarray, "record"]:
        """The label behind each change.

        Raises:
            InputError: changes at other probes than it learnt from.
        """
        flat = changes.reshape(len(changes), -1)
        if flat.shape[1] != len(self.scale):
            raise InputError(f"a change has {flat.shape[1]} numbers and {len(self.scale)} were learnt from: ask alike.")
        return np.asarray(self.classifier.predict(flat / self.scale))
