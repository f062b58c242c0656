"""The figures of one attack over many targets: scores[target, record] against member[target, record].

Pooled figures put the scores of all targets on one curve, as the literature does; they resolve the lowest
false-positive rates, with one threshold for every target and record. Their uncertainty counts that scores share records
and models (`jaxattack.metrics.uncertainty`). The mean and the standard deviation over targets, and thresholds transferred
from the other targets, say what one more model brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from jaxattack.metrics.clusters import model_clusters
from jaxattack.metrics.cross_fit import cross_fitted_accuracies, cross_fitted_accuracy
from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.metrics.ranked import Ranked, TargetCurves
from jaxattack.metrics.roc import Curve, TprAtFpr, allowed, auc, ppv_at, thin, tpr_at_fpr
from jaxattack.metrics.uncertainty import Estimate, Influences, ranked_influences
from jaxattack.types import InputError

FPRS = (0.1, 0.01, 0.001, 0.0001)
PRIORS = (0.01, 0.1, 0.5)
DRAWN = 2000  # points kept of the pooled curve
AT_ONCE = 2**16  # scores of which the targets' own curves are taken at a time
BAND = 24  # points at which the band around the pooled curve is found


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure over targets.

    Attributes:
        mean: over targets.
        sd: sample standard deviation over targets; NaN for a single target.
    """

    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What an adversary gets who sets the threshold on other models and never sees the target's truth.

    Attributes:
        nominal: the false-positive rate that the threshold has on the other targets' non-members.
        fpr: the rate realised on each target's own non-members.
        tpr: the rate realised on its members.
    """

    nominal: float
    fpr: Spread
    tpr: Spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """The pooled curve at some points, with the uncertainty of each.

    Attributes:
        fpr: false-positive rates that allow at least one false positive, ascending, even in their logarithm.
        tpr: the true-positive rate at each.
    """

    fpr: Float[np.ndarray, "point"]
    tpr: tuple[Estimate, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
    """All figures of one attack.

    Attributes:
        targets: how many targets.
        roc: the pooled curve, thinned for drawing.
        auc: pooled.
        balanced_accuracy: pooled, cross-fitted: each half of the records at the best threshold of the other.
        advantage: twice the balanced accuracy less one: -1 to 1.
        tpr: pooled, one entry a false-positive rate.
        tpr_estimate: each of them with its uncertainty over records and models.
        auc_estimate: the pooled AUC with its own.
        band: the pooled curve with its own.
        influences: of every score on these figures; what two attacks on the same scores are compared by.
        tied: the share of scores that equal the largest score; no threshold parts them.
        target_auc: over targets.
        target_balanced_accuracy: over targets, cross-fitted.
        target_tpr: over targets, one entry a false-positive rate; where one target's non-members cannot resolve the
            rate, its part is the share of members above all of them.
        transferred: one entry a false-positive rate; empty for a single target.
        ppv: false-positive rate -> prior -> positive predictive value at the pooled threshold.
    """

    targets: int
    roc: Curve
    auc: float
    balanced_accuracy: float
    advantage: float
    tpr: tuple[TprAtFpr, ...]
    tpr_estimate: tuple[Estimate, ...]
    auc_estimate: Estimate
    band: Band
    influences: Influences
    tied: float
    target_auc: Spread
    target_balanced_accuracy: Spread
    target_tpr: tuple[Spread, ...]
    transferred: tuple[Transfer, ...]
    ppv: dict[float, dict[float, float]]


def summarise(
    scores: Float[np.ndarray, "target record"],
    member: Shaped[np.ndarray, "target record"],
    fprs: Sequence[float] = FPRS,
    priors: Sequence[float] = PRIORS,
    clusters: ArrayLike | None = None,
    ranked: Ranked | None = None,
) -> Summary:
    """All figures of one attack.

    Args:
        scores: higher means "more likely a member".
        member: the truth for each target: Booleans, or 0 and 1.
        fprs: false-positive rates, between 0 and 1, ends excluded.
        priors: shares of members among the records attacked.
        clusters: a label for each target; targets of one label are not taken as independent. By default those with
            equal or complementary members share one (`jaxattack.metrics.model_clusters`).
        ranked: the scores in order, where they are sorted already.

    Raises:
        InputError: shapes that disagree, NaN, a rate or prior outside its range, or a target without members or
            without non-members.
    """
    scores, member = _checked(scores, member, fprs, priors)
    ranked = ranked or Ranked.of(scores, member)
    pooled = ranked.curve()
    at = tuple(tpr_at_fpr(pooled, fpr) for fpr in fprs)
    # Up to a rate whose neighbourhood, from which the slope is taken, lies within the curve.
    band = np.geomspace(1 / pooled.negatives, 0.5, BAND) if pooled.negatives > 1 else np.array([])
    clusters = model_clusters(member) if clusters is None else clusters
    moves = ranked_influences(ranked, pooled, (*fprs, *band), clusters)
    area, outline, tied = auc(pooled), thin(pooled, DRAWN), float((pooled.fp[1] + pooled.tp[1]) / scores.size)
    negatives = pooled.negatives
    del pooled  # as large as the scores, of which there may be many
    estimates = moves.estimates()
    accuracy, each = cross_fitted_accuracy(ranked), _each_target(scores, member, ranked, fprs)
    return Summary(
        targets=len(scores),
        roc=outline,
        auc=area,
        balanced_accuracy=accuracy,
        advantage=2 * accuracy - 1,
        tpr=at,
        tpr_estimate=estimates[: len(fprs)],
        auc_estimate=estimates[-1],
        band=Band(fpr=band, tpr=estimates[len(fprs) : -1]),
        influences=moves,
        tied=tied,
        target_auc=_spread(each.auc),
        target_balanced_accuracy=_spread(each.accuracy),
        target_tpr=tuple(map(_spread, each.tpr)),
        transferred=_transfers(each, fprs) if len(scores) > 1 else (),
        ppv={
            point.fpr: {prior: ppv_at(point.tpr, point.false_positives / negatives, prior) for prior in priors}
            for point in at
        },
    )


def transfer(
    scores: Float[np.ndarray, "target record"],
    member: Shaped[np.ndarray, "target record"],
    fprs: Sequence[float] = FPRS,
) -> tuple[Transfer, ...]:
    """Rates realised on each target at a threshold set on the other targets.

    The threshold of a target is the largest score v with at most the share `fpr` of the other targets' pooled
    non-members above it; records that score above v are called members.

    Args:
        scores: higher means "more likely a member"; at least two targets.
        member: the truth for each target: Booleans, or 0 and 1.
        fprs: nominal false-positive rates, between 0 and 1, ends excluded.

    Returns:
        One entry a rate.

    Raises:
        InputError: as `summarise`, or one target.
    """
    scores, member = _checked(scores, member, fprs, ())
    if len(scores) < 2:
        raise InputError("there is one target: give another, whose scores set its threshold.")
    return _transfers(_each_target(scores, member, Ranked.of(scores, member), fprs), fprs)


class EachTarget(NamedTuple):
    """The figures of every target.

    Attributes:
        auc: of its own curve.
        accuracy: cross-fitted, of its own curve.
        tpr: by rate, of its own curve.
        transferred: by rate, the false-positive and the true-positive rate at the threshold of the others.
    """

    auc: Float[np.ndarray, "target"]
    accuracy: Float[np.ndarray, "target"]
    tpr: Float[np.ndarray, "fpr target"]
    transferred: Float[np.ndarray, "fpr 2 target"]


def _each_target(scores, member, ranked: Ranked, fprs: Sequence[float]) -> EachTarget:
    """The curve of every target alone, some at a time."""
    others, rows = ranked.ascending[~ranked.member], max(1, AT_ONCE // scores.shape[1])
    parts = []
    for start in range(0, len(scores), rows):
        curves = TargetCurves.of(scores[start : start + rows], member[start : start + rows])
        tprs = curves.tpr(fprs)
        transferred = np.array(_realised(curves, others, fprs) if len(scores) > 1 else [])
        parts.append((curves.auc(), cross_fitted_accuracies(curves), tprs, transferred))
    return EachTarget(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _realised(
    curves: TargetCurves, others: Float[np.ndarray, "other"], fprs: Sequence[float]
) -> list[tuple[Float[np.ndarray, "target"], Float[np.ndarray, "target"]]]:
    """False-positive and true-positive rates at the thresholds of the other targets.

    Args:
        curves: of some targets.
        others: the non-members' scores of all targets, ascending.
        fprs: nominal rates.
    """
    sizes, row = np.unique(curves.negatives, return_inverse=True)
    spare = np.array([[allowed(fpr, len(others) - size) for size in sizes.tolist()] for fpr in fprs])[:, row]
    thresholds = others[len(others) - 1 - (spare + _own_before(curves, others, spare))]
    rates = []
    for threshold in thresholds:
        above = curves.score > threshold[:, None]
        members = np.count_nonzero(above & curves.member, axis=1)
        rates.append(((np.count_nonzero(above, axis=1) - members) / curves.negatives, members / curves.positives))
    return rates


def _own_before(
    curves: TargetCurves, others: Float[np.ndarray, "other"], spare: Int[np.ndarray, "fpr target"]
) -> Int[np.ndarray, "fpr target"]:
    """How many of a target's own non-members stand before the other targets' number `spare` in descending order.

    The others that are larger than an own score are more the lower it stands: a binary search over its own finds the last that
    has few enough above it.
    """
    own = curves.score[~curves.member]
    start = np.cumsum(curves.negatives, dtype=np.int64) - curves.negatives
    first = np.ones(len(own), bool)  # of equal scores of a target
    np.not_equal(own[1:], own[:-1], out=first[1:])
    first[start] = True
    larger = np.maximum.accumulate(np.where(first, np.arange(len(own)), 0)) - np.repeat(start, curves.negatives)
    low, high = np.zeros(spare.shape, np.int64), np.broadcast_to(curves.negatives, spare.shape).astype(np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        at = start + np.minimum(middle, curves.negatives - 1)
        before = len(others) - np.searchsorted(others, own[at], side="right") - larger[at]
        few = (before <= spare) & (low < high)
        low, high = np.where(few, middle + 1, low), np.where(few, high, middle)
    return low


def _transfers(each: EachTarget, fprs: Sequence[float]) -> tuple[Transfer, ...]:
    pairs = zip(fprs, each.transferred, strict=True)
    return tuple(Transfer(nominal=fpr, fpr=_spread(false), tpr=_spread(true)) for fpr, (false, true) in pairs)


def _checked(scores, member, fprs, priors):
    scores, member = read_scores(scores), read_truth(member)
    if scores.ndim != 2 or scores.shape != member.shape or not scores.size:
        raise InputError(
            f"scores have shape {scores.shape} and member {member.shape}: give some of both as [target, record], of one shape."
        )
    positives = member.sum(axis=1)
    bad = np.flatnonzero((positives == 0) | (positives == member.shape[1]))
    if len(bad):
        raise InputError(
            f"target {bad[0]} has {positives[bad[0]]} members among {member.shape[1]} records: "
            "give targets with some members and some non-members."
        )
    for name, values in (("fprs", fprs), ("priors", priors)):
        if wrong := [value for value in values if not 0 < value < 1]:
            raise InputError(f"{name} contains {wrong[0]}: give numbers between 0 and 1.")
    return scores, member


def _spread(values: Float[np.ndarray, "target"]) -> Spread:
    return Spread(mean=float(np.mean(values)), sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan)
