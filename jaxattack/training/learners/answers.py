"""Learning from another model's answers instead of labels: what distillation on chosen records, SELENA and PATE share."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.training import single
from jaxattack.training.images import BLOCK, as_input, augment, in_blocks
from jaxattack.training.learners.standard import Plain, weighted_mean
from jaxattack.training.recipe import Recipe
from jaxattack.types import Membership, Model, Variables


def confidences(
    model: Model, variables: Variables, records: Shaped[jax.Array, "slot *feature"], temperature: float = 1.0
) -> Float[jax.Array, "slot cls"]:
    """What a model answers to records, softened by a temperature; some at a time, so that activations fit into memory."""

    def ask(at):
        return jax.nn.softmax(model.apply(variables, as_input(records[at])) / temperature)

    count = records.shape[0]
    p = jax.lax.map(ask, jnp.asarray(in_blocks(count, BLOCK)))
    return p.reshape(-1, p.shape[-1])[:count]


def learn_answers(
    model: Model,
    recipe: Recipe,
    x: Shaped[jax.Array, "record *feature"],
    index: Int[jax.Array, "slot"],
    weight: Float[jax.Array, "slot"],
    answers: Float[jax.Array, "slot cls"],
    key: PRNGKeyArray,
) -> Variables:
    """A student of answers: the mean cross entropy with each slot's answer as its target.

    Its gradient in the logits is p - answer, as that of the divergence from the answer. No label is read.

    Args:
        model: the architecture.
        recipe: how the slots are gone through; its label smoothing is not used.
        x: all records.
        index: the record of each slot.
        weight: 1, or 0 for a slot that is not learnt.
        answers: to each slot's record, each a distribution.
        key: everything random about the student.
    """
    return single.train(*_training(model, recipe, x, index, weight, answers, key))


def answer_checkpoints(
    model: Model,
    recipe: Recipe,
    x: Shaped[jax.Array, "record *feature"],
    index: Int[jax.Array, "slot"],
    weight: Float[jax.Array, "slot"],
    answers: Float[jax.Array, "slot cls"],
    key: PRNGKeyArray,
) -> Variables:
    """The same student after each of the recipe's passes: every leaf leads with ``checkpoint``."""
    epochs = range(1, recipe.epochs + 1)
    return single.train_checkpoints(*_training(model, recipe, x, index, weight, answers, key), epochs=epochs)


def _training(model, recipe, x, index, weight, answers, key) -> tuple[Any, ...]:
    """The arguments of a training by answers."""
    slots = jnp.arange(index.shape[0], dtype=jnp.int32)
    objective = partial(_objective, model, recipe, x, index, answers)
    # A step is handed places among the slots, by which it finds the records and their answers.
    return model, recipe, Plain(), objective, slots, slots, Membership(slots, weight), key


def _objective(model, recipe, x, index, answers, variables, slot, _, weight, key, epoch) -> tuple[jax.Array, Any]:  # noqa: ARG001
    """As `jaxattack.training.single.Objective`, of slots."""
    look_key, forward_key = jax.random.split(key)
    logits, rest = model.forward(variables, augment(recipe, look_key, x[index[slot]]), forward_key)
    return weighted_mean(optax.softmax_cross_entropy(logits, answers[slot]), weight), rest
