"""The models of a sweep at several times of their training, each asked as if training had ended there.

One training gives every point of early stopping: what a model knew after 5, 10, 20 passes is observed on the way, and no
weights leave the program. With a schedule, a checkpoint is of the whole training's schedule and not of a shorter one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from jaxattack.models import fitted
from jaxattack.models.conv import default_form, using
from jaxattack.signals import require_converged
from jaxattack.training.images import BLOCK, check_views
from jaxattack.training.learners import Standard
from jaxattack.training.program import Work, device_mesh, fixed_kernels, mapped, network
from jaxattack.training.single import memberships, observe, with_reserve
from jaxattack.training.sweep import Sweep
from jaxattack.training.view import sight
from jaxattack.types import Dataset, InputError, Observations, sees


def observe_checkpoints(
    sweep: Sweep, dataset: Dataset, member: Bool[np.ndarray, "model record"], epochs: Sequence[int]
) -> tuple[Observations, ...]:
    """Train a model for each row of the member matrix, and observe each after some of its passes, in memory.

    Args:
        sweep: how they are trained, by `jaxattack.training.learners.Standard`, and what is kept of their answers.
        dataset: the records.
        member: who is in.
        epochs: after how many passes, ascending, at most those of the recipe.

    Returns:
        Observations for each of them; after all passes those of `jaxattack.training.train_ensemble`.

    Raises:
        InputError: another learner, passes that do not ascend or that the recipe has not, or a training that diverged.
    """
    learner, epochs = sweep.learner, tuple(epochs)
    if not isinstance(learner, Standard):
        raise InputError(f"{type(learner).__name__} has no passes to stop after: give Standard, with a loss or a rule.")
    if not epochs or list(epochs) != sorted({*epochs}) or epochs[0] < 1 or epochs[-1] > learner.recipe.epochs:
        raise InputError(f"epochs is {epochs}: give ascending numbers of passes, from 1 to {learner.recipe.epochs}.")
    check_views(learner, sweep.queries, dataset)
    access = sight(dataset, sweep.defences)
    signals = tuple(signal for signal in sweep.signals if sees(signal, access))
    slots = int(member.sum(axis=1).max())
    work = Work(
        sweep.model,
        learner,
        sweep.queries,
        signals,
        slots,
        dataset.classes,
        sweep.columns,
        sweep.defences,
        sweep.reserve,
    )
    model, mesh = network(work), device_mesh()
    count = -(-len(member) // mesh.size) * mesh.size
    numbers = np.resize(np.arange(len(member), dtype=np.uint32), count)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(sweep.seed)))(numbers)
    x, y = jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32)

    def one(each, x, y):
        key, members = each
        members = with_reserve(members, len(y), work.reserve)
        start = fitted(model, work.columns, x, members) if work.columns else model
        ask = partial(
            observe, model, signals, sweep.queries, BLOCK, x, y, defences=sweep.defences, key=key, member=members
        )
        return jax.lax.map(ask, learner.checkpoints(start, x, y, members, key, epochs))

    leading = keys, memberships(member[numbers], slots)
    with using(default_form()):
        program = mapped(one, mesh, 1).lower(leading, x, y).compile(fixed_kernels(mesh))
    answers = {name: np.asarray(value)[: len(member)] for name, value in program(leading, x, y).items()}
    for at in range(len(epochs) if "phi" in answers else 0):
        require_converged(answers["phi"][:, at], range(len(member)))
    return tuple(
        Observations(signals={name: value[:, at] for name, value in answers.items()}, member=member, label=dataset.y)
        for at in range(len(epochs))
    )
