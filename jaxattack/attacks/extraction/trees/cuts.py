"""Where answers change inside a region: walks from corner to corner, and line searches along single features.

1. A walk from a corner to the opposite one, a feature at a time; by bisection over the order of the features it finds
   every feature whose change changes the answer. Every numeric cut of the victim that divides the region is crossed.
2. Along each of those features a line search, by bisection to eps, finds every place where the answer changes; along a
   categorical feature every category is asked.

Two things make line searches cheaper. Thresholds found elsewhere on a feature are tried first. And thresholds lie halfway
between recorded values, which have few decimals: as soon as an interval holds a single multiple of a half, of a
twentieth or of a two-hundredth, that number is tried from both sides. On a feature where a kind of number was missed too
often it is not tried again. As calls run short, from six tenths on, intervals are cut into more parts than two.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.trees.region import Cut, Region, along, category_cuts
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.attacks.search.lockstep import Search, together
from jaxattack.types import EPSILON, InputError

CELLS = 1024
"""Pieces that the answers along one line may have; a function with more is no tree, and would be asked at each of 2^27 places.

Of 48 thefts of 24 trees, 8 to 60 leaves on seven tables, each by complete and by partial queries, 45 are complete. With half or twice
as many pieces so are the same, from as many queries. What is said below is of these thefts.
"""

_STEPS = (0.5, 0.05, 0.005)
"""Thresholds are tried at multiples of these: of none 44 from 13% more queries, of the first one and two 46 and 44 from 3% and 4%
more, of a fourth, .0005, 45 from 3% fewer."""

_BRACKET = -1.0
"""Stands for a threshold that was found elsewhere, among the steps."""

_MISSES = 3
"""How often a step may miss on a feature before it is dropped; each hit makes up for one miss. One 43, 3% more; two 45, 3% more;
six 45, as many."""

_SECTIONS = 8
"""Into how many parts an interval is cut at most. 4 and 16 as many queries; of 11 thefts, some within 60 calls, halves alone take 20%
fewer queries and 17% more calls, 8 are complete either way, and one more is wrong.
"""

Ask = Callable[[np.ndarray], Search[np.ndarray]]
"""The search ``identity = yield from ask(rows)``."""

Points = Callable[[float, float], tuple[np.ndarray, float]]
"""Points inside an interval, none where it is narrow, and the step of the number tried, or 0."""


class NoTree(InputError):
    """Answers that change everywhere along a line."""


def changes(
    ask: Ask,
    row_at: Callable[[np.ndarray], np.ndarray],
    interval: Iterable[float],
    answers: Iterable[Any],
    points: Points,
    learn: Callable[[float, bool], None] | None = None,
) -> Search[list[tuple[float, float]]]:
    """The narrow intervals at whose ends answers differ, in order, by bisection of one whose answers are known.

    Raises:
        NoTree: there are more than `CELLS`.
    """
    (low, high), (first, last) = interval, answers
    pending: list[tuple[float, float, Any, Any]] = [(low, high, first, last)] if first != last else []
    narrow: list[tuple[float, float]] = []
    while pending:
        if len(pending) > CELLS:
            raise NoTree("The answers change everywhere along a line: the victim is no tree.")
        probes = [(part, *points(part[0], part[1])) for part in pending]
        narrow += [(part[0], part[1]) for part, inside, _ in probes if not len(inside)]
        probes = [probe for probe in probes if len(probe[1])]
        identities = (yield from ask(row_at(np.concatenate([inside for _, inside, _ in probes])))) if probes else []
        pending = []
        for (below, above, left, right), inside, step in probes:
            place, identity = [below, *inside, above], [left, *identities[: len(inside)], right]
            identities = identities[len(inside) :]
            if learn and step:
                learn(step, identity[0] == identity[1] != identity[2] == identity[3])
            parts = zip(place, place[1:], identity, identity[1:], strict=False)
            pending += [part for part in parts if part[2] != part[3]]
    return sorted(narrow)


class CutSearch:
    """Searches for cuts, which share what is known of thresholds.

    Args:
        tolerance: how narrow an interval is enough.
        rng: chooses orders and corners.
        usage: the share of the calls that is used up.
    """

    def __init__(
        self, tolerance: Float[np.ndarray, "feature"], rng: np.random.Generator, usage: Callable[[], float]
    ) -> None:
        self.rng, self._usage, self._tolerance = rng, usage, tolerance
        self._misses: Counter[tuple[int, float]] = Counter()
        self._brackets: dict[int, list[tuple[float, float]]] = defaultdict(list)

    def bracket(self, region: Region, cut: Cut) -> Cut:
        """The threshold already found between the two sides of a cut, if there is one, else the cut."""
        for below, above in self._inside(region, cut.feature):
            if cut.below <= below and above <= cut.above:
                return replace(cut, below=below, above=above)
        return cut

    def scatter(self, region: Region, count: int) -> Float[np.ndarray, "query feature"]:
        """Rows that reach what uniform ones seldom do: ends of the region, and the spaces between known thresholds."""
        rows = region.draw(count, self.rng)
        for feature in np.flatnonzero(~region.categorical & (region.low < region.high)).tolist():
            known = np.ravel(self._inside(region, feature))
            edges = np.array([region.low[feature], *known, region.high[feature]])
            cell = 2 * self.rng.integers(len(edges) // 2, size=count)
            # Half at an end: of 22 thefts 21 are complete, from 2% more queries where all are; 20 from 1% fewer where none is.
            share = (self.rng.random(count) * 2 - 0.5).clip(0, 1)
            rows[:, feature] = edges[cell] + share * (edges[cell + 1] - edges[cell])
        return rows

    def path(
        self,
        ask: Ask,
        start: Float[np.ndarray, "feature"],
        end: Float[np.ndarray, "feature"],
        features: Int[np.ndarray, "change"],
        answers: Iterable[Any],
    ) -> Search[list[tuple[np.ndarray, int]]]:
        """The features that change the answer from one row to another, taken over one at a time, and the row before each."""
        order = self.rng.permutation(features)
        rank = np.full(len(start), len(order))
        rank[order] = np.arange(len(order))

        def row_at(counts: np.ndarray) -> np.ndarray:
            return np.where(rank < counts[:, None], end, start)

        def middle(fewer: float, more: float) -> tuple[np.ndarray, float]:
            half = (fewer + more) // 2
            return np.array([half] if half > fewer else []), 0.0

        steps = yield from changes(ask, row_at, (0, len(order)), answers, middle)
        return [(row_at(np.array([step]))[0], int(order[int(step)])) for step, _ in steps]

    def walk(self, transcript: Transcript) -> Search[tuple[Cut, ...]]:
        """Every cut along the features at which the answer changes on a walk from a corner to the opposite one."""
        start, end = transcript.corners(self.rng)
        first, last = yield from transcript.ask(np.stack([start, end]))
        if first == last:
            other = transcript.take(transcript.identity != first)
            farthest = ((other.rows != start) & transcript.present).sum(axis=1).argmax()
            end, last = other.rows[farthest], other.identity[farthest]
        features = np.flatnonzero(transcript.present & (start != end))
        steps = yield from self.path(transcript.ask, start, end, features, (first, last))
        ends = np.sort([start, end], axis=0).T
        lines = [self.line(transcript, row, feature, ends[feature]) for row, feature in steps]
        return tuple(cut for cuts in (yield from together(lines)) for cut in cuts)

    def line(
        self,
        transcript: Transcript,
        context: Float[np.ndarray, "feature"],
        feature: int,
        values: Float[np.ndarray, "_end"],
    ) -> Search[list[Cut]]:
        """Every place where the answer changes along one feature, between two values or over all categories."""
        region = transcript.region
        if region.categorical[feature]:
            codes = region.values(feature)
            identity = yield from transcript.ask(along(context, feature, codes))
            return category_cuts(context, feature, codes, identity, region.allowed.shape[1])
        if len(values) < 2:
            return []
        narrow = yield from changes(
            transcript.ask,
            lambda points: along(context, feature, points),
            values,
            (yield from transcript.ask(along(context, feature, values))),
            lambda below, above: self._points(feature, below, above),
            lambda step, hit: self._misses.update({(feature, step): -1 if hit else 1}),
        )
        return [Cut(feature=feature, context=context, below=below, above=above) for below, above in narrow]

    def record(self, feature: int, below: float, above: float) -> None:
        """A threshold lies between these."""
        brackets = self._brackets[feature]
        place = bisect_left(brackets, (below, above))
        if all(high <= below or above <= low for low, high in brackets[max(place - 1, 0) : place + 1]):
            brackets.insert(place, (below, above))

    def _inside(self, region: Region, feature: int) -> list[tuple[float, float]]:
        """The brackets of thresholds found inside a region, in order."""
        low, high = region.low[feature], region.high[feature]
        return [pair for pair in self._brackets[feature] if low < pair[0] and pair[1] < high]

    def _points(self, feature: int, below: float, above: float) -> tuple[np.ndarray, float]:
        """`Points` on a line: a threshold found before, a number of few decimals, or points at equal distances."""
        if above - below <= self._tolerance[feature]:
            self.record(feature, below, above)
            return np.empty(0), 0.0
        bracket = self._nearest_bracket(feature, below, above)
        if bracket is not None:
            return np.array(bracket), _BRACKET
        step = self._step(feature, below, above)
        if step:
            number = np.floor(above / step) * step
            # Together the margins are less than the tolerance, so that a hit ends the search; but a service that rounds its inputs
            # to float32 moves the threshold, and without the second 22% more queries are asked.
            margin = max(0.45 * self._tolerance[feature], EPSILON["float32"] * abs(number))
            if below < number - margin and number + margin < above:
                return np.array([number - margin, number + margin]), step
        parts = int(np.clip(10 * self._usage() - 3, 2, _SECTIONS))
        return below + np.arange(1, parts) / parts * (above - below), 0.0

    def _nearest_bracket(self, feature: int, below: float, above: float) -> tuple[float, float] | None:
        """The threshold found before that is nearest to the middle of the interval; None where there is none inside."""
        if self._misses[feature, _BRACKET] >= _MISSES:
            return None
        brackets, middle = self._brackets[feature], (below + above) / 2
        first, last = bisect_right(brackets, (below, np.inf)), bisect_left(brackets, (above, -np.inf))
        last -= last > first and brackets[last - 1][1] >= above
        place = bisect_left(brackets, (middle, -np.inf), first, last)
        near = brackets[max(place - 1, first) : min(place + 1, last)]
        return min(near, key=lambda bracket: abs(sum(bracket) - below - above), default=None)

    def _step(self, feature: int, below: float, above: float) -> float:
        """The step of which the interval holds a single multiple; 0 for none."""
        for step in _STEPS:
            multiples = np.floor(above / step) - np.floor(below / step)
            if multiples > 0 and self._misses[feature, step] < _MISSES:
                return step if multiples == 1 else 0.0
        return 0.0
