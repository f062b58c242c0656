"""Extraction of a regression behind bins and one-hot blocks, by partial queries (Tramèr et al. 2016, section 6.2).

The victim cuts each number into bins and gives every bin and every category a weight of its own,

    ln p = b + sum over features of w[feature, bin of x] + a shift shared by all classes,

and what a record does not give adds nothing. So a query of one feature alone reads one bin's weights, and the empty query the
bias. Bins are found by bisection between values that are answered differently, all features in one call a round; two values
that are answered alike lie in one bin, unless two bins have the very same weights, which are then the same to every caller.

Cost: 1 + (values of the categories) + about (edges of the bins) * log2(range / resolution) queries, in as many calls as
bisections. No system has to be solved. Everything is up to a shift shared by the classes, taken as zero mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import log_probability, require, too_small
from jaxattack.types import Access, Answer, BudgetSpent, Extraction, InputError, Level, Oracle, Precision, Progress

_ALIKE: dict[Precision, float] = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 1e-2}


class Bins(NamedTuple):
    """A stolen pipeline.

    Attributes:
        edges: of each feature, the ascending values at which a new bin starts; none for a category.
        weights: of each feature, Float["bin cls"], of zero mean over classes.
        bias: Float["cls"], of zero mean.
    """

    edges: tuple[Float[np.ndarray, "edge"], ...]
    weights: tuple[Float[np.ndarray, "bin cls"], ...]
    bias: Float[np.ndarray, "cls"]

    def answer(self, x: Float[np.ndarray, "query feature"]) -> Answer:
        """What the pipeline answers; NaN is a feature that is not given."""
        logit = np.tile(self.bias, (len(x), 1))
        for feature, (cuts, weight) in enumerate(zip(self.edges, self.weights, strict=True)):
            given = ~np.isnan(x[:, feature])
            value = x[given, feature]
            place = np.searchsorted(cuts, value, side="right") if len(cuts) else value.astype(int)
            logit[given] += weight[place.clip(0, len(weight) - 1)]
        return Answer(logit.argmax(axis=1).astype(np.int64), softmax(logit, axis=1), logit)


class Probes(NamedTuple):
    """Single-feature queries and their answers, by feature and then by value.

    Attributes:
        feature: Int["probe"].
        value: Float["probe"].
        score: Float["probe cls"], ln p of zero mean over classes, less the bias.
    """

    feature: Int[np.ndarray, "probe"]
    value: Float[np.ndarray, "probe"]
    score: Float[np.ndarray, "probe cls"]

    def joined(self, other: Probes) -> Probes:
        """Both, in order."""
        feature, value, score = (np.concatenate(parts) for parts in zip(self, other, strict=True))
        order = np.lexsort((value, feature))
        return Probes(feature[order], value[order], score[order])


@dataclass(frozen=True, kw_only=True)
class Binned:
    """Bins and weights of a regression behind one-hot blocks, from partial queries.

    Attributes:
        resolution: how closely edges are found, as a share of half a feature's range.

    Raises:
        InputError: a resolution outside 0 to 1.
    """

    resolution: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.resolution < 1:
            raise InputError(f"resolution is {self.resolution}: give a share between 0 and 1.")

    @property
    def name(self) -> str:
        """Its name in the registry and in reports."""
        return "binned"

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those with numbers."""
        return ("probability", "logit")

    @property
    def pool(self) -> bool:
        """It draws its own queries."""
        return False

    def needs(self, access: Access) -> int:
        """The empty query, each category, and both ends of each number; every bin edge is extra."""
        return 1 + int(np.where(access.inputs.categories > 0, access.inputs.categories, 2).sum())

    def __call__(
        self,
        oracle: Oracle,
        *,
        seed: int = 0,  # noqa: ARG002 - nothing is drawn at random
        pool: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> Extraction:
        """Steal the pipeline, as `ExtractionAttack`.

        Raises:
            InputError: an access level without numbers, a victim that needs every feature, or a budget below `needs`.
        """
        require(self, oracle, pool)
        inputs = oracle.access.inputs
        if not inputs.missing or len(inputs.shape) != 1:
            raise InputError(
                "binned asks for one feature at a time and this victim needs every feature: choose softmax."
            )
        before = oracle.ledger
        probe, bias = _first(self, oracle)
        tolerance = _ALIKE[oracle.access.precision] if oracle.access.decimals is None else 10.0**-oracle.access.decimals
        width = self.resolution * (inputs.high - inputs.low) / 2
        reason, rounds = "", int(np.ceil(np.log2(2 / self.resolution)))
        for number in range(rounds + 1):
            feature, value = _undecided(probe, bias, inputs.categories, width, tolerance)
            if not len(feature):
                break
            try:
                probe = probe.joined(_ask(oracle, feature, value, bias))
            except BudgetSpent as spent:
                reason = f"{spent} {len(feature)} edges are not yet found to within the resolution."
                break
            if progress:
                progress("bisections", min(number + 1, rounds), rounds)
        bins = _assembled(probe, bias, inputs.categories, tolerance)
        return Extraction(
            attack=self.name,
            stolen=bins,
            answer=bins.answer,
            cost=oracle.ledger - before,
            parameters={"bias": bins.bias, **{f"weight{number}": weight for number, weight in enumerate(bins.weights)}},
            complete=not reason,
            reason=reason,
            notes={"bins": [len(weight) for weight in bins.weights], "resolution": self.resolution},
        )


def _first(attack: Binned, oracle: Oracle) -> tuple[Probes, Float[np.ndarray, "cls"]]:
    """The bias, and both ends of every number and all values of every category, from one call."""
    inputs = oracle.access.inputs
    values = [
        np.arange(count, dtype=float) if count else np.array([low, high])
        for low, high, count in zip(inputs.low, inputs.high, inputs.categories, strict=True)
    ]
    feature = np.repeat(np.arange(len(values)), [len(some) for some in values])
    queries = np.full((1 + len(feature), len(values)), np.nan)
    queries[np.arange(1, len(queries)), feature] = np.concatenate(values)
    try:
        score = _score(oracle(queries))
    except BudgetSpent as spent:
        raise too_small(attack, oracle.access, spent) from spent
    return Probes(feature, np.concatenate(values), score[1:] - score[0]), score[0]


def _ask(
    oracle: Oracle, feature: Int[np.ndarray, "probe"], value: Float[np.ndarray, "probe"], bias: np.ndarray
) -> Probes:
    queries = np.full((len(feature), *oracle.access.inputs.shape), np.nan)
    queries[np.arange(len(feature)), feature] = value
    return Probes(feature, value, _score(oracle(queries)) - bias)


def _score(answer: Answer) -> Float[np.ndarray, "query cls"]:
    score = log_probability(answer)
    return score - score.mean(axis=1, keepdims=True)


def _differ(probe: Probes, bias: Float[np.ndarray, "cls"], tolerance: float) -> np.ndarray:
    """Bool["gap"]: whether neighbouring probes of one feature are answered differently."""
    confidence = softmax(probe.score + bias, axis=1)
    apart = np.abs(np.diff(confidence, axis=0)).max(axis=1, initial=0.0) > tolerance
    return apart & (np.diff(probe.feature) == 0)


def _undecided(
    probe: Probes, bias: np.ndarray, categories: np.ndarray, width: np.ndarray, tolerance: float
) -> tuple[Int[np.ndarray, "gap"], Float[np.ndarray, "gap"]]:
    """Feature and middle of every gap that holds an edge and is wider than the resolution."""
    feature, gap = probe.feature[:-1], np.diff(probe.value)
    wide = _differ(probe, bias, tolerance) & (categories[feature] == 0) & (gap > width[feature])
    return feature[wide], (probe.value[:-1] + gap / 2)[wide]


def _assembled(probe: Probes, bias: np.ndarray, categories: np.ndarray, tolerance: float) -> Bins:
    """The pipeline: an edge in the middle of every gap that holds one, and each bin's first score."""
    differ = _differ(probe, bias, tolerance)
    edges, weights = [], []
    for feature, count in enumerate(categories):
        own = np.flatnonzero(probe.feature == feature)
        cuts = np.zeros(0, int) if count else own[:-1][differ[own[:-1]]]
        edges.append((probe.value[cuts] + probe.value[cuts + 1]) / 2)
        weights.append(probe.score[own] if count else probe.score[np.append(own[0], cuts + 1)])
    return Bins(tuple(edges), tuple(weights), bias)
