"""The ROC curve from scores and the truth, and the figures read off it.

A record is called a member when its score is at least the threshold. The curve has one point a distinct score, so
tied scores move together, as in scikit-learn's ``roc_curve(drop_intermediate=False)``. Counts are whole numbers;
rates are their quotients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike

from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.types import InputError

POINTS = 2**16  # of a curve that are made, or added up, at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Points of a receiver operating characteristic, as counts.

    Attributes:
        fp: non-members called members, at each point; ascending.
        tp: members called members.
        negatives: how many non-members there are.
        positives: how many members there are.
    """

    fp: Int[np.ndarray, "point"]
    tp: Int[np.ndarray, "point"]
    negatives: int
    positives: int

    @property
    def fpr(self) -> Float[np.ndarray, "point"]:
        """False-positive rate, 0 to 1."""
        return self.fp / self.negatives

    @property
    def tpr(self) -> Float[np.ndarray, "point"]:
        """True-positive rate, 0 to 1."""
        return self.tp / self.positives

    def last_points(self, counts: ArrayLike) -> Int[np.ndarray, "count"]:
        """The last points with at most so many false positives, whole numbers, each."""
        # Of another dtype than the curve's they would have all of the curve converted, and copied.
        return np.searchsorted(self.fp, np.asarray(counts).astype(self.fp.dtype), side="right") - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Roc(Curve):
    """A receiver operating characteristic: one point a distinct score, and before them one at which nobody is called a member.

    Attributes:
        ordered: all scores, descending. Thresholds are read off them, and not held beside them: there may be many.
    """

    ordered: Float[np.ndarray, "score"]

    def thresholds_at(self, points: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some"]:
        """The thresholds at some of the points, infinite at the first: scores of at least so much are called members."""
        called = self.fp[points] + self.tp[points]
        return np.where(called > 0, self.ordered[called - 1], np.inf)

    @property
    def threshold(self) -> Float[np.ndarray, "point"]:
        """That of every point, descending."""
        return self.thresholds_at(np.arange(len(self.fp)))


@dataclass(frozen=True, kw_only=True)
class TprAtFpr:
    """The true-positive rate at a bounded false-positive rate.

    Attributes:
        fpr: the bound asked for.
        tpr: the largest true-positive rate of a threshold whose false-positive rate is at most `fpr`.
        low: lower end of the 95% Clopper-Pearson interval of `tpr`, at this threshold.
        high: its upper end.
        false_positives: non-members called members at this threshold.
        true_positives: members called members at this threshold.
        threshold: the threshold.
        resolvable: whether the bound allows at least one false positive; where it does not, `tpr` says only how many
            members score above every non-member seen. One is enough for a figure, whose interval over records and models is then wide
            (`jaxattack.metrics.uncertainty`), and not for a claim, which needs ten.
    """

    fpr: float
    tpr: float
    low: float
    high: float
    false_positives: int
    true_positives: int
    threshold: float
    resolvable: bool


def roc_curve(scores: Float[np.ndarray, "record"], member: Shaped[np.ndarray, "record"]) -> Roc:
    """The ROC curve of scores against the truth.

    Args:
        scores: higher means "more likely a member".
        member: the truth: Booleans, or 0 and 1.

    Returns:
        The curve from (inf, 0, 0) to the least score, one point a distinct score.

    Raises:
        InputError: unequal lengths, no numbers, NaN, a truth of other than 0 and 1, or only members or only non-members.

    Example:
        >>> curve = roc_curve(np.asarray([3.0, 2.0, 1.0, 0.0]), np.asarray([True, False, True, False]))
        >>> float(auc(curve))
        0.75
    """
    scores, member = read_scores(scores), read_truth(member)
    if scores.ndim != 1 or scores.shape != member.shape:
        raise InputError(f"scores have shape {scores.shape} and member {member.shape}: give one of each a record.")
    positives = int(member.sum())
    negatives = len(member) - positives
    if not positives or not negatives:
        raise InputError(
            f"a ROC curve of {positives} members and {negatives} non-members is undefined: give some of both."
        )
    order = np.argsort(scores)[::-1]
    ordered = scores[order]
    require_numbers(ordered)
    return ordered_curve(ordered, member[order])


def require_numbers(ordered: Float[np.ndarray, "record"]) -> None:
    """Refuse scores, in order, that contain NaN.

    Raises:
        InputError: they do.
    """
    if np.isnan(ordered[0]) or np.isnan(ordered[-1]):
        raise InputError("scores contain NaN: drop these records, or mend the signal.")


def ordered_curve(ordered: Float[np.ndarray, "record"], member: Bool[np.ndarray, "record"]) -> Roc:
    """The same of scores in descending order, some members and some not."""
    number = np.int32 if len(member) <= np.iinfo(np.int32).max else np.int64
    last = np.append(ordered[1:] != ordered[:-1], True)
    points = 1 + int(np.count_nonzero(last))
    fp, tp = np.zeros(points, number), np.zeros(points, number)
    end = 1
    # Some at a time: scores may be so many that one array more of them all is too much.
    for start in range(0, len(member), POINTS):
        some = slice(start, start + POINTS)
        point = last[some]
        begin, end = end, end + int(np.count_nonzero(point))
        members = np.cumsum(member[some], dtype=number) + (members[-1] if start else number(0))
        tp[begin:end] = members[point]
        fp[begin:end] = np.arange(start + 1, start + 1 + len(point), dtype=number)[point] - tp[begin:end]
    return Roc(ordered=ordered, fp=fp, tp=tp, negatives=int(fp[-1]), positives=int(tp[-1]))


def auc(roc: Roc) -> float:
    """Area under the curve: the chance that a member outscores a non-member, ties counting one half.

    Example:
        >>> float(auc(roc_curve(np.asarray([1.0, 0.0]), np.asarray([True, False]))))
        1.0
    """
    twice = 0
    for start in range(0, len(roc.fp) - 1, POINTS):
        fp, tp = (count[start : start + POINTS + 1].astype(np.int64) for count in (roc.fp, roc.tp))
        twice += int(np.dot(np.diff(fp), tp[1:] + tp[:-1]))
    return twice / (2 * roc.positives * roc.negatives)


def advantage(roc: Roc) -> float:
    """The largest true-positive rate less false-positive rate (Yeom et al. 2018), 0 to 1."""
    return float((roc.tpr - roc.fpr).max())


def balanced_accuracy(roc: Roc) -> float:
    """The accuracy of the best threshold where members and non-members are equally likely, 0.5 to 1."""
    return 0.5 + advantage(roc) / 2


def tpr_at_fpr(roc: Roc, fpr: float) -> TprAtFpr:
    """The true-positive rate of the lowest threshold whose false-positive rate is at most `fpr`.

    The interval is that of a fixed threshold and of independent scores; it counts neither the choice of the threshold
    on the same scores nor their dependence.

    Args:
        roc: a curve with all its points.
        fpr: the bound on the false-positive rate, 0 to 1, attained where possible.

    Raises:
        InputError: a bound outside 0..1.
    """
    if not 0 <= fpr <= 1:
        raise InputError(f"fpr is {fpr}: give a false-positive rate between 0 and 1.")
    point = int(roc.last_points([allowed(fpr, roc.negatives)])[0])
    tp = int(roc.tp[point])
    low, high = clopper_pearson(tp, roc.positives)
    return TprAtFpr(
        fpr=fpr,
        tpr=tp / roc.positives,
        low=float(low),
        high=float(high),
        false_positives=int(roc.fp[point]),
        true_positives=tp,
        threshold=float(roc.thresholds_at(np.array([point]))[0]),
        resolvable=allowed(fpr, roc.negatives) >= 1,
    )


def allowed(fpr: float, negatives: int) -> int:
    """The largest count of false positives whose quotient by `negatives` is at most `fpr`."""
    count = int(fpr * negatives)
    # The product may round to either side of a whole number; the quotient of two whole numbers rounds correctly.
    while count < negatives and (count + 1) / negatives <= fpr:
        count += 1
    while count and count / negatives > fpr:
        count -= 1
    return count


def ppv_at(tpr: float, fpr: float, prior: float) -> float:
    """Positive predictive value: the share of members among the records called members.

    Args:
        tpr: true-positive rate.
        fpr: false-positive rate.
        prior: the share of members among the records attacked.

    Returns:
        0 to 1; NaN where nobody is called a member.

    Raises:
        InputError: a rate or a prior outside 0 to 1.
    """
    for name, value in (("tpr", tpr), ("fpr", fpr), ("prior", prior)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}: give a share, 0 to 1.")
    flagged = prior * tpr + (1 - prior) * fpr
    return prior * tpr / flagged if flagged > 0 else float("nan")


def thin(roc: Curve, points: int) -> Curve:
    """A curve of few points for drawing on logarithmic axes; every kept point is one of the curve's own.

    Args:
        roc: a curve.
        points: about how many points to keep at most, spaced evenly in log false-positive rate and, so that the part
            without false positives is drawn too, in log true-positive rate. Both ends are kept.
    """
    if len(roc.fp) <= points:
        return roc
    half = max(points // 2, 2)
    by_fp = roc.last_points(np.floor(np.geomspace(1, roc.negatives, half)))
    by_tp = np.searchsorted(roc.tp, np.ceil(np.geomspace(1, roc.positives, half)).astype(roc.tp.dtype), side="left")
    index = np.unique(np.concatenate([[0, len(roc.fp) - 1], by_fp, np.minimum(by_tp, len(roc.fp) - 1)]))
    return Curve(fp=roc.fp[index], tp=roc.tp[index], negatives=roc.negatives, positives=roc.positives)
