"""How far apart the figures of two attacks are, or of one attack in two audits: paired where they share records and models.

The difference of two pooled figures (`jaxattack.metrics.uncertainty`) has the influence psi on the scores of the first, and
-psi on those of the second. A record, or a cluster of models, that both have is one cluster of the difference; one that either
has alone is a cluster of its own. So two attacks on the same scores are compared by psi - psi', two audits that share nothing
by the sum of their variances, and an audit and itself differ by exactly 0, of variance 0.

A figure of 0 or 1, or of scores that are all called alike, has hardly any influence, and its own interval is Clopper and Pearson's
(`jaxattack.metrics.uncertainty.Estimate`). How far that reaches is added in squares to the interval of the difference (MOVER: Zou
and Donner 2008): two attacks that find nobody are not known to be equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.metrics.clusters import varying_records
from jaxattack.metrics.uncertainty import CONFIDENCE, Estimate, Influences, Levels, products, t_quantile, two_way
from jaxattack.types import InputError


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What is found more than elsewhere.

    Attributes:
        value: -1 to 1.
        variance: of the value.
        freedom: degrees of freedom of the variance.
        ours: the one figure, where its influence does not show how sure it is.
        theirs: likewise the other.
    """

    value: float
    variance: float
    freedom: float
    ours: Estimate | None = None
    theirs: Estimate | None = None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided interval, within -1 to 1; symmetric about the value where both influences show how sure they are."""
        reach = t_quantile(self.freedom, confidence) * math.sqrt(self.variance)
        (ours_below, ours_above), (below, above) = (_reach(one, confidence) for one in (self.ours, self.theirs))
        low, high = math.hypot(reach, ours_below, above), math.hypot(reach, ours_above, below)
        return max(self.value - low, -1.0), min(self.value + high, 1.0)


def _reach(figure: Estimate | None, confidence: float) -> tuple[float, float]:
    """How far a figure's interval reaches below and above it; nowhere where there is none."""
    if figure is None:
        return 0.0, 0.0
    low, high = figure.interval(confidence)
    return figure.value - low, high - figure.value


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """What two audits have in common.

    Attributes:
        records: the place of each common record in the first and in the second.
        clusters: the label of each common cluster of models in the first and in the second.
    """

    records: Int[np.ndarray, "common_record 2"]
    clusters: Int[np.ndarray, "common_cluster 2"]


def paired_clusters(
    ours: Bool[np.ndarray, "model record"],
    theirs: Bool[np.ndarray, "other record"],
    our_clusters: Int[np.ndarray, "model"],
    their_clusters: Int[np.ndarray, "other"],
) -> Int[np.ndarray, "common 2"]:
    """The clusters of either whose models have the same members, or exactly those that the others lack.

    Args:
        ours: the members of the common records, in one order.
        theirs: likewise.
        our_clusters: a label for each model.
        their_clusters: likewise.

    Returns:
        Pairs of labels, each label in one at most; none where the records are the same in all models.
    """
    both = np.concatenate([ours, theirs])
    varying = both[:, varying_records(both)]
    rows = [row.tobytes() for row in np.packbits(varying ^ varying[:, :1], axis=1)]
    own = dict(zip(rows[: len(ours)], our_clusters.tolist(), strict=True)) if varying.size else {}
    pairs: dict[int, int] = {}
    for row, label in zip(rows[len(ours) :], their_clusters.tolist(), strict=True):
        if row in own and label not in pairs.values():
            pairs.setdefault(own[row], label)
    return np.array(sorted(pairs.items()), int).reshape(-1, 2)


def differences(ours: Influences, theirs: Influences, pairing: Pairing | None = None) -> tuple[Difference, ...]:
    """Every figure less the same figure of another attack or audit.

    Args:
        ours: of the one.
        theirs: of the other, at the same rates.
        pairing: what they have in common; all records and models by default.

    Raises:
        InputError: other rates; or, without a pairing, other records or models.
    """
    if ours.fprs != theirs.fprs:
        raise InputError("the attacks differ in their rates: compare them at the same.")
    pairing = pairing or _all_in_common(ours, theirs)
    cells = (
        products(ours.levels, ours.levels, ours.groups())
        + products(theirs.levels, theirs.levels, theirs.groups())
        - 2 * _common_products(ours, theirs, pairing)
    )
    records = _less(ours.by_record, theirs.by_record, pairing.records)
    clusters = _less(ours.by_cluster, theirs.by_cluster, pairing.clusters)
    spread = two_way(records, clusters, cells, np.minimum(ours.levels.bound, theirs.levels.bound))
    hidden = ([None] * len(cells),) * 2 if _same(ours, theirs, pairing) else map(_without_influence, (ours, theirs))
    return tuple(
        Difference(value=float(value), variance=float(variance), freedom=float(freedom), ours=own, theirs=other)
        for value, variance, freedom, own, other in zip(
            ours.levels.value - theirs.levels.value, *spread, *hidden, strict=True
        )
    )


def _same(ours: Influences, theirs: Influences, pairing: Pairing) -> bool:
    """Whether the scores of both are called alike at every threshold, and are of the same records and models."""
    numbers = [np.repeat(np.arange(len(sums))[:, None], 2, axis=1) for sums in (ours.by_record, ours.by_cluster)]
    return (
        np.array_equal(pairing.records, numbers[0])
        and np.array_equal(pairing.clusters, numbers[1])
        and all(np.array_equal(*pair) for pair in zip(ours.levels, theirs.levels, strict=True))
    )


def _without_influence(side: Influences) -> list[Estimate | None]:
    """Each figure that is 0 or 1, or that no score moves; None for the others."""
    levels = side.levels
    moved = np.abs(side.by_record).sum(axis=0) + np.abs(side.by_cluster).sum(axis=0)
    return [
        Estimate(value=float(value), variance=0.0, freedom=1.0, trials=int(trials))
        if not move or not 0 < value < 1
        else None
        for value, trials, move in zip(levels.value, levels.trials, moved, strict=True)
    ]


def _all_in_common(ours: Influences, theirs: Influences) -> Pairing:
    if ours.levels.code.shape != theirs.levels.code.shape or not np.array_equal(ours.clusters, theirs.clusters):
        raise InputError("the attacks differ in their records or models: compare them on the same.")
    places, labels = (np.repeat(np.arange(len(sums))[:, None], 2, axis=1) for sums in (ours.by_record, ours.by_cluster))
    return Pairing(records=places, clusters=labels)


def _less(
    ours: Float[np.ndarray, "cluster figure"],
    theirs: Float[np.ndarray, "other figure"],
    common: Int[np.ndarray, "common 2"],
) -> Float[np.ndarray, "union figure"]:
    """The sums of the difference over all clusters of either."""
    joint = ours.copy()
    joint[common[:, 0]] -= theirs[common[:, 1]]
    return np.concatenate([joint, -np.delete(theirs, common[:, 1], axis=0)])


def _common_products(ours: Influences, theirs: Influences, pairing: Pairing) -> Float[np.ndarray, "figure"]:
    """The products of both audits' sums over the records within clusters that they share."""
    mine, other = ours.groups(), theirs.groups()
    groups = [(mine[label][0], other[same][0]) for label, same in pairing.clusters]
    return products(_taking(ours.levels, pairing.records[:, 0]), _taking(theirs.levels, pairing.records[:, 1]), groups)


def _taking(levels: Levels, records: Int[np.ndarray, "common"]) -> Levels:
    return levels._replace(code=levels.code[:, records])
