"""Where answers change inside a region: walks from corner to corner, and line searches along single features.

1. A walk from a corner to the opposite one, a feature at a time; by bisection over the order of the features it finds
   every feature whose change changes the answer. Every numeric cut of the victim that divides the region is crossed.
2. Along each of those features a line search, by bisection to eps, finds every place where the answer changes; along a
   categorical feature every category is asked.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.trees.region import Cut, Region, category_cuts
from jaxattack.attacks.extraction.trees.threshold import LineSearch
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.attacks.search.lockstep import Search, together
from jaxattack.types import InputError

CELLS = 1024
"""Pieces that the answers along one line may have; a function with more is no tree."""


class NoTree(InputError):
    """Answers that change everywhere along a line."""


class CutSearch:
    """Searches for cuts; all that are open at one time share its account of open intervals.

    Attributes:
        rng: chooses orders and corners.
    """

    def __init__(self, line_search: LineSearch, rng: np.random.Generator) -> None:
        """Nothing found yet.

        Args:
            line_search: how closely a cut is bracketed, and by which queries.
            rng: chooses orders and corners.
        """
        self._line_search = line_search
        self.rng = rng
        self._intervals = 0

    def parts(self) -> int:
        """Into how many parts to cut one more interval."""
        return self._line_search.parts(self._intervals + 1)

    def bracket(self, region: Region, cut: Cut) -> Cut:
        """The threshold already found between the two sides of a cut, if there is one, else the cut."""
        ends = self._line_search.between(region, cut.feature)
        between = (ends >= cut.below) & (ends <= cut.above)
        pairs = np.flatnonzero(between[::2] & between[1::2])
        if not len(pairs):
            return cut
        return replace(cut, below=ends[2 * pairs[0]], above=ends[2 * pairs[0] + 1])

    def scatter(self, region: Region, count: int) -> Float[np.ndarray, "query feature"]:
        """Rows that reach what uniform ones seldom do: ends of the region, and the spaces between known thresholds."""
        rows = region.draw(count, self.rng)
        for feature in np.flatnonzero(~region.categorical & (region.low < region.high)).tolist():
            edges = np.array([region.low[feature], *self._line_search.between(region, feature), region.high[feature]])
            cell = 2 * self.rng.integers(len(edges) // 2, size=count)
            share = self.rng.random(count) * 2 - 0.5
            rows[:, feature] = edges[cell] + share.clip(0, 1) * (edges[cell + 1] - edges[cell])
        return rows

    def walk(
        self, region: Region, transcript: Transcript, present: Bool[np.ndarray, "feature"]
    ) -> Search[tuple[Cut, ...]]:
        """Every cut along the features at which the answer changes on a walk from a corner to the opposite one."""
        start, end = np.where(present, region.corners(self.rng), np.nan)
        first, last = yield from transcript.ask(np.stack([start, end]))
        if first == last:
            other = transcript.take(transcript.identity != first)
            end = other.farthest(start)
            last = other.identity[(other.rows == end)[:, present].all(axis=1)][0]
        order = self.rng.permutation(np.flatnonzero(present & (start != end)))
        identity = {0: int(first), len(order): int(last)}
        pending, steps = [(0, len(order))], []
        while pending:
            steps += [low for low, high in pending if high - low == 1]
            pending = [(low, high) for low, high in pending if high - low > 1]
            if not pending:
                break
            middles = [(low + high) // 2 for low, high in pending]
            answers = yield from transcript.ask(
                np.stack([_replace_features(start, end, order[:middle]) for middle in middles])
            )
            identity.update(zip(middles, answers.tolist(), strict=True))
            parts = [
                part
                for (low, high), middle in zip(pending, middles, strict=True)
                for part in ((low, middle), (middle, high))
            ]
            pending = [(low, high) for low, high in parts if identity[low] != identity[high]]
        lines = [
            self.line(
                transcript,
                _replace_features(start, end, order[:step]),
                feature,
                np.sort([start[feature], end[feature]]),
                region,
            )
            for step, feature in ((step, int(order[step])) for step in sorted(steps))
        ]
        return tuple(cut for cuts in (yield from together(lines)) for cut in cuts)

    def line(
        self,
        transcript: Transcript,
        context: Float[np.ndarray, "feature"],
        feature: int,
        values: Float[np.ndarray, "2"],
        region: Region,
    ) -> Search[list[Cut]]:
        """Every place where the answer changes along one feature."""
        if region.categorical[feature]:
            codes = region.values(feature)
            identity = yield from transcript.ask(along(context, feature, codes))
            return category_cuts(context, feature, codes, identity, region.allowed.shape[1])
        ends = yield from transcript.ask(along(context, feature, values))
        pending = [(values[0], values[-1], ends[0], ends[-1])] if ends[0] != ends[-1] else []
        tolerance = self._line_search.tolerance[feature]
        cuts = []
        while pending:
            narrow = [piece for piece in pending if piece[1] - piece[0] <= tolerance]
            for below, above, *_ in narrow:
                self._line_search.record(feature, below, above)
                cuts.append(Cut(feature=feature, context=context, below=below, above=above))
            pending = [piece for piece in pending if piece[1] - piece[0] > tolerance]
            if len(pending) > CELLS:
                raise NoTree(f"the answers change everywhere along feature {feature}: the victim is no tree.")
            if pending:
                self._intervals += len(pending)
                pieces = yield from self._section(transcript, context, feature, pending)
                self._intervals -= len(pending)
                pending = pieces
        return sorted(cuts, key=lambda cut: cut.below)

    def _section(self, transcript: Transcript, context, feature: int, pending: list[tuple]) -> Search[list[tuple]]:
        """One round of a line search: the parts at whose ends the answers differ."""
        probes = [self._line_search.points(feature, below, above, self._intervals) for below, above, *_ in pending]
        answers = yield from transcript.ask(along(context, feature, np.concatenate([points for points, _ in probes])))
        parts = []
        for (below, above, left, right), (points, step) in zip(pending, probes, strict=True):
            place = [below, *points, above]
            identity = [left, *answers[: len(points)], right]
            answers = answers[len(points) :]
            if step:
                self._line_search.learn(feature, step, identity[0] == identity[1] != identity[2] == identity[3])
            parts += zip(place, place[1:], identity, identity[1:], strict=False)
        return [part for part in parts if part[2] != part[3]]


def _replace_features(start: np.ndarray, end: np.ndarray, features: np.ndarray) -> Float[np.ndarray, "feature"]:
    row = start.copy()
    row[features] = end[features]
    return row


def along(
    context: Float[np.ndarray, "feature"], feature: int, values: np.ndarray
) -> Float[np.ndarray, "value feature"]:
    """Records that differ from a context in one feature alone, which takes each of the values."""
    rows = np.repeat(context[None], len(values), axis=0)
    rows[:, feature] = values
    return rows
