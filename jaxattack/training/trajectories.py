"""What a kept model and its distillation say of every record, on the way: for `jaxattack.types.DistilledSignal`."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.models import fitted
from jaxattack.signals import ConfidenceVector
from jaxattack.training.images import BLOCK, Queries
from jaxattack.training.learners.answers import answer_checkpoints
from jaxattack.training.program import Work, architecture, network
from jaxattack.training.single import observe
from jaxattack.types import DistilledSignal, Membership, Variables


def trajectory(
    work: Work,
    signal: DistilledSignal,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    variables: Variables,
    key: PRNGKeyArray,
    member: Membership,
) -> Float[jax.Array, "record 1 value"]:
    """A distilled signal of one model; traced.

    The student is of the architecture that was trained, learns what the model answers behind its defences about the records set
    aside, and puts a table's columns on the scale of those.

    Args:
        work: the model, and behind which defences it answers.
        signal: which.
        x: all records.
        y: all labels.
        variables: what the model has learnt.
        key: everything random about the model.
        member: its members, and the records set aside.
    """
    own = observe(
        network(work), (ConfidenceVector(), signal), Queries(), BLOCK, x, y, variables, work.defences, key, member
    )  # fmt: skip
    student, reserve = architecture(work), member.reserve
    weight = jnp.ones(reserve.shape)
    if work.columns:
        student = fitted(student, work.columns, x, Membership(reserve, weight))
    recipe = replace(work.learner.recipe, epochs=signal.passes)
    taught = own[ConfidenceVector().name][reserve, 0]
    checkpoints = answer_checkpoints(student, recipe, x, reserve, weight, taught, jax.random.fold_in(key, 5))

    def read(learnt: Variables) -> Float[jax.Array, "record value"]:
        return observe(student, (signal,), Queries(), BLOCK, x, y, learnt)[signal.name][:, 0]

    way = jnp.moveaxis(jax.lax.map(read, checkpoints), 0, 1)
    series = jnp.concatenate([way, own[signal.name]], axis=1)
    return series.reshape(len(y), 1, -1)
