"""The recovered tree while it grows: regions that are cut until each answers alike everywhere.

For a region the search asks a few rows that together put every end of it to the test (`Region.uncovered`). Where they
all answer alike the region is a leaf. Otherwise it is cut in two, and both halves go on, all regions of the tree at
the same time. A walk and line searches find places where the answer changes (`trees.cuts`). Each is one node of the
victim's tree, and one of them divides the whole region: the answer changes across it wherever one stands. The others
lie deeper and are seen from one side only. So each candidate is asked on both sides from other corners, and those
without effect are dropped; they serve again further down.

Leaves that answer alike weaken both conclusions. A region whose rows all have an identity that is likely shared is
asked scattered rows before it counts as a leaf. And where no candidate stands, as across the right cut too two leaves
may answer alike, the one is taken that best separates the identities of the rows asked, as trees are trained.

A wrong choice costs queries, for it divides a leaf, but never makes the result wrong.

With partial queries a region also knows which features it gives. It is asked with those alone, and where it answers
alike the victim stopped at one node, or at a leaf; giving everything tells which. If it is a node, bisection over the
features not given finds the one that it asks for, which is given from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool
from scipy.special import xlogy

from jaxattack.attacks.extraction.trees.cuts import CutSearch, along
from jaxattack.attacks.extraction.trees.lockstep import Asked, Search
from jaxattack.attacks.extraction.trees.region import Cut, Region, in_set

_CORNERS = 4
"""From how many corners a candidate is put to the test."""

_WALKS = 2
"""How many walks are made before the most telling candidate is taken."""

_TELLING = 8
"""How many candidates are put to the test where identities are likely shared, the most telling ones."""

_KEPT = 32
"""How many of those serve again further down."""

_SAMPLE = 16
"""Rows that are asked to see which candidate is the most telling."""


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

    def __init__(self, *, cuts: CutSearch, shared: Callable[[np.ndarray], np.ndarray], checks: int) -> None:
        """Nothing grown yet.

        Args:
            cuts: finds where answers change.
            shared: identities["query"] -> whether several leaves may have them.
            checks: scattered rows that are asked before a region of such an identity counts as a leaf.
        """
        self._cuts = cuts
        self._shared = shared
        self._checks = checks
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
            yield from asked.ask(node.region.uncovered(asked.rows, given, self._cuts.rng))
            if split is not None and not asked.mixed:
                # The victim asks for this feature here, yet nothing changes along it: some identity is shared.
                values = node.region.values(split)
                yield from asked.ask(np.concatenate([along(row, split, values) for row in asked.rows]))
            if not asked.mixed and self._shared(asked.identity[:1]).any():
                yield from asked.ask(np.where(given, self._cuts.scatter(node.region, self._checks), np.nan))
            node.identity = asked.most
            if asked.mixed:
                break
            step = yield from self._give(node.region, asked, given)
            if step is None:
                return
            asked, given, known, split = step
            sure = True
        shared = self._likely_shared(asked)
        cut, seen = yield from self._choose(node.region, asked, given, known, sure)
        seen = telling(asked, seen, _KEPT) if shared else seen
        node.cut = cut
        node.halves = tuple(Node(half, node.identity) for half in node.region.halves(cut))
        for half in node.halves:
            inside = tuple(other for other in seen if other is not cut and half.region.holds(other, anywhere=shared))
            self.searches.append(self.grow(half, asked.take(half.region.contains(asked.rows)), given, inside))

    def _give(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"]
    ) -> Search[tuple[Asked, Bool[np.ndarray, "feature"], tuple[Cut, ...], int] | None]:
        """Find which feature the node asks for, and give it; None where the region is a leaf."""
        if given.all():
            return None
        node = asked.identity[0]
        corners = region.corners(self._cuts.rng)
        leaf = (yield corners) == node
        if leaf.all():
            return None
        complete = corners[leaf.argmin()]
        order = self._cuts.rng.permutation(np.flatnonzero(~given))
        fewer, enough = 0, len(order)
        while enough - fewer > 1:
            counts = np.unique(np.linspace(fewer, enough, self._cuts.parts() + 1).astype(int))[1:-1]
            rows = np.repeat(complete[None], len(counts), axis=0)
            for row, count in zip(rows, counts, strict=True):
                row[order[count:]] = np.nan
            still = (yield rows) == node
            fewer, enough = max([fewer, *counts[still]]), min([enough, *counts[~still]])
        feature = int(order[fewer])
        given = given.copy()
        given[feature] = True
        line = Asked.nothing(len(given))
        cuts = yield from self._cuts.line(
            line, np.where(given, complete, np.nan), feature, region.values(feature), region
        )
        return line, given, tuple(cuts), feature

    def _choose(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"], known: tuple[Cut, ...], sure: bool
    ) -> Search[tuple[Cut, tuple[Cut, ...]]]:
        """A cut that divides the whole region if one was found, and all cuts seen."""
        candidates = known
        for walks in range(_WALKS + 1):
            if walks:
                candidates = different(known, (yield from self._cuts.walk(region, asked, given)))
                known = known + candidates
            if self._likely_shared(asked):
                candidates = telling(asked, candidates, _TELLING)
            standing = yield from self._test(region, asked, given, candidates, sure or walks > 0)
            if standing:
                return standing[0], known
            sure = False
        yield from asked.ask(np.where(given, self._cuts.scatter(region, _SAMPLE), np.nan))
        return telling(asked, known, 1)[0], known

    def _test(
        self, region: Region, asked: Asked, given: Bool[np.ndarray, "feature"], candidates: tuple[Cut, ...], sure: bool
    ) -> Search[list[Cut]]:
        """The candidates across which the answer changes from every corner tried."""
        standing = list(candidates)
        rng = self._cuts.rng
        for _ in range(_CORNERS):
            if not standing or (sure and len(standing) == 1):
                break
            ends = [cut.ends(region, np.where(given, region.corners(rng)[0], np.nan), rng) for cut in standing]
            left, right = (yield from asked.ask(np.concatenate(ends))).reshape(-1, 2).T
            standing = [cut for cut, changes in zip(standing, left != right, strict=True) if changes]
        return standing

    def _likely_shared(self, asked: Asked) -> bool:
        return bool(self._shared(asked.identity).mean() > 0.5)


def different(known: tuple[Cut, ...], found: tuple[Cut, ...]) -> tuple[Cut, ...]:
    """The cuts found that divide otherwise than those known."""
    seen = {(cut.feature, cut.left.tobytes()) for cut in known if cut.left is not None}
    return tuple(cut for cut in found if cut.left is None or (cut.feature, cut.left.tobytes()) not in seen)


def telling(asked: Asked, cuts: tuple[Cut, ...], most: int) -> tuple[Cut, ...]:
    """The cuts that best separate the identities of rows, the best first."""
    return tuple(sorted(cuts, key=lambda cut: mixture(asked, cut))[:most])


def mixture(asked: Asked, cut: Cut) -> float:
    """How mixed the rows on either side of a cut are: the entropy of their identities, summed over rows, in nats."""
    value = asked.rows[:, cut.feature]
    left = value <= cut.below if cut.left is None else in_set(value, cut.left)
    counts = [np.bincount(asked.identity[side]) for side in (left, ~left)]
    return sum(float(xlogy(count.sum(), count.sum()) - xlogy(count, count).sum()) for count in counts)
