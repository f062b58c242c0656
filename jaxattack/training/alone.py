"""One victim trained on one device, an epoch a call, so that a long training shows how far it is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxattack.models import in_precision
from jaxattack.training.images import BLOCK, Queries, check_views
from jaxattack.training.recipe import Recipe
from jaxattack.training.signals import ALWAYS
from jaxattack.training.single import Membership, deployed, epoch, memberships, observe, start
from jaxattack.types import Dataset, Model, Progress, Variables

_start = jax.jit(start, static_argnames=("model", "recipe", "slots"))
_epoch = jax.jit(epoch, static_argnames=("model", "recipe"), donate_argnames=("state",))
_observe = jax.jit(observe, static_argnames=("model", "names", "queries", "block"))


def train_one(
    model: Model,
    recipe: Recipe,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Variables:
    """Train one model: model 0 of a sweep of the same seed, whose models all have as many members.

    Args:
        model: the architecture.
        recipe: how it is trained.
        dataset: the records.
        member: who is in.
        seed: the run's key.
        progress: called after each epoch.

    Returns:
        What it learnt.

    Raises:
        InputError: no members, or augmentation of records that are no images.
    """
    check_views(recipe, Queries(), dataset)
    padded = memberships(member[None], int(member.sum()))
    slots = Membership(*(jnp.asarray(part[0]) for part in padded))
    x, y = jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32)
    key = jax.random.fold_in(jax.random.key(seed), 0)
    model = in_precision(model, recipe.precision)
    state = _start(model, recipe, key, slots=len(slots.index))
    for number in range(recipe.epochs):
        state = jax.block_until_ready(_epoch(model, recipe, x, y, key, slots, state, jnp.int32(number)))
        if progress:
            progress("epochs", number + 1, recipe.epochs)
    return deployed(state)


def observe_one(
    model: Model,
    dataset: Dataset,
    variables: Variables,
    names: tuple[str, ...] = ALWAYS,
    queries: Queries | None = None,
) -> dict[str, Float[np.ndarray, "record query"]]:
    """What one model says of every record.

    Args:
        model: the architecture; it computes as it is given (`jaxattack.models.in_precision`).
        dataset: the records.
        variables: what it learnt.
        names: the signals to keep beside ``phi`` and ``correct``.
        queries: the views; the record itself by default.

    Raises:
        InputError: views of records that are no images.
    """
    views = queries or Queries()
    check_views(Recipe(), views, dataset)
    kept = tuple(dict.fromkeys((*ALWAYS, *names)))
    answers = _observe(model, kept, views, BLOCK, dataset.x, dataset.y.astype(np.int32), variables)
    return {name: np.asarray(value) for name, value in answers.items()}
