"""Where to ask next between two points of a line whose answers differ: a line search for thresholds.

An interval is halved until it is as narrow as the tolerance. Two things make that cheaper. Thresholds lie halfway
between recorded values, and those have few decimals: as soon as an interval holds a single multiple of a half, of a
twentieth or of a two-hundredth, that number is tried from both sides, and a hit ends the search. A feature on which a
kind of number was missed too often is not tried with it again. And as calls run short the few intervals that are still
open are cut into more than two parts, at the price of more queries a bit.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.trees.region import Region

_STEPS = (0.5, 0.05, 0.005)
"""Thresholds are tried at multiples of these."""

_BRACKET = -1.0
"""Stands for a threshold that was found elsewhere, among the steps."""

_MISSES = 3
"""How often a step may miss on a feature before it is dropped; each hit makes up for one miss."""

_SECTIONS = 8
"""Into how many parts an interval is cut at most."""

_SPARE = 64
"""Points a call that may be spent on cutting intervals into more than two, when all calls are used up."""

_SINGLE = 2.0**-23
"""How far, relatively, a service that rounds its inputs to float32 may move a threshold."""


class LineSearch:
    """Chooses points, and remembers which numbers were hit."""

    def __init__(self, tolerance: Float[np.ndarray, "feature"], usage: Callable[[], float]) -> None:
        """Nothing learnt yet.

        Args:
            tolerance: the width at which an interval is narrow enough, by feature.
            usage: the share of the calls that is used up.
        """
        self.tolerance = tolerance
        self._usage = usage
        self._misses: Counter[tuple[int, float]] = Counter()
        self._brackets: dict[int, list[tuple[float, float]]] = defaultdict(list)

    def points(
        self, feature: int, below: float, above: float, intervals: int
    ) -> tuple[Float[np.ndarray, "point"], float]:
        """Points inside an interval, in order, and the step of the number tried; 0 where none is.

        Args:
            feature: along which the line runs.
            below: its lower end.
            above: its upper end.
            intervals: how many intervals are open altogether.
        """
        bracket = self._nearest_bracket(feature, below, above)
        if bracket is not None:
            return bracket, _BRACKET
        step = self._step(feature, below, above)
        if step:
            number = np.floor(above / step) * step
            margin = max(0.45 * self.tolerance[feature], _SINGLE * abs(number))
            if below < number - margin and number + margin < above:
                return np.array([number - margin, number + margin]), step
        parts = self.parts(intervals)
        return below + np.arange(1, parts) / parts * (above - below), 0.0

    def parts(self, intervals: int) -> int:
        """Into how many parts to cut each open interval: two while there are calls enough."""
        usage = self._usage()
        return int(np.clip(1 + max(_SPARE * usage**2 / intervals, 10 * usage - 3), 2, _SECTIONS))

    def learn(self, feature: int, step: float, hit: bool) -> None:
        """Whether a number that was tried was the threshold."""
        self._misses[feature, step] += -1 if hit else 1

    def record(self, feature: int, below: float, above: float) -> None:
        """A threshold lies between these."""
        brackets = self._brackets[feature]
        place = bisect_left(brackets, (below, above))
        near = brackets[max(place - 1, 0) : place + 1]
        if all(high <= below or above <= low for low, high in near):
            brackets.insert(place, (below, above))

    def between(self, region: Region, feature: int) -> Float[np.ndarray, "end"]:
        """Both ends of every bracket found inside a region, in order."""
        low, high = region.low[feature], region.high[feature]
        return np.array([end for pair in self._brackets[feature] if low < pair[0] and pair[1] < high for end in pair])

    def _nearest_bracket(self, feature: int, below: float, above: float) -> np.ndarray | None:
        """The threshold found before that is nearest to the middle of the interval; None where there is none inside."""
        if self._misses[feature, _BRACKET] >= _MISSES:
            return None
        brackets = self._brackets[feature]
        first, last = bisect_right(brackets, (below, np.inf)), bisect_left(brackets, (above, -np.inf))
        if last > first and brackets[last - 1][1] >= above:
            last -= 1
        if last <= first:
            return None
        place = bisect_left(brackets, ((below + above) / 2, -np.inf), first, last)
        near = brackets[max(place - 1, first) : min(place + 1, last)]
        return np.array(min(near, key=lambda bracket: abs(sum(bracket) - below - above)))

    def _step(self, feature: int, below: float, above: float) -> float:
        """The step of which the interval holds a single multiple; 0 for none."""
        for step in _STEPS:
            multiples = np.floor(above / step) - np.floor(below / step)
            if multiples > 0 and self._misses[feature, step] < _MISSES:
                return step if multiples == 1 else 0.0
        return 0.0
