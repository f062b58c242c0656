"""Where answers change inside a region: walks from corner to corner, and line searches along single features.

1. A walk from a corner to the opposite one, a feature at a time; by bisection over the order of the features it finds
   every feature whose change changes the answer. Every numeric cut of the victim that divides the region is crossed.
2. Along each of those features a line search, by bisection to eps, finds every place where the answer changes; along a
   categorical feature every category is asked.

Two things make line searches cheaper. Thresholds found elsewhere on a feature are tried first. And thresholds lie halfway
between recorded values, which have few decimals: as soon as an interval holds a single multiple of a half, of a
twentieth or of a two-hundredth, that number is tried from both sides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
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

Ask = Callable[[np.ndarray], Search[np.ndarray]]
"""The search ``identity = yield from ask(rows)``."""

Points = Callable[[float, float], np.ndarray]
"""Points inside an interval; none where it is narrow."""


class NoTree(InputError):
    """Answers that change everywhere along a line."""


def changes(
    ask: Ask,
    interval: Iterable[float],
    answers: Iterable[Any],
    points: Points,
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
        probes = [(part, points(part[0], part[1])) for part in pending]
        narrow += [(part[0], part[1]) for part, inside in probes if not len(inside)]
        probes = [probe for probe in probes if len(probe[1])]
        identities = (yield from ask(np.concatenate([inside for _, inside in probes]))) if probes else []
        pending = []
        for (below, above, left, right), inside in probes:
            place, identity = [below, *inside, above], [left, *identities[: len(inside)], right]
            identities = identities[len(inside) :]
            parts = zip(place, place[1:], identity, identity[1:], strict=False)
            pending += [part for part in parts if part[2] != part[3]]
    return sorted(narrow)


class CutSearch:
    """Searches for cuts, which share what is known of thresholds.

    Args:
        tolerance: how narrow an interval is enough.
        rng: chooses orders and corners.
    """

    def __init__(self, tolerance: Float[np.ndarray, "feature"], rng: np.random.Generator) -> None:
        self.rng, self._tolerance = rng, tolerance
        self._brackets: dict[int, list[tuple[float, float]]] = defaultdict(list)

    def bracket(self, cut: Cut) -> Cut:
        """The threshold already found between the two sides of a cut, if there is one, else the cut."""
        known = self._known(cut.feature, cut.below, cut.above)
        return replace(cut, below=known[0][0], above=known[0][1]) if known else cut

    def scatter(self, region: Region, count: int) -> Float[np.ndarray, "query feature"]:
        """Rows that reach what uniform ones seldom do: ends of the region, and the spaces between known thresholds."""
        rows = region.draw(count, self.rng)
        for feature in np.flatnonzero(~region.categorical & (region.low < region.high)).tolist():
            low, high = region.low[feature], region.high[feature]
            edges = np.array([low, *np.ravel(self._known(feature, low, high)), high])
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

        def middle(fewer: float, more: float) -> np.ndarray:
            half = (fewer + more) // 2
            return np.array([half] if half > fewer else [])

        steps = yield from changes(lambda counts: ask(row_at(counts)), (0, len(order)), answers, middle)
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

        def ask(points: np.ndarray) -> Search[np.ndarray]:
            return (yield from transcript.ask(along(context, feature, points)))

        if region.categorical[feature]:
            codes = region.values(feature)
            return category_cuts(context, feature, codes, (yield from ask(codes)), region.allowed.shape[1])
        if len(values) < 2:
            return []
        narrow = yield from changes(
            ask,
            values,
            (yield from ask(values)),
            lambda below, above: self._points(feature, below, above),
        )
        return [Cut(feature=feature, context=context, below=below, above=above) for below, above in narrow]

    def record(self, feature: int, below: float, above: float) -> None:
        """A threshold lies between these."""
        brackets = self._brackets[feature]
        place = bisect_left(brackets, (below, above))
        if all(high <= below or above <= low for low, high in brackets[max(place - 1, 0) : place + 1]):
            brackets.insert(place, (below, above))

    def _known(self, feature: int, low: float, high: float) -> list[tuple[float, float]]:
        """Between which numbers the thresholds found before lie, of those inside an interval, in order."""
        brackets = self._brackets[feature]
        inside = brackets[bisect_left(brackets, (low, -np.inf)) : bisect_left(brackets, (high, -np.inf))]
        return [bracket for bracket in inside if bracket[1] <= high]

    def _points(self, feature: int, below: float, above: float) -> np.ndarray:
        """`Points` on a line: a threshold found before, a number of few decimals, or the middle."""
        if above - below <= self._tolerance[feature]:
            self.record(feature, below, above)
            return np.empty(0)
        if known := self._known(feature, below, above):
            return np.array(min(known, key=lambda bracket: abs(sum(bracket) - below - above)))
        for step in _STEPS:
            number = np.floor(above / step) * step
            if number > below:
                # Together the margins are less than the tolerance, so that a hit ends the search; but a service that rounds its
                # inputs to float32 moves the threshold, and without the second 22% more queries are asked.
                margin = max(0.45 * self._tolerance[feature], EPSILON["float32"] * abs(number))
                if number - step <= below < number - margin and number + margin < above:
                    return np.array([number - margin, number + margin])
                break
        return np.array([(below + above) / 2])
