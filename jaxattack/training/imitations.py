"""Models that imitate a kept model, and what they say of the records that they were not trained on (`jaxattack.types.ImitationSignal`).

An imitator has the model's architecture and recipe. In the first passes it learns the labels of half of the records, in the others

    (CE(z, y) + mean over classes of (log p - log p_model)^2) / 2

The authors' text has a class's logarithms of confidences, their code its raw outputs, which a shift of all changes and few services
show; they weigh the label and the strongest other class by a number which is 1 in their configurations. They look at the model's
answer to each augmented view anew; here an imitator sees augmented records, as the recipe has it, and the model is asked about each
record once. Their code keeps the pass that answers best on records chosen by mistake (``~keep`` of a list of numbers); here the last
is taken.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import log_softmax
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.data import Halves
from jaxattack.models import fitted
from jaxattack.signals import TINY, ConfidenceVector
from jaxattack.training import single
from jaxattack.training.images import BLOCK, Queries, augment
from jaxattack.training.learners.standard import CrossEntropy, Plain, weighted_mean
from jaxattack.training.program import Work, architecture, network
from jaxattack.training.recipe import Recipe
from jaxattack.types import ImitationSignal, Membership, Model, Variables

SEED = 2**32
"""Of the halves, the same for every model: no sweep's (`jaxattack.training.sweep.check_seed`). By a sweep's own seed `Halves` would
draw the members of its models once more, and one imitator in two of a target would hold just whom the target was trained on."""


def imitation(
    work: Work,
    signal: ImitationSignal,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    variables: Variables,
    key: PRNGKeyArray,
    member: Membership,
) -> Float[jax.Array, "record 1 value"]:
    """An imitated signal of one model; traced.

    Imitators learn the records that are not set aside, about which the model is asked behind its defences.

    Args:
        work: the model, and behind which defences it answers.
        signal: which.
        x: all records.
        y: all labels.
        variables: what the model has learnt.
        key: everything random about the model.
        member: its members, and the records set aside.
    """
    own = single.observe(
        network(work), (ConfidenceVector(), signal), Queries(), BLOCK, x, y, variables, work.defences, key, member
    )  # fmt: skip
    answers = jnp.log(jnp.maximum(own[ConfidenceVector().name][:, 0], TINY))
    halves = Halves()(signal.imitators, len(y) - work.reserve, SEED)
    halves = np.pad(halves, ((0, 0), (0, work.reserve)))
    each = jax.tree.map(jnp.asarray, single.memberships(halves, int(halves.sum(axis=1).max()))._replace(reserve=None))
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.fold_in(key, 6), number))(jnp.arange(signal.imitators))

    recipe = work.learner.recipe

    def says(imitator) -> Float[jax.Array, "record"]:
        half, random = imitator
        start = architecture(work)
        if work.columns:
            start = fitted(start, work.columns, x, half)
        learnt = imitator_of(start, recipe, round(signal.warmup * recipe.epochs), x, y, half, answers, random)
        return single.observe(start, (signal,), Queries(), BLOCK, x, y, learnt)[signal.name][:, 0]

    every = jax.lax.map(says, (each, keys))
    outside = jnp.where(jnp.asarray(halves[0::2]), every[1::2], every[0::2])
    return jnp.concatenate([outside, own[signal.name].T]).T[:, None]


def imitator_of(
    model: Model,
    recipe: Recipe,
    warmup: int | Int[jax.Array, ""],
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    answers: Float[jax.Array, "record cls"],
    key: PRNGKeyArray,
) -> Variables:
    """A model that is trained to answer as another does; traced.

    Args:
        model: the architecture.
        recipe: how its records are gone through.
        warmup: the passes, of all, in which it learns labels alone.
        x: all records.
        y: all labels.
        member: those that it is trained on.
        answers: the other model's log confidences about every record.
        key: everything random about it.
    """
    objective = partial(_objective, model, recipe, warmup, x, y, answers)
    number = jnp.arange(len(y), dtype=jnp.int32)
    # A step is handed numbers of records, by which it finds their labels and the answers to them.
    return single.train(model, recipe, Plain(), objective, number, number, member, key)


def _objective(
    model,
    recipe,
    warmup,
    records,
    labels,
    answers,
    variables,
    x,
    y,  # noqa: ARG001 (numbers of records, as x has them)
    weight,
    key,
    epoch,
) -> tuple[jax.Array, Any]:
    """As `jaxattack.training.single.Objective`, of numbers of records."""
    look_key, forward_key = jax.random.split(key)
    logits, rest = model.forward(variables, augment(recipe, look_key, records[x]), forward_key)
    own = CrossEntropy()(logits, labels[x], weight, epoch, recipe.label_smoothing)
    squares = jnp.mean((log_softmax(logits) - answers[x]) ** 2, axis=1)
    return jnp.where(epoch < warmup, own, (own + weighted_mean(squares, weight)) / 2), rest
