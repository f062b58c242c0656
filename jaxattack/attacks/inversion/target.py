"""What every inversion of classes does around its formula: read the targets, map the box, judge what came out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.inversion.descent import Descent
from jaxattack.types import Frame, InputError, Inputs, Inversion, InversionAttack, Oracle, WhiteBox

ALIKE = 0.01
"""Confidences that are no further apart than this are alike."""

JUDGED = 1 << 22
"""Numbers in a batch that the victim judges."""


def check_targets(targets: Int[np.ndarray, "target"], classes: int) -> Int[np.ndarray, "target"]:
    """The targets as an array.

    Raises:
        InputError: none, or one that is no class of the victim.
    """
    labels = np.atleast_1d(np.asarray(targets))
    if not labels.size or labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"targets is {targets}: give the whole numbers of some classes.")
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise InputError(f"target is {wrong} and the victim has {classes} classes: give 0 to {classes - 1}.")
    return labels.astype(np.int64)


def require(attack: InversionAttack, oracle: Oracle, pool: Shaped[np.ndarray, "record *feature"] | None) -> None:
    """Refuse what cannot work before anything is asked.

    Raises:
        InputError: an access level or a pool that the attack cannot work with.
    """
    access = oracle.access
    if access.level not in attack.levels:
        raise InputError(
            f"{attack.name} cannot work with {access.level} answers: it needs {' or '.join(attack.levels)} answers."
        )
    if attack.pool:
        check_pool(attack.name, access.inputs, pool)


def unit_box(inputs: Inputs) -> tuple[Float[np.ndarray, "1 *feature"], Float[np.ndarray, "1 *feature"]]:
    """Low end and width of each feature, for one batch: x = low + u width for u from 0 to 1."""
    return inputs.low[None].astype(np.float32), (inputs.high - inputs.low)[None].astype(np.float32)


def best_restart(score: Float[np.ndarray, "target restart"]) -> Int[np.ndarray, "target"]:
    """The first restart of each target that is as good as its best, to a hundredth; 0 where all diverged."""
    sure = np.nan_to_num(score, nan=-np.inf)
    return (sure >= sure.max(axis=1, keepdims=True) - ALIKE).argmax(axis=1)


def inversion_from(
    attack: InversionAttack,
    victim: WhiteBox,
    targets: Int[np.ndarray, "target"],
    descent: Descent,
    records: Callable[[np.ndarray], Float[np.ndarray, "point *feature"]],
    choose: Callable[[np.ndarray, np.ndarray], Int[np.ndarray, "target"]] = lambda _, score: best_restart(score),
) -> Inversion:
    """What a descent on a victim's gradients came to.

    Args:
        attack: that descended.
        victim: whose confidence is the score.
        targets: each has equally many points, one after the other.
        descent: where they ended.
        records: points -> records, in the units that the victim documents.
        choose: restarts["target restart *feature"], score["target restart"] -> the restart of each target that is kept.
    """
    shape = (len(targets), -1, *victim.inputs.shape)
    restarts = records(descent.best).reshape(shape)
    score = confident(victim, restarts, targets)
    score[~np.isfinite(descent.cost).reshape(score.shape)] = np.nan
    row, best = np.arange(len(targets)), choose(restarts, score)
    divergent = np.isnan(score).all(axis=1)
    return Inversion(
        attack=attack.name,
        target=targets,
        x=restarts[row, best],
        restarts=restarts,
        score=score,
        steps=descent.steps.reshape(score.shape),
        gradients=int(descent.steps.sum()),
        frames=tuple(Frame(step, records(points).reshape(shape)[row, best]) for step, points in descent.frames),
        complete=not divergent.any(),
        reason=f"Every restart of {divergent.sum()} targets diverged: give a lower learning_rate."
        if divergent.any()
        else "",
    )


def check_pool(name: str, inputs: Inputs, pool: Shaped[np.ndarray, "record *feature"] | None) -> np.ndarray:
    """The attacker's own records.

    Raises:
        InputError: none, or of another shape than the victim takes.
    """
    if pool is None:
        raise InputError(f"{name} starts from records of the attacker's own: give a pool.")
    if pool.shape[1:] != inputs.shape:
        raise InputError(
            f"pool has records of shape {pool.shape[1:]} and the victim takes {inputs.shape}: give such records."
        )
    return pool


def confident(
    victim: WhiteBox, x: Float[np.ndarray, "target restart *feature"], targets: Int[np.ndarray, "target"]
) -> Float[np.ndarray, "target restart"]:
    """The victim's confidence in each restart's target.

    Raises:
        InputError: the victim's outputs are no numbers, whatever it is given.
    """
    p = confidences(victim, x)
    if not np.isfinite(p).any():
        raise InputError("the victim answers NaN for every reconstruction: look at its weights.")
    return np.take_along_axis(p, targets[:, None, None], axis=2)[:, :, 0]


def confidences(victim: WhiteBox, x: Float[np.ndarray, "some more *feature"]) -> Float[np.ndarray, "some more cls"]:
    """The victim's confidences in every class, a batch at a time."""
    flat = x.reshape(-1, *x.shape[2:]).astype(np.float32)
    rows = max(JUDGED // max(flat[0].size, 1), 1)
    parts = [
        np.asarray(_softmax(victim.model, victim.variables, flat[at : at + rows])) for at in range(0, len(flat), rows)
    ]
    return np.concatenate(parts).astype(np.float64).reshape(*x.shape[:2], -1)


@partial(jax.jit, static_argnums=0)
def _softmax(model, variables, x):
    return jax.nn.softmax(model.apply(variables, x))
