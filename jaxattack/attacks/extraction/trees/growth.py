"""The recovered tree while it grows: regions that are cut until each answers alike everywhere.

For a region the search asks a few rows that together put every end of it to the test (`Region.uncovered`). Where they
all answer alike the region is a leaf. Otherwise it is cut in two, and both halves go on, all regions of the tree at
the same time. A cut is found in three steps:

1. A walk from a corner to the opposite one, a feature at a time; by bisection over the order of the features it finds
   every feature whose change changes the answer. Every numeric cut of the victim that divides the region is crossed.
2. Along each of those features a line search, by bisection to eps, finds every place where the answer changes; along a
   categorical feature every category is asked.
3. Each place is one node of the victim's tree, and one of them divides the whole region: the answer changes across it
   wherever one stands. The others lie deeper and are seen from one side only. So each candidate is asked on both sides
   from other corners, and those without effect are dropped; they serve again further down.

A wrong choice costs queries, for it divides a leaf, but never makes the result wrong.

With partial queries a region also knows which features it gives. It is asked with those alone, and where it answers
alike the victim stopped at one node, or at a leaf; giving everything tells which. If it is a node, bisection over the
features not given finds the one that it asks for, which is given from there on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.trees.lockstep import Asked, Search, together
from jaxattack.attacks.extraction.trees.region import Cut, Region, grouped
from jaxattack.attacks.extraction.trees.threshold import LineSearch
from jaxattack.types import InputError

CELLS = 1024
"""Pieces that the answers along one line may have; a function with more is no tree."""

_CORNERS = 4
"""From how many corners a candidate is put to the test."""

_WALKS = 2
"""How many walks are made before the least refuted candidate is taken."""


class NoTree(InputError):
    """Answers that change everywhere along a line."""


class Node:
    """A region of the recovered tree.

    Attributes:
        region: its box.
        identity: what it answers as far as is known; -1 for unknown.
        cut: how it is divided; None for a leaf.
        halves: its two parts; empty for a leaf.
    """

    def __init__(self, region: Region, identity: int = -1) -> None:
        self.region = region
        self.identity = identity
        self.cut: Cut | None = None
        self.halves: tuple[Node, ...] = ()

    def leaves(self) -> Iterator[Node]:
        """The leaves below, from the left."""
        if not self.halves:
            yield self
        for half in self.halves:
            yield from half.leaves()


class Growth:
    """Searches that grow the tree; `run` of lockstep asks their questions.

    Attributes:
        searches: started or to be started; `run` takes them from here.
    """

    def __init__(
        self,
        *,
        line_search: LineSearch,
        rng: np.random.Generator,
    ) -> None:
        """Nothing grown yet.

        Args:
            line_search: how closely a cut is bracketed, and by which queries.
            rng: chooses orders and corners.
        """
        self._line_search = line_search
        self._rng = rng
        self._intervals = 0
        self.searches: list[Search[None]] = []

    def grow(
        self,
        node: Node,
        asked: Asked,
        given: Bool[np.ndarray, "feature"],
        known: tuple[Cut, ...] = (),
        sure: bool = False,
    ) -> Search[None]:
        """Cut a region until it answers alike.

        Args:
            node: an uncut node.
            asked: rows in its region that give these features.
            given: the features that its rows give.
            known: cuts seen inside.
            sure: whether one of those divides the whole region.
        """
        split = None
        while True:
            yield from asked.ask(node.region.uncovered(asked.rows, given, self._rng))
            if split is not None and not asked.mixed:
                # The victim asks for this feature here, yet nothing changes along it: some identity is shared.
                values = node.region.values(split)
                yield from asked.ask(np.concatenate([_along(row, split, values) for row in asked.rows]))
            node.identity = asked.most
            if asked.mixed:
                break
            step = yield from self._give(node.region, asked, given)
            if step is None:
                return
            asked, given, known, split = step
            sure = True
        cut, seen = yield from self._choose(node.region, asked, given, known, sure)
        node.cut = cut
        node.halves = tuple(Node(half, node.identity) for half in node.region.halves(cut))
        for half in node.halves:
            inside = tuple(other for other in seen if other is not cut and half.region.holds(other))
            self.searches.append(self.grow(half, asked.take(half.region.contains(asked.rows)), given, inside))

    def _give(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"]
    ) -> Search[tuple[Asked, Bool[np.ndarray, "feature"], tuple[Cut, ...], int] | None]:
        """Find which feature the node asks for, and give it; None where the region is a leaf."""
        if given.all():
            return None
        node = asked.identity[0]
        corners = region.corners(self._rng)
        leaf = (yield corners) == node
        if leaf.all():
            return None
        complete = corners[leaf.argmin()]
        order = self._rng.permutation(np.flatnonzero(~given))
        fewer, enough = 0, len(order)
        while enough - fewer > 1:
            counts = np.unique(
                np.linspace(fewer, enough, self._line_search.parts(self._intervals + 1) + 1).astype(int)
            )[1:-1]
            rows = np.repeat(complete[None], len(counts), axis=0)
            for row, count in zip(rows, counts, strict=True):
                row[order[count:]] = np.nan
            still = (yield rows) == node
            fewer, enough = max([fewer, *counts[still]]), min([enough, *counts[~still]])
        feature = int(order[fewer])
        given = given.copy()
        given[feature] = True
        line = Asked.nothing(len(given))
        cuts = yield from self._line(line, np.where(given, complete, np.nan), feature, region.values(feature), region)
        return line, given, tuple(cuts), feature

    def _choose(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"], known: tuple[Cut, ...], sure: bool
    ) -> Search[tuple[Cut, tuple[Cut, ...]]]:
        """A cut that divides the whole region if one was found, and all cuts seen."""
        refuted: list[tuple[int, Cut]] = []
        candidates = known
        for walks in range(_WALKS + 1):
            if walks:
                candidates = yield from self._walk(region, asked, given)
                known = known + candidates
            standing, passed = yield from self._test(region, asked, given, candidates, sure or walks > 0)
            if standing:
                return standing[0], known
            refuted += zip(passed, candidates, strict=True)
            sure = False
        return max(refuted, key=lambda pair: pair[0])[1], known

    def _test(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"], candidates: tuple[Cut, ...], sure: bool
    ) -> Search[tuple[list[Cut], list[int]]]:
        """The candidates across which the answer changes from every corner tried, and from how many it did for each."""
        passed = [0] * len(candidates)
        standing = list(range(len(candidates)))
        for _ in range(_CORNERS):
            if not standing or (sure and len(standing) == 1):
                break
            corners = [np.where(given, region.corners(self._rng)[0], np.nan) for _ in standing]
            ends = [
                candidates[each].ends(region, corner, self._rng) for each, corner in zip(standing, corners, strict=True)
            ]
            left, right = (yield from asked.ask(np.concatenate(ends))).reshape(-1, 2).T
            standing = [each for each, changes in zip(standing, left != right, strict=True) if changes]
            for each in standing:
                passed[each] += 1
        return [candidates[each] for each in standing], passed

    def _walk(self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"]) -> Search[tuple[Cut, ...]]:
        """Every cut along the features at which the answer changes on a walk from a corner to the opposite one."""
        start, end = np.where(given, region.corners(self._rng), np.nan)
        first, last = yield from asked.ask(np.stack([start, end]))
        if first == last:
            other = asked.take(asked.identity != first)
            end = other.farthest(start)
            last = other.identity[(other.rows == end)[:, given].all(axis=1)][0]
        order = self._rng.permutation(np.flatnonzero(given & (start != end)))
        identity = {0: int(first), len(order): int(last)}
        pending, steps = [(0, len(order))], []
        while pending:
            steps += [low for low, high in pending if high - low == 1]
            pending = [(low, high) for low, high in pending if high - low > 1]
            if not pending:
                break
            middles = [(low + high) // 2 for low, high in pending]
            answered = yield from asked.ask(np.stack([_moved(start, end, order[:middle]) for middle in middles]))
            identity.update(zip(middles, answered.tolist(), strict=True))
            parts = [
                part
                for (low, high), middle in zip(pending, middles, strict=True)
                for part in ((low, middle), (middle, high))
            ]
            pending = [(low, high) for low, high in parts if identity[low] != identity[high]]
        lines = [
            self._line(
                asked, _moved(start, end, order[:step]), feature, np.sort([start[feature], end[feature]]), region
            )
            for step, feature in ((step, int(order[step])) for step in sorted(steps))
        ]
        return tuple(cut for cuts in (yield from together(lines)) for cut in cuts)

    def _line(
        self,
        asked: Asked,
        context: Float[np.ndarray, "feature"],
        feature: int,
        values: Float[np.ndarray, "2"],
        region: Region,
    ) -> Search[list[Cut]]:
        """Every place where the answer changes along one feature."""
        if region.categorical[feature]:
            codes = region.values(feature)
            identity = yield from asked.ask(_along(context, feature, codes))
            return grouped(context, feature, codes, identity, region.allowed.shape[1])
        ends = yield from asked.ask(_along(context, feature, values))
        pending = [(values[0], values[-1], ends[0], ends[-1])] if ends[0] != ends[-1] else []
        tolerance = self._line_search.tolerance[feature]
        cuts = []
        while pending:
            cuts += [
                Cut(feature=feature, context=context, below=below, above=above)
                for below, above, *_ in pending
                if above - below <= tolerance
            ]
            pending = [piece for piece in pending if piece[1] - piece[0] > tolerance]
            if len(pending) > CELLS:
                raise NoTree(f"the answers change everywhere along feature {feature}: the victim is no tree.")
            if pending:
                self._intervals += len(pending)
                pieces = yield from self._section(asked, context, feature, pending)
                self._intervals -= len(pending)
                pending = pieces
        return sorted(cuts, key=lambda cut: cut.below)

    def _section(self, asked: Asked, context, feature: int, pending: list[tuple]) -> Search[list[tuple]]:
        """One round of a line search: the parts at whose ends the answers differ."""
        tried = [self._line_search.points(feature, below, above, self._intervals) for below, above, *_ in pending]
        answered = yield from asked.ask(_along(context, feature, np.concatenate([points for points, _ in tried])))
        parts = []
        for (below, above, left, right), (points, step) in zip(pending, tried, strict=True):
            place = [below, *points, above]
            identity = [left, *answered[: len(points)], right]
            answered = answered[len(points) :]
            if step:
                self._line_search.learn(feature, step, identity[0] == identity[1] != identity[2] == identity[3])
            parts += zip(place, place[1:], identity, identity[1:], strict=False)
        return [part for part in parts if part[2] != part[3]]


def _moved(start: np.ndarray, end: np.ndarray, features: np.ndarray) -> Float[np.ndarray, "feature"]:
    row = start.copy()
    row[features] = end[features]
    return row


def _along(
    context: Float[np.ndarray, "feature"], feature: int, values: np.ndarray
) -> Float[np.ndarray, "value feature"]:
    rows = np.repeat(context[None], len(values), axis=0)
    rows[:, feature] = values
    return rows
