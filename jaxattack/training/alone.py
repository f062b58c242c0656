"""One victim trained on one device; by `Standard` an epoch a call, so that a long training shows how far it is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxattack.models import ModelSource, fitted, in_precision, standardised
from jaxattack.signals import ALWAYS
from jaxattack.training.images import BLOCK, Queries, check_views
from jaxattack.training.learners import Standard, as_learner
from jaxattack.training.recipe import Recipe
from jaxattack.training.single import deployed, memberships, observe
from jaxattack.training.source import as_model
from jaxattack.types import Composing, Dataset, InputError, Learner, Model, Progress, Reserving, Variables

_start = jax.jit(Standard.start, static_argnames=("self", "model", "slots"))
_epoch = jax.jit(Standard.epoch, static_argnames=("self", "model"), donate_argnames=("state",))
_learn = jax.jit(lambda learner, *given: learner(*given), static_argnums=(0, 1))
_observe = jax.jit(observe, static_argnames=("model", "names", "queries", "block"))


def train_one(
    model: ModelSource,
    recipe: Recipe | Learner,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    *,
    columns: tuple[bool, ...] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Variables:
    """Train one model: model 0 of a sweep of the same seed, whose models all have as many members.

    Args:
        model: what it is, as `jaxattack.models.source` says.
        recipe: how it is trained; a recipe alone is `jaxattack.training.learners.Standard` with it.
        dataset: the records.
        member: who is in.
        columns: of a table, which the model puts on the scale of its members; what it learns is then a
            `jaxattack.models.standardised` model's.
        seed: the run's key.
        progress: called after each epoch of `Standard`, and at the end of another learner.

    Returns:
        What it learnt.

    Raises:
        InputError: no members, augmentation of records that are no images, a model that the learner cannot train, or a
            learner that needs records set aside or deploys several networks.
    """
    learner = as_learner(recipe)
    check_alone(learner)
    network = as_model(model, dataset)
    learner.check(network)
    check_views(learner, Queries(), dataset)
    rows = memberships(member[None], int(member.sum()))
    slots = jax.tree.map(lambda part: jnp.asarray(part[0]), rows)
    x, y = jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32)
    key = jax.random.fold_in(jax.random.key(seed), 0)
    network = in_precision(network, learner.recipe.precision)
    network = fitted(standardised(network, len(columns)), columns, x, slots) if columns else network
    epochs = learner.recipe.epochs
    if not isinstance(learner, Standard):
        variables = jax.block_until_ready(_learn(learner, network, x, y, slots, key))
        if progress:
            progress("epochs", epochs, epochs)
        return variables
    state = _start(learner, network, key, slots=len(slots.index))
    for number in range(epochs):
        state = jax.block_until_ready(_epoch(learner, network, x, y, slots, key, state, jnp.int32(number)))
        if progress:
            progress("epochs", number + 1, epochs)
    return deployed(state)


def check_alone(learner: Learner) -> None:
    """Refuse a learner that one victim cannot be trained by.

    Raises:
        InputError: it needs records set aside, or deploys more than one network.
    """
    if isinstance(learner, Composing):
        raise InputError(
            f"{type(learner).__name__} deploys several networks, which a sweep keeps: use jaxattack membership or jaxattack "
            "matrix, or another learner."
        )
    if isinstance(learner, Reserving):
        raise InputError(
            f"{type(learner).__name__} needs records set aside, which a sweep does: use jaxattack membership, or another learner."
        )


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
    every = tuple(dict.fromkeys((*ALWAYS, *names)))
    answers = _observe(model, every, views, BLOCK, dataset.x, dataset.y.astype(np.int32), variables)
    return {name: np.asarray(value) for name, value in answers.items()}
