"""Collaborative learning: participants who share a classifier and keep their records.

In each round everyone takes some steps of gradient descent on its own records from the shared weights, and the weights
that come of it are averaged by numbers of records (FedAvg, McMahan et al. 2017). All participants train at once. One of
them, the adversary, may take made records, the fakes, for the first rows of its batches, labelled as a class of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.inversion.descent import optimizer
from jaxattack.types import InputError, Inputs, Model, Variables


class Local(NamedTuple):
    """How everyone trains in a round.

    Attributes:
        steps: of gradient descent.
        batch: records a step, drawn from the participant's own.
        optimizer: name of an optax optimiser, whose state begins anew in each round.
        learning_rate: its rate.
    """

    steps: int
    batch: int
    optimizer: str
    learning_rate: float


class Partition(NamedTuple):
    """Everyone's records as arrays: `Federation.partition`.

    Attributes:
        x: ["record *feature"].
        y: ["record"].
        index: ["participant slot"], the records of each, repeated to the length of the longest.
        count: ["participant"], how many there are.
    """

    x: Any
    y: Any
    index: Any
    count: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Federation:
    """Who takes part in collaborative learning, and with what.

    Attributes:
        model: what they share; it takes records in the units of ``inputs``, and has one output a class and, as its last,
            one for fakes.
        inputs: the records that it takes.
        classes: how many there are, without the fakes.
        x: the records of all.
        y: their classes.
        owner: who holds each, from 0, the adversary.

    Raises:
        InputError: shapes that disagree, classes out of range, a participant without records, none beside the adversary, or
            a model without an output for fakes.
    """

    model: Model
    inputs: Inputs
    classes: int
    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    owner: Int[np.ndarray, "record"]

    def __post_init__(self) -> None:
        records = len(self.x)
        if self.x.shape[1:] != self.inputs.shape or self.y.shape != (records,) or self.owner.shape != (records,):
            raise InputError(
                f"x, y and owner have shapes {self.x.shape}, {self.y.shape} and {self.owner.shape}: give x [record, "
                f"{', '.join(map(str, self.inputs.shape))}] with a class and an owner for each record."
            )
        if not records or self.y.min() < 0 or self.y.max() >= self.classes:
            raise InputError(f"y holds classes outside 0 to {self.classes - 1}, or none: give one of these a record.")
        if not np.isfinite(self.x).all():
            raise InputError("x holds NaN or infinity: drop or fill those records.")
        present = np.unique(self.owner)
        if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
            raise InputError(
                f"owner names the participants {present.tolist()}: number them from 0, the adversary, each with records "
                "and at least two in all."
            )
        shape = jax.ShapeDtypeStruct((1, *self.inputs.shape), np.float32)
        outputs = jax.eval_shape(self.model.apply, jax.eval_shape(self.model.init, jax.random.key(0)), shape).shape[-1]
        if outputs != self.classes + 1:
            raise InputError(
                f"the model has {outputs} outputs for {self.classes} classes: give it {self.classes + 1}, the last for fakes."
            )

    @property
    def partition(self) -> Partition:
        """Everyone's records as arrays."""
        count = np.bincount(self.owner)
        own = [np.resize(np.flatnonzero(self.owner == who), count.max()) for who in range(len(count))]
        return Partition(*map(jnp.asarray, (self.x, self.y, np.stack(own), count)))


def deal(y: Int[np.ndarray, "record"], adversary: tuple[int, ...], participants: int) -> Int[np.ndarray, "record"]:
    """An owner for each record: some classes are the adversary's, the others are dealt to the honest in turn.

    Args:
        y: the class of each record.
        adversary: the classes that participant 0 holds.
        participants: how many there are with the adversary.

    Raises:
        InputError: fewer classes than participants to hold them, or an adversary without any.
    """
    rest = np.setdiff1d(y, adversary)
    if participants < 2 or len(rest) < participants - 1 or not np.isin(y, adversary).any():
        raise InputError(
            f"participants is {participants}, adversary {adversary} and {len(rest)} classes are left for the honest: give "
            "the adversary a class, and every other participant one."
        )
    return np.where(np.isin(y, adversary), 0, 1 + np.searchsorted(rest, y) % (participants - 1))


def train_round(
    model: Model,
    local: Local,
    partition: Partition,
    classifier: Variables,
    fakes: Float[jax.Array, "step row *feature"],
    injected: Int[jax.Array, ""],
    key: jax.Array,
) -> Variables:
    """The average of what everyone's local steps make of the shared variables.

    Args:
        model: what they share.
        local: how they train.
        partition: their records.
        classifier: where they start.
        fakes: what participant 0 may take for the rows of its batches.
        injected: how many of the first rows of each batch it does.
        key: everything random of this round.
    """
    draw, inside = jax.random.split(key)
    shape = (len(partition.count), local.steps, local.batch)
    slots = jax.random.randint(draw, shape, 0, partition.count[:, None, None])
    rows = jax.vmap(lambda own, slot: own[slot])(partition.index, slots)
    false = (jnp.arange(shape[0])[:, None] == 0) & (jnp.arange(local.batch)[None] < injected)
    keys = jax.random.split(inside, shape[0])
    updates = jax.vmap(partial(_train, model, local, partition, classifier, fakes))(rows, false, keys)
    weight = partition.count / partition.count.sum()
    return jax.tree.map(lambda leaf: jnp.tensordot(weight.astype(leaf.dtype), leaf, 1), updates)


def _train(model, local, partition, classifier, fakes, rows, false, key):
    """One participant's local steps, on ["step row"] records, of which those that ``false`` ["row"] names are fakes."""
    change = optimizer(local.optimizer, local.learning_rate)

    def step(state, now):
        variables, moments = state
        row, fake, at = now
        own = partition.x[row].astype(jnp.float32)
        x = jnp.where(false.reshape(-1, *[1] * (own.ndim - 1)), fake, own)

        def loss(params):
            logits, rest = model.forward(Variables(params, variables.rest), x, jax.random.fold_in(key, at))
            label = jnp.where(false, logits.shape[1] - 1, partition.y[row])
            return optax.softmax_cross_entropy_with_integer_labels(logits, label).mean(), rest

        gradient, rest = jax.grad(loss, has_aux=True)(variables.params)
        updates, moments = change.update(gradient, moments, variables.params)
        return (Variables(optax.apply_updates(variables.params, updates), rest), moments), None

    start = classifier, change.init(classifier.params)
    return jax.lax.scan(step, start, (rows, fakes, jnp.arange(local.steps)))[0][0]


@partial(jax.jit, static_argnums=0)
def right(model: Model, classifiers: Variables, partition: Partition) -> Bool[jax.Array, "target record"]:
    """Which records each of several shared classifiers gets right."""
    x = partition.x.astype(jnp.float32)
    return jax.lax.map(lambda variables: model.apply(variables, x).argmax(axis=1) == partition.y, classifiers)
