"""Models that were trained and kept, asked for further signals, or behind defences that they were not trained with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int

from jaxattack.training.images import BLOCK
from jaxattack.training.program import Work, device_mesh, mapped, network
from jaxattack.training.single import memberships, observe
from jaxattack.types import Dataset, Variables


def blank(work: Work, models: int) -> Variables:
    """The shapes of what so many models learn."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), models))
    return jax.eval_shape(jax.vmap(network(work).init), keys)


def ask_afterwards(
    work: Work,
    seed: int,
    dataset: Dataset,
    models: Int[np.ndarray, "model"],
    member: Bool[np.ndarray, "model record"],
    variables: Variables,
) -> dict[str, Float[np.ndarray, "model record query *value"]]:
    """What kept models say, as they would have said it when they were trained, beyond rounding; on all local devices.

    Args:
        work: what is asked of them, and behind which defences they answer.
        seed: of the sweep.
        dataset: the records.
        models: their numbers in the run.
        member: their rows of the member matrix.
        variables: what they learnt; every leaf leads with ``model``.

    Returns:
        Each signal of the work, by its name.
    """
    mesh = device_mesh()
    rows = np.resize(np.arange(len(models)), -(-len(models) // mesh.size) * mesh.size)  # as many for each device
    key = jax.random.key(seed)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(models[rows].astype(np.uint32))
    learnt = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], variables)
    each = keys, jax.tree.map(jnp.asarray, memberships(member[rows], work.slots)), learnt
    answers = _observer(work, mesh)(each, jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32))
    return {name: np.asarray(values)[: len(models)] for name, values in answers.items()}


@lru_cache(maxsize=16)
def _observer(work: Work, mesh: Mesh) -> Any:
    """The program, compiled for each number of models that it is called with."""
    model = network(work)

    def one(each, x, y):
        key, member, variables = each
        return observe(model, work.signals, work.queries, BLOCK, x, y, variables, work.defences, key, member)

    return mapped(one, mesh, 1)
