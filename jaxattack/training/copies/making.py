"""Copies of one victim, all seeds in one program: mapped over keys as a sweep is over models.

Copy i depends on the seed, on i and on what the thief has: not on how many copies there are.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Float

from jaxattack.models import ModelSource
from jaxattack.training.copies.copying import Copy, Holding
from jaxattack.training.program import EVERYWHERE, MODEL, convolves, device_mesh, fixed_kernels, mapped
from jaxattack.training.program_cache import program_cache
from jaxattack.training.recipe import Recipe
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, InputError, Membership, Model, Variables, at_least


class Copies(NamedTuple):
    """Copies of one kind.

    Attributes:
        model: what they are.
        variables: what they have learnt; every leaf leads with ``copy``.
        steps: gradient steps that each took.
        seconds: that each took, of all together, without compiling.
    """

    model: Model
    variables: Variables
    steps: int
    seconds: float


def make_copies(
    copy: Copy,
    source: ModelSource,
    recipe: Recipe,
    records: Dataset,
    *,
    copies: int,
    seed: int = 0,
    victim: Variables | None = None,
    answers: Float[np.ndarray, "record cls"] | None = None,
) -> Copies:
    """Make copies that differ in their seed; one alone where nothing about them is random.

    Args:
        copy: how.
        source: what the victim is, as `jaxattack.models.source` says.
        recipe: by which it was trained.
        records: that the thief has; whose they are is `Copy.records`.
        copies: how many.
        seed: decides everything random.
        victim: what the victim has learnt, where the thief has it.
        answers: what it answers about each record, where the thief asked.

    Raises:
        InputError: no weights or answers where they are needed, or copies that diverged.
    """
    at_least(1, copies=copies)
    if copy.weights and victim is None:
        raise InputError(f"{copy.name} starts from the victim's weights: give them as victim.")
    if copy.questions and answers is None:
        raise InputError(f"{copy.name} learns what the victim answers: give that as answers.")
    model = model_for(copy.architecture(source), records)
    mesh, count = device_mesh(), copies if copy.random else 1
    numbers = np.resize(np.arange(count, dtype=np.uint32), -(-count // mesh.size) * mesh.size)
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(seed), number))(numbers)
    data = Holding(
        jnp.asarray(records.x),
        jnp.asarray(records.y, jnp.int32),
        victim if copy.weights else None,
        jnp.asarray(answers, jnp.float32) if copy.questions else None,
    )
    member = Membership(np.arange(len(records), dtype=np.int32), np.ones(len(records), np.float32))
    each = jax.device_put(keys, NamedSharding(mesh, MODEL))
    shared = jax.device_put((data, member), NamedSharding(mesh, EVERYWHERE))
    program = _program(copy.formula, model, recipe, mesh, *_shapes((each, shared)))
    begin = time.perf_counter()
    variables = jax.block_until_ready(program(each, shared))
    seconds = time.perf_counter() - begin
    variables = jax.tree.map(lambda leaf: leaf[:count], variables)
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(variables.params)):
        raise InputError(f"the training of a copy ({copy.name}) diverged: lower its learning rate.")
    return Copies(model, variables, copy.steps(recipe, len(records)), seconds / count)


def _shapes(arguments: Any) -> tuple[Any, ...]:
    """Shapes and places of arguments, as something that can be hashed: leaves, and their tree."""
    leaves, tree = jax.tree.flatten(arguments)
    return tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding) for leaf in leaves), tree


@program_cache(32)
def _program(copy: Copy, model: Model, recipe: Recipe, mesh: Mesh, leaves: tuple[Any, ...], tree: Any) -> Any:
    """The compiled program: (keys["copy"], (Holding, Membership)) -> Variables["copy ..."]."""

    def one(key, shared):
        holding, member = shared
        return copy(model, recipe, holding, member, key)

    # All of a device's share at once: another size would be a second program for what is left over.
    group = 1 if convolves(model) else leaves[0].shape[0] // mesh.size
    return mapped(one, mesh, group).lower(*jax.tree.unflatten(tree, leaves)).compile(fixed_kernels(mesh))
