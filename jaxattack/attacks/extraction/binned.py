"""Extraction of a regression behind bins and one-hot blocks, by partial queries (Tramèr et al. 2016, section 6.2).

The victim cuts each number into bins and gives every bin and every category a weight of its own, or takes it as it is,

    ln p = b + sum over features of (w[feature, bin of x] + v[feature] x) + a shift shared by all classes,

and what a record does not give adds nothing. So a query of one feature alone reads one bin's weights, and the empty query the
bias. Bins are found by bisection between values that are answered differently, all features in one call a round; two values
that are answered alike are taken to lie in one bin. A number whose probes score on one line is not cut into bins.

Two bins with the very same weights hide the bins between them from bisection. So all numbers are also asked together in the
middle of each sixteenth of their ranges, in a random order; a query that does not score what was stolen is asked again one
number at a time, and bisection goes on. That finds every bin as wide as a sixteenth; narrower ones may be missed between
bins that are answered alike, or if both ends and all that was asked between them are, and `doubt` says so.

The paper asks one feature at a time. Once the weights on both sides of an edge are known, a query only has to tell on which
side its value lies, and the sum over several features tells it of all of them, for other sides have other sums: one query
bisects edges of up to eight features. Sums are told apart if the victim answers in float64 and does not round; of any other
victim each number is asked alone, also in the middle of gaps wider than a sixteenth.

Cost: 17 + (values of the categories) + about 3 (edges of the bins) + (edges of the feature that has most) * log2(range / 16 /
resolution) queries, in as many calls as bisections. Everything is up to a shift shared by the classes, taken as zero mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import pdist
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import log_probability, widths
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import (
    EPSILON,
    NUMBERS,
    Access,
    Answer,
    BudgetSpent,
    Draft,
    InputError,
    Oracle,
    config,
)

_COARSE = 16
"""Gaps wider than the range over this are asked alone, for they may hold several edges; no wider bin is missed. Of 48 regressions on six tables,
in 5 and 10 bins, all find every edge with 8 and 32, from 2% fewer and 9% more queries."""

_TOGETHER = 8
"""Edges that one query bisects at most: two to this power sums are told apart. Of the 48 4 takes 34% more queries, 12 4% fewer and
a third more time."""

_SUM = 1e-9
"""How close a score must come to a sum of weights, in float64; the next best is to be ten times farther, and may be as far or 100 times. Of the
48 as many queries from 1e-11 to 1e-8; of half of them 1e-5 takes 12% more, and one is not complete."""


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
        resolution: how closely edges are found, as a share of half a feature's range; of the range 5e-8, as close as float32's 6e-8.
            Ten times finer takes log2(10) more queries for each edge of the feature that has most.

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
            search.ask_together(theft.rng)
            while search.advance():
                count += 1
                theft.report("bisections", min(count, rounds), rounds)
            reason = search.doubt()
        except BudgetSpent as refusal:
            left = len(search.gaps()) or "Some"
            reason = f"{refusal} {left} edges are not yet found to within the resolution."
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
        # Confidences so near are one answer: of 24 thefts in bfloat16 137 edges are missed, with twice this 253, with half bins are told by the
        # rounding of float32. Of 48 in float64 and 24 in float32 no edge is missed from this to eight times as much.
        self._alike = EPSILON[access.precision] if access.decimals is None else 10.0**-access.decimals
        self._wide = (inputs.high - inputs.low) / _COARSE
        self._width = widths(inputs, resolution / 2)
        values = [
            np.arange(count, dtype=float) if count else np.array([low, high])
            for low, high, count in zip(inputs.low, inputs.high, inputs.categories, strict=True)
        ]
        feature, value = np.repeat(np.arange(len(values)), [len(some) for some in values]), np.concatenate(values)
        score = self._ask(1 + np.arange(len(feature)), feature, value)  # the first gives nothing
        self._bias, self._probe = score[0], Probes(feature, value, score[1:] - score[0])
        self._together, self._sums = np.zeros((0, len(values))), score[:0]
        self._line = 3  # probes that make a straight line

    def ask_together(self, rng: np.random.Generator) -> None:
        """Ask for all numbers at once in every part of their ranges; straight lines that explain the answers need no middles."""
        inputs = self._oracle.access.inputs
        feature = np.flatnonzero(self._numeric & (inputs.high > inputs.low))
        if not self._exact or not len(feature):
            return
        x = np.full((_COARSE, len(self._numeric)), np.nan)
        part = rng.permuted(np.tile(np.arange(_COARSE), (len(feature), 1)), axis=1).T
        x[:, feature] = inputs.low[feature] + (part + 0.5) * self._wide[feature]
        row, column = np.nonzero(~np.isnan(x))
        self._together, self._sums = x, self._ask(row, column, x[row, column])
        self._line = 2
        if len(self._unexplained()):
            self._line = 3

    def advance(self) -> bool:
        """Ask the next call; whether there was one to ask."""
        if len(gaps := self.gaps()):
            self._bisect(gaps)
        elif len(rows := self._unexplained()):
            x = self._together[rows[0]]
            feature = np.flatnonzero(~np.isnan(x))
            self._ask_alone(feature, x[feature])
            self._together, self._sums = (np.delete(part, rows[0], axis=0) for part in (self._together, self._sums))
        else:
            return False
        return True

    def _unexplained(self) -> Int[np.ndarray, "row"]:
        """Which queries of all numbers do not score what is known."""
        logit = self.bins().answer(self._together).logit
        assert logit is not None
        return np.flatnonzero(~(np.abs(logit - self._sums).max(axis=1, initial=0.0) <= _SUM))

    def doubt(self) -> str:
        """Why bins may be missed, though none is known of; empty where nothing speaks for it, as where no number is cut into any."""
        bins, hidden = self.bins(), []
        if not any(map(len, bins.edges)):
            return ""
        for feature in np.flatnonzero(self._numeric & (self._width < self._wide) & ~bins.slopes.any(axis=1)):
            answer = softmax(bins.weights[feature] + self._bias, axis=1)
            if len(answer) == 1 or pdist(answer, "chebyshev").min() <= self._alike:
                hidden.append(str(feature))
        return (
            f"numbers that are answered alike in places that are apart ({', '.join(hidden)}) may have other bins between "
            f"these, narrower than 1/{_COARSE} of the range."
            if hidden
            else ""
        )

    def _ask(
        self, query: Int[np.ndarray, "value"], feature: Int[np.ndarray, "value"], value: Float[np.ndarray, "value"]
    ) -> Float[np.ndarray, "query cls"]:
        """The score, of zero mean over classes, of queries that give these values and nothing else."""
        x = np.full((query.max(initial=-1) + 1, len(self._numeric)), np.nan)
        x[query, feature] = value
        score = log_probability(self._oracle(x))
        return score - score.mean(axis=1, keepdims=True)

    def _ask_alone(self, feature: Int[np.ndarray, "value"], value: Float[np.ndarray, "value"]) -> None:
        """Ask for each value by itself."""
        if len(feature):
            score = self._ask(np.arange(len(feature)), feature, value) - self._bias
            self._probe = self._probe.merge(Probes(feature, value, score))

    def gaps(self) -> Int[np.ndarray, "gap"]:
        """The probes after which a gap is too wide: one that holds an edge, or may hold several where sums tell nothing."""
        feature, gap = self._probe.feature[:-1], np.diff(self._probe.value)
        numeric = (self._numeric & ~self._straight())[feature] & (np.diff(self._probe.feature) == 0)
        hides = self._differ() & (gap > self._width[feature]) | (gap > self._wide[feature]) & (not self._exact)
        return np.flatnonzero(hides & numeric)

    def _bisect(self, gaps: Int[np.ndarray, "gap"]) -> None:
        """Ask for the middle of every gap, those of several features in one query; alone for those whose sum does not tell the sides."""
        probe = self._probe
        feature, middle = probe.feature[gaps], (probe.value[gaps] + probe.value[gaps + 1]) / 2
        joint = np.flatnonzero(self._exact & (np.diff(probe.value)[gaps] <= self._wide[feature]))
        rank = _ordinal(feature[joint])
        joint, rank = joint[np.argsort(rank, kind="stable")], np.sort(rank)
        query = -1 - np.arange(len(gaps))
        query[joint] = rank * len(gaps) + _ordinal(rank) // _TOGETHER
        query = np.unique(query, return_inverse=True)[1]
        score, known = (self._ask(query, feature, middle) - self._bias)[query], np.ones(len(gaps), bool)
        for group in (np.flatnonzero(query == one) for one in np.flatnonzero(np.bincount(query) > 1)):
            sides = _split(probe.score[gaps[group]], probe.score[gaps[group] + 1], score[group[0]])
            known[group] = sides is not None
            score[group] = np.nan if sides is None else sides
        self._probe = probe.merge(Probes(feature[known], middle[known], score[known]))
        self._ask_alone(feature[~known], middle[~known])

    def _differ(self) -> Bool[np.ndarray, "gap"]:
        """Whether neighbouring probes of one feature are answered differently."""
        confidence = softmax(self._probe.score + self._bias, axis=1)
        apart = np.abs(np.diff(confidence, axis=0)).max(axis=1, initial=0.0) > self._alike
        return apart & (np.diff(self._probe.feature) == 0)

    def _straight(self) -> Bool[np.ndarray, "feature"]:
        """The numbers that are not cut into bins: all probes lie on the line between ends that differ."""
        feature, value, score = self._probe
        number = np.arange(len(self._numeric))
        first, last = np.searchsorted(feature, number), np.searchsorted(feature, number, side="right") - 1
        run = np.maximum(value[last] - value[first], np.finfo(float).tiny)
        share = ((value - value[first][feature]) / run[feature])[:, None]
        line = (1 - share) * score[first][feature] + share * score[last][feature]
        there, straight = (softmax(part + self._bias, axis=1) for part in (score, line))
        bent = np.abs(there - straight).max(axis=1) > self._alike
        # Of a step the line is off by half its height.
        rises = np.abs(there[last] - there[first]).max(axis=1) > 2 * self._alike
        return self._numeric & rises & (last - first + 1 >= self._line) & (np.bincount(feature, bent) == 0)

    def bins(self) -> Bins:
        """The pipeline: an edge in the middle of every gap that holds one, and each bin's first score."""
        probe, differ, straight = self._probe, self._differ(), self._straight()
        slopes = np.zeros((len(self._numeric), probe.score.shape[1]))
        edges, weights = [], []
        for feature, numeric in enumerate(self._numeric):
            own = np.flatnonzero(probe.feature == feature)
            cuts = own[:-1][differ[own[:-1]]] if numeric and not straight[feature] else own[:0]
            edges.append((probe.value[cuts] + probe.value[cuts + 1]) / 2)
            weight = probe.score[np.append(own[0], cuts + 1)] if numeric else probe.score[own]
            if straight[feature]:
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


def _ordinal(value: Int[np.ndarray, "gap"]) -> Int[np.ndarray, "gap"]:
    """The place of each among those equal to it; they ascend."""
    return np.arange(len(value)) - np.searchsorted(value, value)
