"""Models that were trained and kept, asked for further signals, or behind defences that they were not trained with."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Bool, Float, Int

from jaxattack.training.images import BLOCK, as_input, in_blocks
from jaxattack.training.imitations import imitation
from jaxattack.training.program import (
    EVERYWHERE,
    MODEL,
    Work,
    aval,
    device_mesh,
    fixed_kernels,
    free_bytes,
    mapped,
    models_at_once,
    network,
)
from jaxattack.training.program_cache import program_cache
from jaxattack.training.single import memberships, observe, with_reserve
from jaxattack.training.trajectories import trajectory
from jaxattack.types import (
    Dataset,
    DistilledSignal,
    ImitationSignal,
    Membership,
    Model,
    OptimisedSignal,
    Surrogates,
    Variables,
)


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
    inputs: Float[np.ndarray, "record query *feature"] | None = None,
) -> dict[str, Float[np.ndarray, "model record query *value"]]:
    """What kept models say, as they would have said it when they were trained, beyond rounding; on all local devices.

    Args:
        work: what is asked of them, signals of students alone or none, and behind which defences they answer.
        seed: of the sweep.
        dataset: the records.
        models: their numbers in the run.
        member: their rows of the member matrix.
        variables: what they learnt; every leaf leads with ``model``.
        inputs: of the network, which they are asked about instead of the views of each record.

    Returns:
        Each signal of the work, by its name.
    """
    mesh = device_mesh()
    over_models, everywhere = NamedSharding(mesh, MODEL), NamedSharding(mesh, EVERYWHERE)
    rows = np.resize(np.arange(len(models)), -(-len(models) // mesh.size) * mesh.size)  # as many for each device
    key = jax.random.key(seed)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(models[rows].astype(np.uint32))
    learnt = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], variables)
    each = jax.device_put((keys, memberships(member[rows], work.slots), learnt), over_models)
    records = dataset.x, dataset.y.astype(np.int32), *(() if inputs is None else (inputs,))
    records = jax.device_put(records, everywhere)
    answers = _observer(work, mesh, len(rows), *map(aval, records))(each, *records)
    return {name: np.asarray(values)[: len(models)] for name, values in answers.items()}


@program_cache(16)
def _observer(work: Work, mesh: Mesh, models: int, *records: jax.ShapeDtypeStruct) -> Any:
    """The compiled program for so many models; those that are asked together are as many as fit into free memory."""
    model, over_models = network(work), NamedSharding(mesh, MODEL)

    def one(each, x, y, inputs=None):
        key, member, variables = each
        member = with_reserve(member, len(y), work.reserve)
        if distilled := [signal for signal in work.signals if isinstance(signal, DistilledSignal)]:
            return {signal.name: trajectory(work, signal, x, y, variables, key, member) for signal in distilled}
        if imitated := [signal for signal in work.signals if isinstance(signal, ImitationSignal)]:
            return {signal.name: imitation(work, signal, x, y, variables, key, member) for signal in imitated}
        return observe(model, work.signals, work.queries, BLOCK, x, y, variables, work.defences, key, member, inputs)

    def spec(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=over_models)

    keys = spec((models,), jax.eval_shape(lambda: jax.random.key(0)).dtype)
    member = Membership(spec((models, work.slots), jnp.int32), spec((models, work.slots), jnp.float32))
    variables = jax.tree.map(lambda leaf: spec(leaf.shape, leaf.dtype), blank(work, models))
    group = models_at_once(work, 1, models // mesh.size)
    while True:
        program = mapped(one, mesh, group).lower((keys, member, variables), *records).compile(fixed_kernels(mesh))
        need = program.memory_analysis()
        if group == 1 or need.temp_size_in_bytes <= 0.8 * free_bytes(mesh):
            return program
        group //= 2


def find_queries(
    work: Work, signal: OptimisedSignal, dataset: Dataset, surrogates: Surrogates
) -> Float[np.ndarray, "record query *feature"]:
    """The queries of each record, found on some models; a block of records is in memory at a time."""
    blocks = in_blocks(len(dataset), BLOCK)
    queries = [
        np.asarray(
            _search(
                network(work),
                signal,
                surrogates._replace(member=surrogates.member[:, block]),
                as_input(jnp.asarray(dataset.x[block])),
                jnp.asarray(dataset.y[block], jnp.int32),
            )
        )
        for block in blocks
    ]
    return np.concatenate(queries)[: len(dataset)]


@partial(jax.jit, static_argnums=(0, 1))
def _search(model: Model, signal: OptimisedSignal, surrogates: Surrogates, x: jax.Array, y: jax.Array) -> jax.Array:
    return signal.search(model, surrogates, x, y)
