"""How sure a pooled figure is: intervals that hold for new records and for new models.

The scores of a sweep, score[model, record], share records and models. A pooled figure's error is therefore taken as a sum
of one influence psi(model, record) a score, clustered two ways (Cameron, Gelbach and Miller 2011): by record, and by
cluster of models, since models that share out the records (complementary halves) answer alike. With P members, Q
non-members and hit = "the score is at least the threshold",

    TPR at FPR f    psi = (hit - TPR) / P for members and -g (hit - f) / Q for others; g, the slope of the ROC at f, counts
                    the error of the threshold (Hsieh and Turnbull 1996)
    AUC             psi = (placement - AUC) / P or / Q; a member's placement is the share of non-members that it outscores,
                    a non-member's the share of members that outscore it (DeLong, DeLong and Clarke-Pearson 1988)

    variance = R / (R - 1) sum_r U_r^2 + K / (K - 1) sum_k W_k^2 - sum_rk T_rk^2, at least each of the first two terms

where U, W and T are the sums of psi over a record, over a cluster, and over a record within a cluster. Intervals are those
of Student's t on the logit scale; its degrees of freedom come from those of the two terms (Satterthwaite 1946), which
counts that few clusters, or few records that carry the figure, say little of their own spread. Those of a true-positive
rate are at most twice the false positives k: the threshold's own variance rests on a count of relative variance 1 / k.

Few clusters of models may look alike by chance, and their spread is then taken for smaller than it is. Of simulated sweeps of 300
records in complementary pairs, where the shift of members varies over models by .3 about 1 or 2.5, intervals of AUC and of the
rate at 10% hold the truth in 86 to 91 of 100 with 4 models, 89 to 90 with 6, 90 to 92 with 8 and 94 with 16; without such
variation in 97 with 4. At one to three false positives they hold it in 94 to 100 of 100 with 16 models, the lower end being above
it in up to 6.

Every psi depends on the score's level between few thresholds and on the membership alone, so that all figures come from
one count of levels by record and by cluster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from numpy.typing import ArrayLike
from scipy.special import expit, logit, stdtrit

from jaxattack.metrics.clusters import model_clusters
from jaxattack.metrics.inputs import read_clusters, read_pair
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.metrics.ranked import Ranked
from jaxattack.metrics.roc import Roc, allowed, auc
from jaxattack.types import InputError

KNOTS = 64  # levels of equal mass that stand for the scores in the influence on the AUC
BLOCK = 4096  # records counted at a time
CODES = 256  # that a byte holds
SMALL = 4  # models in a cluster up to which counting pairs of codes is faster
PAIRED = 2**18  # pairs of codes counted at a time
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A share with its uncertainty over records and models.

    Attributes:
        value: 0 to 1.
        variance: of the value; NaN where every score is called alike, so that nothing shows it.
        freedom: degrees of freedom of the variance.
        trials: how many independent trials there are at least: the records of which the share is. They bound a share of 0 or 1.
    """

    value: float
    variance: float
    freedom: float
    trials: int

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided interval.

        Args:
            confidence: coverage, between 0 and 1.

        Returns:
            Its ends, 0 to 1. At a share of 0 or 1 that of Clopper and Pearson (1934) for one trial a record.
        """
        if not 0 < self.value < 1 or not self.variance > 0:
            low, high = clopper_pearson(round(self.value * self.trials), self.trials, confidence)
            return float(low), float(high)
        reach = t_quantile(self.freedom, confidence) * math.sqrt(self.variance) / (self.value * (1 - self.value))
        centre = logit(self.value)
        return float(expit(centre - reach)), float(expit(centre + reach))


def t_quantile(freedom: float, confidence: float) -> float:
    """How many standard errors a two-sided interval reaches.

    Raises:
        InputError: a confidence that is none.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95.")
    return float(stdtrit(freedom, (1 + confidence) / 2))


