"""A threshold is selected on a shadow: the one with the best balanced accuracy, or the lowest with few enough false positives.

The shadow is a model that was trained with the target's recipe and whose membership the attacker knows
(`jaxattack.attacks.membership.references.Shadow`). Jayaraman et al. 2021 (arXiv 2005.10881, section 4) train it on a
validation split; Song and Mittal 2021 (arXiv 2003.10595) select a threshold for each class. A score of at least the
threshold speaks for a member. What a bound on false positives is worth on the target is not promised: it held on the shadow.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.metrics import roc_curve
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
    roc = roc_curve(score, member)
    if alpha is None:
        # The first point, at infinity, calls nobody a member and would make scores infinite.
        return float(roc.threshold[1 + int(np.argmax(roc.tpr[1:] - roc.fpr[1:]))])
    point = int(np.searchsorted(roc.fp, allowed(alpha, roc.negatives), side="right")) - 1
    return float(roc.threshold[point]) if point else math.nextafter(float(roc.threshold[1]), math.inf)


def class_thresholds(
    score: Float[np.ndarray, "record"],
    member: Bool[np.ndarray, "record"],
    label: Int[np.ndarray, "record"],
    readable: Bool[np.ndarray, "record"],
    alpha: float | None = None,
) -> Float[np.ndarray, "cls"]:
    """The threshold of each class; a class with only members or only non-members takes that of all records together.

    Args:
        score: of the shadow.
        member: of the shadow.
        label: 0 to one less than the number of classes.
        readable: the records whose membership is read.
        alpha: as for `select_threshold`.
    """
    overall = select_threshold(score[readable], member[readable], alpha)
    thresholds = []
    for records in np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1]):
        records = records[readable[records]]
        truth = member[records]
        both = truth.any() and not truth.all()
        thresholds.append(select_threshold(score[records], truth, alpha) if both else overall)
    return np.array(thresholds)


def record_thresholds(
    score: Float[np.ndarray, "record"],
    member: Bool[np.ndarray, "record"],
    label: Int[np.ndarray, "record"],
    readable: Bool[np.ndarray, "record"],
    *,
    alpha: float | None,
    classwise: bool,
) -> Float[np.ndarray, "record"]:
    """The threshold of each record: that of its class, or one for all (arguments as for `class_thresholds`)."""
    if classwise:
        return class_thresholds(score, member, label, readable, alpha)[label]
    return np.full(len(score), select_threshold(score[readable], member[readable], alpha))
