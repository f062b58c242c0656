"""Federated averaging: participants who share a classifier and keep their records (FedAvg, McMahan et al. 2017).

In each round everyone takes some steps of gradient descent on its own records from the shared weights, and the weights
that come of it are averaged by numbers of records. All participants train at once. One of them may take made records, the
fakes, for the first rows of its batches, labelled as a class of their own.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float, Int

from jaxattack.training.named_optimizer import optimizer
from jaxattack.types import Model, Variables


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
