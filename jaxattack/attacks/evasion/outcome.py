"""What every evasion does before its formula and after it: take records that the victim takes, and judge examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.perturb.box import span_of
from jaxattack.perturb.labels import labels_of
from jaxattack.types import Answer, Distances, Evasion, InputError, Inputs, Ledger, Oracle, WhiteBox

CHANGED = 1e-6
"""A feature that differs by less of its range is the same: examples are computed in float32."""


def take_records(
    inputs: Inputs, classes: int, x: Shaped[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> tuple[Float[np.ndarray, "record *feature"], Int[np.ndarray, "record"]]:
    """Records and labels as arrays, where they are the victim's.

    Raises:
        InputError: none, of another shape, not finite, outside of the documented range, with fractions where the victim reads
            whole numbers, labels that the victim does not have, or a regressor.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y)
    if classes < 2:
        raise InputError("the victim answers a number and no class: evading needs a classifier.")
    if x.shape[1:] != inputs.shape or not len(x):
        raise InputError(f"x has shape {x.shape}: give records of shape {inputs.shape}, at least one.")
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        raise InputError(f"y has dtype {y.dtype} and shape {y.shape} for {len(x)} records: give one label a record.")
    if y.min() < 0 or y.max() >= classes:
        raise InputError(f"y ranges from {y.min()} to {y.max()}: the victim has classes 0 to {classes - 1}.")
    odd = ~((x >= inputs.low) & (x <= inputs.high)).reshape(len(x), -1).all(axis=1)
    if odd.any():
        raise InputError(
            f"{odd.sum()} of {len(x)} records in x are NaN or outside of the range that the victim documents: leave them out."
        )
    if inputs.whole and (x != np.rint(x)).any():
        raise InputError("x has fractions and the victim reads whole numbers: give records as it reads them.")
    return x, y


def as_read(
    inputs: Inputs,
    x: Float[np.ndarray, "record *feature"],
    example: Float[np.ndarray, "record *feature"],
    *,
    within: bool,
) -> Float[np.ndarray, "record *feature"]:
    """Examples as a victim reads them: whole numbers where it rounds.

    Args:
        inputs: of the victim.
        x: their records.
        example: the examples.
        within: whether changes are bounded, so that each is rounded toward 0 and no longer than before; else to the nearest.
    """
    if not inputs.whole:
        return example
    change = example - x
    if not within:
        return x + np.rint(change)
    return x + np.sign(change) * np.floor(np.abs(change) + CHANGED * span_of(inputs))


def is_right(victim: Oracle, answer: Answer, y: Int[np.ndarray, "record"]) -> Bool[np.ndarray, "record"]:
    """Which records a victim's answer labels as they are; one that is refused is not."""
    return (np.asarray(answer.label) == y) & ~refusals(victim, answer)


def labels_and_right(
    victim: Oracle | WhiteBox, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> tuple[Int[np.ndarray, "record"], Bool[np.ndarray, "record"]]:
    """What a victim labels records, in one question each, and which of them it labels as they are."""
    if isinstance(victim, WhiteBox):
        label = labels_of(victim, x)
        return label, label == y
    answer = victim(x)
    return np.asarray(answer.label), is_right(victim, answer, y)


def fools(victim: Oracle, answer: Answer, y: Int[np.ndarray, "record"]) -> Bool[np.ndarray, "record"]:
    """Which examples a victim's answer labels otherwise than their records; one that is refused has failed."""
    return (np.asarray(answer.label) != y) & ~refusals(victim, answer)


def still_fools(
    victim: Oracle | WhiteBox,
    inputs: Inputs,
    example: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
) -> Bool[np.ndarray, "record"]:
    """Which examples fool a victim as whole numbers, where its inputs are: a model at hand was asked about others on the way."""
    if isinstance(victim, WhiteBox) and inputs.whole:
        return labels_of(victim, example) != y
    return np.ones(len(y), bool)


def refusals(victim: Oracle, answer: Answer) -> Bool[np.ndarray, "record"]:
    """Which queries a victim refused; none where its terms have no refusals."""
    return np.asarray(answer.refusal) if victim.access.refuses else np.zeros(len(answer.label), bool)


def distances(
    x: Float[np.ndarray, "record *feature"], example: Float[np.ndarray, "record *feature"], inputs: Inputs
) -> Distances:
    """How far examples are from their records."""
    share = np.abs((example - x) / span_of(inputs)).reshape(len(x), -1)
    return Distances(
        (share > CHANGED).sum(axis=1), share.sum(axis=1), np.sqrt((share**2).sum(axis=1)), share.max(axis=1)
    )


def outcome(
    attack: str,
    inputs: Inputs,
    x: Float[np.ndarray, "record *feature"],
    example: Float[np.ndarray, "record *feature"],
    *,
    right: Bool[np.ndarray, "record"],
    success: Bool[np.ndarray, "record"],
    questions: Int[np.ndarray, "record"],
    first: Int[np.ndarray, "record"] | None = None,
    gradients: int = 0,
    cost: Ledger | None = None,
    stopped: str = "",
    notes: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Evasion:
    """An evasion, complete or not, in which records that were wrong are their own examples.

    Args:
        attack: its name.
        inputs: of the victim.
        x: the records.
        example: what was made of them.
        right: whether the victim labels the record right.
        success: whether it labels the example wrong, where the record is right.
        questions: asked about each record.
        first: of them, those until the first example; None where examples come with the last.
        gradients: taken.
        cost: of the questions.
        stopped: why it did not come to its end; empty where it did.
        notes: what else was found.
        warnings: why the figures may say too little.
    """
    example = np.where(right.reshape(-1, *[1] * (x.ndim - 1)), example, x)
    success = success | ~right
    reason = stopped or _without_success(right, success)
    return Evasion(
        attack=attack,
        example=example,
        right=right,
        success=success,
        distance=distances(x, example, inputs),
        questions=questions,
        first=questions if first is None else first,
        gradients=gradients,
        cost=Ledger() if cost is None else cost,
        converged=not stopped,
        complete=not reason,
        reason=reason,
        notes={} if notes is None else notes,
        warnings=warnings,
    )


def _without_success(right: np.ndarray, success: np.ndarray) -> str:
    if not right.any():
        return f"the victim labels none of the {len(right)} records right: there is nothing to fool."
    if not success[right].any():
        return f"no example of the {right.sum()} records that the victim labels right is labelled otherwise."
    return ""
