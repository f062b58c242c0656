"""Extraction of a regression behind bins and one-hot blocks, by partial queries (Tramèr et al. 2016, section 6.2).

The victim cuts each number into bins and gives every bin and every category a weight of its own, or takes it as it is,

    ln p = b + sum over features of (w[feature, bin of x] + v[feature] x) + a shift shared by all classes,

and what a record does not give adds nothing. So a query of one feature alone reads one bin's weights, and the empty query the
bias. Bins are found by bisection between values that are answered differently, all features in one call a round; two values
that are answered alike are taken to lie in one bin. Where two bins have the very same weights, as those with the same few records
of each class have, others between them may be missed, and what was stolen is then not verified.
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

from jaxattack.attacks.extraction.asking import log_probability, widths
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
    """Values of single features and their scores, ln p of zero mean over classes less the bias; by feature, then by value."""

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
        search = _Search(self.resolution, oracle)
        reason, count, rounds = "", 0, int(np.ceil(np.log2(2 / self.resolution)))
        try:
            while len(gaps := search.gaps()):
                search.bisect(gaps)
                count += 1
                theft.report("bisections", min(count, rounds), rounds)
        except BudgetSpent as refusal:
            reason = f"{refusal} {len(search.gaps())} edges are not yet found to within the resolution."
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

    def __init__(self, resolution: float, oracle: Oracle) -> None:
        """Ask for the bias, both ends of every number and all values of every category, in one call."""
        access, inputs = oracle.access, oracle.access.inputs
        self._oracle, self._numeric = oracle, inputs.categories == 0
        self._exact = access.precision == "float64" and access.decimals is None
        self._alike = _ALIKE[access.precision] if access.decimals is None else 10.0**-access.decimals
        self._wide = (inputs.high - inputs.low) / _COARSE
        self._width = widths(inputs, resolution / 2)
        self._linear = np.zeros(len(inputs.low), bool)
        self._alone: set[tuple[int, float]] = set()
        values = [
            np.arange(count, dtype=float) if count else np.array([low, high])
            for low, high, count in zip(inputs.low, inputs.high, inputs.categories, strict=True)
        ]
        feature, value = np.repeat(np.arange(len(values)), [len(some) for some in values]), np.concatenate(values)
        score = self._ask([np.zeros(0, int), *np.arange(len(feature))[:, None]], feature, value)
        self._bias, self._probe = score[0], Probes(feature, value, score[1:] - score[0])

    def _ask(self, groups: list[np.ndarray], feature: np.ndarray, value: np.ndarray) -> Float[np.ndarray, "query cls"]:
        """The score, of zero mean over classes, of a query for each group of values, which gives nothing else."""
        queries = np.full((len(groups), len(self._numeric)), np.nan)
        for query, group in zip(queries, groups, strict=True):
            query[feature[group]] = value[group]
        score = log_probability(self._oracle(queries))
        return score - score.mean(axis=1, keepdims=True)

    def gaps(self) -> Int[np.ndarray, "gap"]:
        """The probes after which an edge lies in a gap that is too wide."""
        feature, gap = self._probe.feature[:-1], np.diff(self._probe.value)
        numeric = self._numeric[feature] & ~self._linear[feature]
        return np.flatnonzero(self._differ() & numeric & (gap > self._width[feature]))

    def bisect(self, gaps: Int[np.ndarray, "gap"]) -> None:
        """Ask for the middle of every gap."""
        probe = self._probe
        feature, middle = probe.feature[gaps], (probe.value[gaps] + probe.value[gaps + 1]) / 2
        keys = list(zip(feature.tolist(), middle.tolist(), strict=True))
        separate = np.array([key in self._alone for key in keys])
        joint = np.flatnonzero((np.diff(probe.value)[gaps] <= self._wide[feature]) & ~separate & self._exact)
        groups = [*_groups(feature, joint), *np.setdiff1d(np.arange(len(gaps)), joint)[:, None]]
        for group, score in zip(groups, self._ask(groups, feature, middle) - self._bias, strict=True):
            sides = (
                score[None]
                if len(group) == 1
                else _split(probe.score[gaps[group]], probe.score[gaps[group] + 1], score)
            )
            if sides is None:
                self._alone.update(keys[member] for member in group)
            else:
                self._probe = self._probe.merge(Probes(feature[group], middle[group], sides))
        self._mark_linear()

    def _differ(self) -> Bool[np.ndarray, "gap"]:
        """Whether neighbouring probes of one feature are answered differently."""
        confidence = softmax(self._probe.score + self._bias, axis=1)
        apart = np.abs(np.diff(confidence, axis=0)).max(axis=1, initial=0.0) > self._alike
        return apart & (np.diff(self._probe.feature) == 0)

    def _mark_linear(self) -> None:
        """Mark the numbers that are not cut into bins: the middle scores halfway between ends that differ."""
        feature, _, score = self._probe
        count = np.bincount(feature, minlength=len(self._numeric))
        start = np.searchsorted(feature, np.flatnonzero((count == 3) & self._numeric))
        ends = score[start], score[start + 2]
        low, middle, high, straight = (
            softmax(part + self._bias, axis=1) for part in (ends[0], score[start + 1], ends[1], (ends[0] + ends[1]) / 2)
        )
        halfway = np.abs(middle - straight).max(axis=1) <= self._alike
        self._linear[feature[start[halfway & (np.abs(high - low).max(axis=1) > 16 * self._alike)]]] = True

    def bins(self) -> Bins:
        """The pipeline: an edge in the middle of every gap that holds one, and each bin's first score."""
        probe, differ = self._probe, self._differ()
        slopes = np.zeros((len(self._numeric), probe.score.shape[1]))
        edges, weights = [], []
        for feature, numeric in enumerate(self._numeric):
            own = np.flatnonzero(probe.feature == feature)
            cuts = own[:-1][differ[own[:-1]]] if numeric and not self._linear[feature] else own[:0]
            edges.append((probe.value[cuts] + probe.value[cuts + 1]) / 2)
            weight = probe.score[np.append(own[0], cuts + 1)] if numeric else probe.score[own]
            if self._linear[feature]:
                rise, run = (values[own[-1]] - values[own[0]] for values in (probe.score, probe.value))
                slopes[feature] = rise / run
                weight = weight - probe.value[own[0]] * slopes[feature]
            weights.append(weight)
        return Bins(tuple(edges), tuple(weights), slopes, self._bias)


def _split(
    below: Float[np.ndarray, "gap cls"], above: Float[np.ndarray, "gap cls"], score: Float[np.ndarray, "cls"]
) -> Float[np.ndarray, "gap cls"] | None:
    """The score of each gap's middle, that of one of its ends, given their sum; None if no choice has that sum alone."""
    sides = np.arange(2 ** len(below))[:, None] >> np.arange(len(below)) & 1
    off = np.abs(sides @ (above - below) + below.sum(axis=0) - score).max(axis=1)
    best, second = np.argsort(off)[:2]
    if off[best] > _SUM or off[second] < 10 * _SUM:
        return None
    return np.where(sides[best, :, None] > 0, above, below)


def _groups(feature: Int[np.ndarray, "gap"], joint: Int[np.ndarray, "joint"]) -> list[Int[np.ndarray, "_member"]]:
    """The gaps of each joint query: of every feature at most one."""
    own = feature[joint]
    rank = np.arange(len(joint)) - np.searchsorted(own, own)
    rows = [joint[rank == number] for number in range(rank.max(initial=-1) + 1)]
    return [row[at : at + _TOGETHER] for row in rows for at in range(0, len(row), _TOGETHER)]
