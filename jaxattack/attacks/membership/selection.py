"""A threshold is selected on a shadow: the one with the best balanced accuracy, or the lowest with few enough false positives.

The shadow is a model that was trained with the target's recipe and whose membership the attacker knows
(`jaxattack.attacks.membership.references.Shadow`). Jayaraman et al. 2021 (arXiv 2005.10881, section 4) train it on a
validation split; Song and Mittal 2021 (arXiv 2003.10595) select a threshold for each class. A score of at least the
threshold speaks for a member. What a bound on false positives is worth on the target is not promised: it held on the shadow.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.metrics.roc import allowed
from jaxattack.types import InputError


def check_rate(**rates: float | None) -> None:
    """Refuse a false-positive rate outside 0 to 1; None passes.

    Raises:
        InputError: which one.
    """
    for name, rate in rates.items():
        if rate is not None and not 0 <= rate <= 1:
            raise InputError(f"{name} is {rate:g}: give a false-positive rate between 0 and 1.")


def select_threshold(
    score: Float[np.ndarray, "known"], member: Bool[np.ndarray, "known"], alpha: float | None = None
) -> float:
    """The threshold that a shadow's scores select; it is finite.

    Args:
        score: of the shadow; higher means "more likely a member".
        member: its membership.
        alpha: the threshold is that of the last point of the ROC curve with at most so many false positives, 0 to 1; where
            even the highest score has more, the next number above it. None: the highest of those with the best balanced
            accuracy, as rounded.

    Raises:
        InputError: NaN, or only members or only non-members.
    """
    require_sides(score, member)
    return float(_by_group(score, member, np.zeros(len(score), np.intp), alpha)[0])


def require_sides(score: Float[np.ndarray, "known"], member: Bool[np.ndarray, "known"]) -> None:
    """Refuse what selects no threshold.

    Raises:
        TooFewReferences: only members or only non-members.
        InputError: NaN.
    """
    positives = int(member.sum())
    if not 0 < positives < len(member):
        raise TooFewReferences(
            f"a threshold of {positives} members and {len(member) - positives} non-members of a shadow model is undefined: give "
            "models with some of both."
        )
    if np.isnan(score).any():
        raise InputError("scores contain NaN: drop these records, or mend the signal.")


def _by_group(
    score: Float[np.ndarray, "known"],
    member: Bool[np.ndarray, "known"],
    group: Int[np.ndarray, "known"],
    alpha: float | None,
) -> Float[np.ndarray, "group"]:
    """The threshold of each group, in one pass over all records; every group has members and others, and there is no NaN."""
    order = np.argsort(-score)
    order = order[np.argsort(group[order].astype(np.min_scalar_type(int(group.max()))), kind="stable")]
    score, member, group = score[order], member[order], group[order]
    start = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    row = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(group))))
    tp, fp = (_counts(side, start, row) for side in (member, ~member))
    ends = np.append(start[1:], len(group)) - 1
    positives, negatives = tp[ends], fp[ends]
    # Equal scores are called together: a point of the curve is the last of them.
    point = np.append((score[1:] != score[:-1]) | (row[1:] != row[:-1]), True)
    if alpha is None:
        # Nobody called a member, the first point of a curve, would make scores infinite.
        advantage = np.where(point, tp / positives[row] - fp / negatives[row], -np.inf)
        best = point & (advantage == np.maximum.reduceat(advantage, start)[row])
        return score[np.minimum.reduceat(np.where(best, np.arange(len(score)), len(score)), start)]
    few = point & (fp <= np.array([allowed(alpha, count) for count in negatives.tolist()])[row])
    last = np.maximum.reduceat(np.where(few, np.arange(len(score)), -1), start)
    return np.where(last >= 0, score[last], np.nextafter(score[start], np.inf))


def _counts(
    side: Bool[np.ndarray, "known"], start: Int[np.ndarray, "group"], row: Int[np.ndarray, "known"]
) -> Int[np.ndarray, "known"]:
    """How many of a side there are from the beginning of the group on."""
    total = np.cumsum(side)
    return total - (total[start] - side[start])[row]


def class_thresholds(
    score: Float[np.ndarray, "*shadow record"],
    member: Bool[np.ndarray, "*shadow record"],
    label: Int[np.ndarray, "record"],
    readable: Bool[np.ndarray, "*shadow record"],
    alpha: float | None = None,
) -> Float[np.ndarray, "*shadow cls"]:
    """The threshold of each class; a class with only members or only non-members takes that of all records together.

    Args:
        score: of the shadow, or of several.
        member: of each shadow.
        label: 0 to one less than the number of classes.
        readable: the records whose membership is read.
        alpha: as for `select_threshold`.

    Raises:
        InputError: as `select_threshold`, of the first shadow of which it is so.
    """
    shadows, records = score.shape[:-1], score.shape[-1]
    score, member, readable = (part.reshape(-1, records) for part in (score, member, readable))
    _require_sides_of_each(score, member, readable)
    count = int(label.max()) + 1
    group = np.arange(len(score))[:, None] * count + label
    sides = [np.bincount(group[readable & side], minlength=len(score) * count) for side in (member, ~member)]
    own = (np.minimum(*sides) > 0).reshape(-1, count)
    thresholds = np.empty(own.shape)
    short = np.flatnonzero(~own.all(axis=1))
    if len(short):
        there = readable[short]
        thresholds[short] = _by_group(score[short][there], member[short][there], np.nonzero(there)[0], alpha)[:, None]
    there = readable & own[:, label]
    if own.any():
        thresholds[own] = _by_group(score[there], member[there], group[there], alpha)
    return thresholds.reshape(*shadows, count)


def _require_sides_of_each(score, member, readable) -> None:
    inside = (member & readable).sum(axis=1)
    wrong = (inside == 0) | (inside == readable.sum(axis=1)) | (np.isnan(score) & readable).any(axis=1)
    for row in np.flatnonzero(wrong)[:1]:
        require_sides(score[row, readable[row]], member[row, readable[row]])


def record_thresholds(
    score: Float[np.ndarray, "*shadow record"],
    member: Bool[np.ndarray, "*shadow record"],
    label: Int[np.ndarray, "record"],
    readable: Bool[np.ndarray, "*shadow record"],
    *,
    alpha: float | None,
    classwise: bool,
) -> Float[np.ndarray, "*shadow record"]:
    """The threshold of each record: that of its class, or one for all (arguments as for `class_thresholds`)."""
    classes = label if classwise else np.zeros_like(label)
    return class_thresholds(score, member, classes, readable, alpha)[..., classes]
