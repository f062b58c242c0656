"""Queries that are optimised on some models of a run and asked of the others.

The models are in two folds (`jaxattack.attacks.membership.references.query_folds`). For every record queries are found on the
weights of each fold, and each model is asked those of the fold that it is not in. So no model answers a query that was found
on it, a target's surrogates do not know whom it was trained on, and two searches serve all targets. References of a target
that have been asked the same queries are the other models of its own fold. Surrogates are the attacker's own: their weights
are read as they are, also where answers are defended. What is found depends on how many models there are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.references import query_folds, validation_models
from jaxattack.audit.plan import Plan
from jaxattack.audit.records import unscored
from jaxattack.store import read_leaves
from jaxattack.training.afterwards import ask_afterwards, blank, find_queries
from jaxattack.training.program import Work
from jaxattack.types import FolderError, InputError, OptimisedSignal, Signal, Surrogates, Variables


def work_of(plan: Plan, signals: tuple[Signal, ...]) -> Work:
    """What is asked of the models of a run, behind the defences of its plan."""
    sweep = plan.sweep
    return Work(
        sweep.model,
        sweep.learner,
        sweep.queries,
        signals,
        plan.slots,
        plan.records.classes,
        sweep.columns,
        sweep.defences,
        sweep.reserve,
    )


def read_variables(plan: Plan, work: Work, models: np.ndarray, weights: Path) -> Variables:
    """What the models of a chunk learnt.

    Raises:
        InputError: the chunk has models that the plan has not, or the file is damaged.
    """
    if models.max() >= len(plan.member):
        raise FolderError(
            f"models is {len(plan.member)} and {weights} holds model {models.max()} too: "
            f"give at least {models.max() + 1} models, or a new folder."
        )
    return read_leaves(weights, blank(work, len(models)))


def ask_optimised(plan: Plan, signal: OptimisedSignal) -> Float[np.ndarray, "model record query 2"]:
    """What every model of a run answers to the queries that were found on the other fold, and the number of that fold.

    Raises:
        InputError: too few models for a record, or weights that were not kept.
    """
    work, scored = work_of(plan, (signal.reads,)), len(plan.records) - unscored(plan.folder.identity)
    folds = query_folds(plan.member[:, :scored])
    _require_surrogates(signal, plan.member[:, :scored], folds)

    @cache
    def queries(fold: int) -> Float[np.ndarray, "record query *feature"]:
        """Found on a fold."""
        own = np.flatnonzero(folds == fold)
        roles = validation_models(plan.member[own, :scored])
        surrogates = Surrogates(variables_of(plan, work, own), jnp.asarray(plan.member[own]), jnp.asarray(roles))
        return find_queries(work, signal, plan.records, surrogates)

    def of_chunk(models: np.ndarray, weights: Path) -> np.ndarray:
        variables, values = read_variables(plan, work, models, weights), {}
        for other in (0, 1):
            rows = np.flatnonzero(folds[models] != other)
            if len(rows):
                some, learnt = models[rows], jax.tree.map(lambda leaf: np.asarray(leaf)[rows], variables)  # noqa: B023
                answers = ask_afterwards(
                    work, plan.sweep.seed, plan.records, some, plan.member[some], learnt, queries(other)
                )[signal.reads.name]
                values |= dict(
                    zip(some.tolist(), np.stack([answers, np.full_like(answers, other)], axis=-1), strict=True)
                )
        return np.stack([values[model] for model in models.tolist()])

    return plan.folder.signal(f"{signal.name}_of_{len(plan.member)}", len(plan.member), of_chunk)


def variables_of(plan: Plan, work: Work, models: np.ndarray) -> Variables:
    """What some models of a run learnt, one after the other.

    Raises:
        InputError: a chunk kept no weights, or a file is damaged.
    """
    parts, order = [], []
    for chunk, some in plan.folder.chunks().items():
        # Chunks may have models in common, of which not all kept weights.
        there = plan.folder.weights_of(chunk).exists()
        rows = np.flatnonzero(np.isin(some, models) & ~np.isin(some, order)) if there else np.array([], int)
        if len(rows):
            variables = read_variables(plan, work, some, plan.folder.weights_of(chunk))
            parts.append(jax.tree.map(lambda leaf: np.asarray(leaf)[rows], variables))  # noqa: B023
            order.extend(some[rows].tolist())
    if len(order) < len(models):
        raise FolderError(
            f"{plan.folder.path} keeps weights of {len(order)} of {len(models)} models: run it in a new folder with keep_weights."
        )
    place = np.argsort(order)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[place], *parts)


def _require_surrogates(
    signal: OptimisedSignal, member: Bool[np.ndarray, "model record"], folds: Int[np.ndarray, "model"]
) -> None:
    """Refuse members of which a record lacks surrogates in a fold.

    Raises:
        InputError: how many records, and the remedy.
    """
    lacking = np.zeros(member.shape[1], bool)
    for fold in (0, 1):
        own = member[folds == fold]
        if not len(own):
            raise InputError(
                f"{signal.name} asks models other than those it finds queries on, and these {len(member)} share their "
                "members: train on other halves too."
            )
        lacking |= signal.lacking(own, validation_models(own))
    if lacking.any():
        raise InputError(
            f"{signal.name} finds queries on half of the models, and {lacking.sum()} of {len(lacking)} records have none of "
            "them on a side that it needs: train more models, or on complementary halves."
        )
