"""Extraction of a regression behind bins and one-hot blocks, by partial queries (Tramèr et al. 2016, section 6.2).

The victim cuts each number into bins and gives every bin and every category a weight of its own, or takes it as it is,

    ln p = b + sum over features of (w[feature, bin of x] + v[feature] x) + a shift shared by all classes,

and what a record does not give adds nothing. So a query of one feature alone reads one bin's weights, and the empty query the
bias. Bins are found by bisection between values that are answered differently, all features in one call a round; two values
that are answered alike lie in one bin, unless two bins have the very same weights, which are then the same to every caller.
A number whose middle scores halfway between its ends is not cut into bins.

The paper asks one feature at a time. Once the weights on both sides of an edge are known, a query only has to tell on which
side its value lies; and the sum over several features tells it of all of them at once, for different choices of sides have
different sums. So one query bisects edges of up to eight features, if the victim answers in float64 and does not round.

Cost: 1 + (values of the categories) + about 3 (edges of the bins) + (edges of the feature that has most) * log2(range / 16 /
resolution) queries, in as many calls as bisections. Everything is up to a shift shared by the classes, taken as zero mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import log_probability
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import (
    NUMBERS,
    Access,
    Answer,
    BudgetSpent,
    Draft,
    InputError,
    Oracle,
    Precision,
    config,
)

_ALIKE: dict[Precision, float] = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 1e-2}
"""Confidences that are closer than this are one answer."""

_COARSE = 16
"""Gaps wider than the range over this are asked alone, for they may hold several edges."""

_TOGETHER = 8
"""Edges that one query bisects at most: two to this power sums are told apart."""

_SUM = 1e-9
"""How close a score must come to a sum of weights, in float64; the next best sum is to be ten times farther."""


class Bins(NamedTuple):
    """A stolen pipeline.

    Attributes:
        edges: of each feature, the ascending values at which a new bin starts; none for a category.
        weights: of each feature, Float["bin cls"], of zero mean over classes.
        slopes: Float["feature cls"], of numbers that are not cut into bins; 0 for all others.
        bias: Float["cls"], of zero mean.
    """

    edges: tuple[Float[np.ndarray, "edge"], ...]
    weights: tuple[Float[np.ndarray, "bin cls"], ...]
    slopes: Float[np.ndarray, "feature cls"]
    bias: Float[np.ndarray, "cls"]

    def answer(self, x: Float[np.ndarray, "query feature"]) -> Answer:
        """What the pipeline answers; NaN is a feature that is not given."""
        logit = np.tile(self.bias, (len(x), 1))
        for feature, (cuts, weight) in enumerate(zip(self.edges, self.weights, strict=True)):
            present = ~np.isnan(x[:, feature])
            value = x[present, feature]
            place = np.searchsorted(cuts, value, side="right") if len(cuts) else value.astype(int)
            logit[present] += weight[place.clip(0, len(weight) - 1)] + value[:, None] * self.slopes[feature]
        return Answer(logit.argmax(axis=1).astype(np.int64), softmax(logit, axis=1), logit)


class Probes(NamedTuple):
    """Values of single features and how they score, by feature and then by value.

    Attributes:
        feature: Int["probe"].
        value: Float["probe"].
        score: Float["probe cls"], ln p of zero mean over classes, less the bias.
    """

    feature: Int[np.ndarray, "probe"]
    value: Float[np.ndarray, "probe"]
    score: Float[np.ndarray, "probe cls"]

    def merge(self, other: Probes) -> Probes:
        """Both, in order."""
        feature, value, score = (np.concatenate(parts) for parts in zip(self, other, strict=True))
        order = np.lexsort((value, feature))
        return Probes(feature[order], value[order], score[order])


@config
class Binned(Attack):
    """Bins and weights of a regression behind one-hot blocks, from partial queries.

    Attributes:
        resolution: how closely edges are found, as a share of half a feature's range.

    Raises:
        InputError: a resolution outside 0 to 1.
    """

    resolution: float = 1e-7

    name = "binned"
    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        if not 0 < self.resolution < 1:
            raise InputError(f"resolution is {self.resolution}: give a share between 0 and 1.")

    def needs(self, access: Access) -> int:
        """The empty query, each category, and both ends of each number; every bin edge is extra."""
        return 1 + int(np.where(access.inputs.categories > 0, access.inputs.categories, 2).sum())

    def run(self, theft: Theft) -> Draft:
        """Steal the pipeline.

        Raises:
            InputError: an access level without numbers, a victim that needs every feature, or a budget below `needs`.
        """
        oracle, inputs = theft.oracle, theft.access.inputs
        if not inputs.missing or len(inputs.shape) != 1:
            raise InputError(
                "binned asks for one feature at a time and this victim needs every feature: choose softmax."
            )
        search = _Search(self, oracle)
        reason, count, rounds = "", 0, int(np.ceil(np.log2(2 / self.resolution)))
        try:
            while search.bisect():
                count += 1
                theft.report("bisections", min(count, rounds), rounds)
        except BudgetSpent as refusal:
            reason = f"{refusal} {search.undecided} edges are not yet found to within the resolution."
        bins = search.bins()
        weights = {f"weight{number}": weight for number, weight in enumerate(bins.weights)}
        edges = {f"edge{number}": edge for number, edge in enumerate(bins.edges)}
        return Draft(
            stolen=bins,
            answer=bins.answer,
            parameters={"bias": bins.bias, "slope": bins.slopes, **weights, **edges},
            stop=reason,
            notes={"bins": [len(weight) for weight in bins.weights], "resolution": self.resolution},
        )


class _Search:
    """What is known of a victim, and the next questions."""

    def __init__(self, attack: Binned, oracle: Oracle) -> None:
        """Ask for the bias, both ends of every number and all values of every category, in one call."""
        access = oracle.access
        inputs = access.inputs
        self._oracle, self._categories = oracle, inputs.categories
        self._exact = access.precision == "float64" and access.decimals is None
        self._alike = _ALIKE[access.precision] if access.decimals is None else 10.0**-access.decimals
        self._wide = (inputs.high - inputs.low) / _COARSE
        finest = 4 * np.spacing(np.maximum(np.abs(inputs.low), np.abs(inputs.high)))
        self._width = np.maximum(attack.resolution * (inputs.high - inputs.low) / 2, finest)
        self._linear = np.zeros(len(inputs.low), bool)
        self._alone: set[tuple[int, float]] = set()
        values = [
            np.arange(count, dtype=float) if count else np.array([low, high])
            for low, high, count in zip(inputs.low, inputs.high, inputs.categories, strict=True)
        ]
        feature, value = np.repeat(np.arange(len(values)), [len(some) for some in values]), np.concatenate(values)
        queries = np.full((1 + len(feature), len(values)), np.nan)
        queries[np.arange(1, len(queries)), feature] = value
        score = _score(oracle(queries))
        self._bias, self._probe = score[0], Probes(feature, value, score[1:] - score[0])

    @property
    def undecided(self) -> int:
        """How many edges lie in gaps that are still too wide."""
        return len(self._gaps())

    def bisect(self) -> bool:
        """Ask for the middle of every undecided gap; False where there is none."""
        gaps = self._gaps()
        if not len(gaps):
            return False
        probe = self._probe
        feature, middle = probe.feature[gaps], (probe.value[gaps] + probe.value[gaps + 1]) / 2
        narrow = np.diff(probe.value)[gaps] <= self._wide[feature]
        separate = np.array([(f, m) in self._alone for f, m in zip(feature.tolist(), middle.tolist(), strict=True)])
        joint = np.flatnonzero(narrow & ~separate & self._exact)
        groups = [*_groups(feature, joint), *np.setdiff1d(np.arange(len(gaps)), joint)[:, None]]
        queries = np.full((len(groups), len(self._categories)), np.nan)
        for query, group in zip(queries, groups, strict=True):
            query[feature[group]] = middle[group]
        scores = _score(self._oracle(queries)) - self._bias
        splits = [self._split(gaps[group], score) for group, score in zip(groups, scores, strict=True)]
        for group, score in zip(groups, splits, strict=True):
            if score is None:
                self._alone.update(zip(feature[group].tolist(), middle[group].tolist(), strict=True))
            else:
                self._probe = self._probe.merge(Probes(feature[group], middle[group], score))
        self._straighten()
        return True

    def _gaps(self) -> Int[np.ndarray, "gap"]:
        """The probes after which an edge lies in a gap that is too wide."""
        feature, gap = self._probe.feature[:-1], np.diff(self._probe.value)
        numeric = (self._categories[feature] == 0) & ~self._linear[feature]
        return np.flatnonzero(self._differ() & numeric & (gap > self._width[feature]))

    def _differ(self) -> Bool[np.ndarray, "gap"]:
        """Whether neighbouring probes of one feature are answered differently."""
        confidence = softmax(self._probe.score + self._bias, axis=1)
        apart = np.abs(np.diff(confidence, axis=0)).max(axis=1, initial=0.0) > self._alike
        return apart & (np.diff(self._probe.feature) == 0)

    def _split(self, gaps: Int[np.ndarray, "gap"], score: Float[np.ndarray, "cls"]) -> np.ndarray | None:
        """Float["gap cls"], the score of each gap's middle, given their sum; None if that is no sum of their ends."""
        if len(gaps) == 1:
            return score[None]
        sides = np.arange(2 ** len(gaps))[:, None] >> np.arange(len(gaps)) & 1
        below, above = self._probe.score[gaps], self._probe.score[gaps + 1]
        off = np.abs(sides @ (above - below) + below.sum(axis=0) - score).max(axis=1)
        best, second = np.argsort(off)[:2]
        if off[best] > _SUM or off[second] < 10 * _SUM:
            return None
        return np.where(sides[best, :, None] > 0, above, below)

    def _straighten(self) -> None:
        """Mark the numbers that are not cut into bins: the middle scores halfway between ends that differ."""
        probe = self._probe
        count = np.bincount(probe.feature, minlength=len(self._categories))
        start = np.searchsorted(probe.feature, np.flatnonzero((count == 3) & (self._categories == 0)))
        low, middle, high = (softmax(probe.score[start + place] + self._bias, axis=1) for place in range(3))
        straight = softmax((probe.score[start] + probe.score[start + 2]) / 2 + self._bias, axis=1)
        halfway = (np.abs(middle - straight).max(axis=1) <= self._alike) & (
            np.abs(high - low).max(axis=1) > 16 * self._alike
        )
        self._linear[probe.feature[start[halfway]]] = True

    def bins(self) -> Bins:
        """The pipeline: an edge in the middle of every gap that holds one, and each bin's first score."""
        probe, differ = self._probe, self._differ()
        slopes = np.zeros((len(self._categories), probe.score.shape[1]))
        edges, weights = [], []
        for feature, count in enumerate(self._categories):
            own = np.flatnonzero(probe.feature == feature)
            cuts = np.zeros(0, int) if count or self._linear[feature] else own[:-1][differ[own[:-1]]]
            edges.append((probe.value[cuts] + probe.value[cuts + 1]) / 2)
            weight = probe.score[own] if count else probe.score[np.append(own[0], cuts + 1)]
            if self._linear[feature]:
                rise, run = (values[own[-1]] - values[own[0]] for values in (probe.score, probe.value))
                slopes[feature] = rise / run
                weight = weight - probe.value[own[0]] * slopes[feature]
            weights.append(weight)
        return Bins(tuple(edges), tuple(weights), slopes, self._bias)


def _groups(feature: Int[np.ndarray, "gap"], joint: Int[np.ndarray, "joint"]) -> list[Int[np.ndarray, "_member"]]:
    """The gaps of each joint query: of every feature at most one."""
    rank = np.zeros(len(joint), int)
    for one in np.unique(feature[joint]):
        own = feature[joint] == one
        rank[own] = np.arange(own.sum())
    rows = [joint[rank == number] for number in range(rank.max(initial=-1) + 1)]
    return [row[at : at + _TOGETHER] for row in rows for at in range(0, len(row), _TOGETHER)]


def _score(answer: Answer) -> Float[np.ndarray, "query cls"]:
    score = log_probability(answer)
    return score - score.mean(axis=1, keepdims=True)