class Levels(NamedTuple):
    """Every score as its level and its membership, and what follows from them for several figures.

    Attributes:
        code: the number of cuts at or below the score; plus `levels` where the record is a member.
        levels: one more than there are cuts.
        influence: psi by code, one column a figure.
        value: of each figure.
        bound: what the degrees of freedom of each figure are at most.
        trials: the records that each figure is a share of: of one model the members, who are fewer than all.
    """

    code: UInt8[np.ndarray, "model record"]
    levels: int
    influence: Float[np.ndarray, "code figure"]
    value: Float[np.ndarray, "figure"]
    bound: Float[np.ndarray, "figure"]
    trials: Int[np.ndarray, "figure"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Influences:
    """How the scores of one attack move its figures: the true-positive rates, then the AUC (`influences`).

    Attributes:
        fprs: the false-positive rates whose true-positive rates are the first figures.
        clusters: a label for each model, from 0.
        levels: every score, and what a score of its level moves.
        by_record: the sum of the influence over each record.
        by_cluster: over each cluster of models.
    """

    fprs: tuple[float, ...]
    clusters: Int[np.ndarray, "model"]
    levels: Levels
    by_record: Float[np.ndarray, "record figure"]
    by_cluster: Float[np.ndarray, "cluster figure"]

    def at(self, fprs: Sequence[float]) -> Influences:
        """The same at some of the rates alone, and on the AUC.

        Raises:
            InputError: a rate that is not among them.
        """
        if wrong := [fpr for fpr in fprs if fpr not in self.fprs]:
            raise InputError(f"fprs has {wrong[0]} and the influences are at {self.fprs}: choose from these.")
        figures = [*map(self.fprs.index, fprs), len(self.fprs)]
        levels = self.levels._replace(
            influence=self.levels.influence[:, figures],
            value=self.levels.value[figures],
            bound=self.levels.bound[figures],
            trials=self.levels.trials[figures],
        )
        return Influences(
            fprs=tuple(fprs),
            clusters=self.clusters,
            levels=levels,
            by_record=self.by_record[:, figures],
            by_cluster=self.by_cluster[:, figures],
        )

    def groups(self) -> list[Group]:
        """The models of each cluster, beside themselves."""
        return [
            (models, models)
            for models in map(np.flatnonzero, self.clusters == np.arange(len(self.by_cluster))[:, None])
        ]

    def estimates(self) -> tuple[Estimate, ...]:
        """Every figure with its uncertainty."""
        cells = products(self.levels, self.levels, self.groups())
        spread = two_way(self.by_record, self.by_cluster, cells, self.levels.bound)
        return tuple(
            Estimate(value=float(value), variance=float(variance), freedom=float(freedom), trials=int(trials))
            for value, variance, freedom, trials in zip(self.levels.value, *spread, self.levels.trials, strict=True)
        )


def influences(
    scores: Shaped[np.ndarray, "model record"],
    member: Shaped[np.ndarray, "model record"],
    roc: Roc,
    fprs: Sequence[float],
    clusters: ArrayLike | None = None,
) -> Influences:
    """The influence of every score on the true-positive rates at some false-positive rates, and on the AUC.

    Args:
        scores: higher means "more likely a member".
        member: the truth: Booleans, or 0 and 1.
        roc: their pooled curve with all its points (`jaxattack.metrics.roc_curve`).
        fprs: false-positive rates, at most 64 of them.
        clusters: a label for each model, from 0; models of one label are not taken as independent. By default
            `model_clusters`.

    Raises:
        InputError: no numbers, a truth of other than 0 and 1, shapes that disagree, nothing, NaN, too many rates, or not one label
            for each model.
    """
    scores, member = read_pair(scores, member)
    return ranked_influences(
        Ranked.of(scores, member), roc, fprs, model_clusters(member) if clusters is None else clusters
    )


def ranked_influences(ranked: Ranked, roc: Roc, fprs: Sequence[float], clusters: ArrayLike) -> Influences:
    """The same of scores in order (`jaxattack.metrics.ranked`)."""
    clusters = read_clusters(clusters, ranked.shape[0])
    levels = _cut(ranked, roc, fprs)
    record, cluster = sums_of(levels, clusters)
    return Influences(fprs=tuple(fprs), clusters=clusters, levels=levels, by_record=record, by_cluster=cluster)


def _cut(ranked: Ranked, roc: Roc, fprs: Sequence[float]) -> Levels:
    points = roc.last_points([allowed(fpr, roc.negatives) for fpr in fprs])
    calls = np.ceil(np.linspace(0, len(roc.ordered), KNOTS + 1)[1:-1]).astype(int)
    thresholds = roc.thresholds_at(points)
    cuts = np.unique(np.concatenate([thresholds, roc.ordered[calls - 1]]))
    levels = len(cuts) + 1
    if levels > CODES // 2:
        raise InputError(f"{len(fprs)} false-positive rates are too many at once: give at most {CODES // 2 - KNOTS}.")
    code = ranked.levels(cuts, np.arange(2 * levels, dtype=np.uint8).reshape(2, levels))
    tprs = [
        _tpr_influence(roc, point, cut, levels)
        for point, cut in zip(points.tolist(), np.searchsorted(cuts, thresholds).tolist(), strict=True)
    ]
    count = np.sum([np.bincount(row, minlength=2 * levels) for row in code], axis=0).reshape(2, levels)
    influence = np.stack([*tprs, _auc_influence(count)], axis=1)
    value = np.array([*(roc.tp[points] / roc.positives), auc(roc)])
    others, members = records_by_side(code, levels)
    trials = np.array([*[members] * len(points), min(others, members)])
    return Levels(code, levels, influence, value, np.array([*(2.0 * roc.fp[points]), np.inf]), trials)


def records_by_side(code: UInt8[np.ndarray, "model record"], levels: int) -> tuple[int, int]:
    """How many records are no members of some model, and how many are members of some."""
    member = code >= levels
    return int((~member.all(axis=0)).sum()), int(member.any(axis=0).sum())


def _tpr_influence(roc: Roc, point: int, cut: int, levels: int) -> Float[np.ndarray, "code"]:
    hit = np.arange(levels) > cut
    fp, tp = int(roc.fp[point]), int(roc.tp[point])
    others = -_slope(roc, point) * (hit - fp / roc.negatives) / roc.negatives
    return np.concatenate([others, (hit - tp / roc.positives) / roc.positives])


def _slope(roc: Roc, point: int) -> float:
    """The slope of the curve, from 1 / 1.6 to 1.6 of the false positives and at least two standard deviations each way."""
    fp = int(roc.fp[point])
    low, high = min(fp / 1.6, fp - 2 * math.sqrt(fp)), max(1.6 * fp, fp + 2 * math.sqrt(fp), 3)
    left, right = roc.last_points([max(math.floor(low), 0), min(math.ceil(high), roc.negatives)]).tolist()
    run = (roc.fp[right] - roc.fp[left]) / roc.negatives
    return float((roc.tp[right] - roc.tp[left]) / roc.positives / run) if run > 0 else 0.0


def _auc_influence(count: Int[np.ndarray, "2 level"]) -> Float[np.ndarray, "code"]:
    others, members = count
    outscored = (np.cumsum(others) - others / 2) / others.sum()
    outscoring = 1 - (np.cumsum(members) - members / 2) / members.sum()
    area = float(members @ outscored / members.sum())
    return np.concatenate([(outscoring - area) / others.sum(), (outscored - area) / members.sum()])


def sums_of(
    levels: Levels, clusters: Int[np.ndarray, "model"]
) -> tuple[Float[np.ndarray, "record figure"], Float[np.ndarray, "cluster figure"]]:
    """The sums of the influence over each record and over each cluster."""
    by_model = np.stack([np.bincount(row, minlength=2 * levels.levels) for row in levels.code]) @ levels.influence
    cluster = np.zeros((int(clusters.max()) + 1, by_model.shape[1]))
    np.add.at(cluster, clusters, by_model)
    return _by_record(levels, np.arange(len(clusters))), cluster


def _by_record(levels: Levels, models: Int[np.ndarray, "chosen"]) -> Float[np.ndarray, "record figure"]:
    """The sums of the influence over some models."""
    codes = 2 * levels.levels
    sums = np.empty((levels.code.shape[1], levels.influence.shape[1]))
    for start in range(0, len(sums), BLOCK):
        block = levels.code[models, start : start + BLOCK]
        at = np.arange(block.shape[1]) * codes
        count = np.bincount((block + at).ravel(), minlength=codes * block.shape[1]).reshape(-1, codes)
        sums[start : start + BLOCK] = count @ levels.influence
    return sums


Group = tuple[Int[np.ndarray, "ours"], Int[np.ndarray, "theirs"]]
"""Models of one attack's scores and of another's that are of one cluster."""


def products(first: Levels, second: Levels, groups: Iterable[Group]) -> Float[np.ndarray, "figure"]:
    """The sum, over records within clusters, of the product of two attacks' sums of influence there.

    In small clusters the pairs of codes are counted, of two scores of one record; in large ones the sums are formed.

    Args:
        first: the scores of one attack.
        second: of another, its records in the same order.
        groups: of each cluster, the models of either.
    """
    rows, columns = 2 * first.levels, 2 * second.levels
    sums, pairs = np.zeros(first.influence.shape[1]), []
    for ours, theirs in groups:
        if max(len(ours), len(theirs)) > SMALL:
            sums += (_by_record(first, ours) * _by_record(second, theirs)).sum(axis=0)
        else:
            pairs.extend((model, other) for model in ours for other in theirs)
    joint = np.zeros(rows * columns)
    at_once = max(1, PAIRED // max(first.code.shape[1], 1))
    for start in range(0, len(pairs), at_once):
        models, others = np.array(pairs[start : start + at_once]).T
        code = first.code[models].astype(np.int32) * columns + second.code[others]
        joint += np.bincount(code.ravel(), minlength=rows * columns)
    count = joint.reshape(rows, columns)
    return sums + np.einsum("cf,cd,df->f", first.influence, count, second.influence, optimize=True)


def two_way(
    record: Float[np.ndarray, "record figure"],
    cluster: Float[np.ndarray, "cluster figure"],
    cells: Float[np.ndarray, "figure"],
    bound: Float[np.ndarray, "figure"],
) -> tuple[Float[np.ndarray, "figure"], Float[np.ndarray, "figure"]]:
    """The variance of each figure and its degrees of freedom.

    Args:
        record: the sum of the influence over each record.
        cluster: over each cluster of models.
        cells: the sum of its squares over records within clusters.
        bound: what the degrees of freedom are at most.
    """
    by_record, of_records = one_way(record)
    by_cluster, of_clusters = one_way(cluster)
    variance = np.maximum(by_record + by_cluster - cells, np.maximum(by_record, by_cluster))
    total = by_record + by_cluster
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (by_record**2 / of_records + by_cluster**2 / of_clusters)
    return variance, np.where(total > 0, np.clip(np.minimum(freedom, bound), 1.0, None), 1.0)


def one_way(sums: Float[np.ndarray, "cluster figure"]) -> tuple[np.ndarray, np.ndarray]:
    """The clustered variance and its degrees of freedom.

    The variance of a sum of squares is estimated by that of the squares, so that few large sums count as few; it is never
    taken as surer than that of as many normal ones.
    """
    count = len(sums)
    square = (sums**2).sum(axis=0)
    if count < 2:  # nothing to learn from: the figure holds for these alone
        return np.zeros_like(square), np.ones_like(square)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (sums**4).sum(axis=0) / square**2 - 1 / count
        freedom = np.minimum(count - 1, np.where(spread > 0, 2 / spread, count - 1))
    return count / (count - 1) * square, np.maximum(freedom, 1.0)
