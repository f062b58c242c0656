"""Models that were trained and kept, asked for one more signal."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.training.ensemble import Sweep
from jaxattack.training.images import BLOCK
from jaxattack.training.program import Work, network
from jaxattack.training.single import memberships, observe
from jaxattack.types import Dataset, Signal, Variables


def blank(work: Work, models: int) -> Variables:
    """The shapes of what so many models learn."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), models))
    return jax.eval_shape(jax.vmap(network(work).init), keys)


def ask_afterwards(
    sweep: Sweep,
    signal: Signal,
    dataset: Dataset,
    work: Work,
    models: Int[np.ndarray, "model"],
    member: Bool[np.ndarray, "model record"],
    variables: Variables,
) -> Float[np.ndarray, "model record query *value"]:
    """What kept models say, as they would have said it when they were trained, beyond rounding.

    Args:
        sweep: how they were trained, and behind which defences they answer.
        signal: what is asked.
        dataset: the records.
        work: of the sweep.
        models: their numbers in the run.
        member: their rows of the member matrix.
        variables: what they learnt; every leaf leads with ``model``.
    """
    key = jax.random.key(sweep.seed)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(models.astype(np.uint32))
    each = keys, jax.tree.map(jnp.asarray, memberships(member, work.slots)), variables
    return np.asarray(
        _ask(work, network(work), signal, each, jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32))
    )


@partial(jax.jit, static_argnums=(0, 1, 2))
def _ask(work, model, signal, each, x, y):
    def one(each):
        key, member, variables = each
        answers = observe(model, (signal,), work.queries, BLOCK, x, y, variables, work.defences, key, member)
        return answers[signal.name]

    return jax.lax.map(one, each)
