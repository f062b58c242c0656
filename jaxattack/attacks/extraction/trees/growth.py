"""The recovered tree while it grows: regions that are cut until each answers alike everywhere.

For a region the search asks a few rows that together put every end of it to the test (`Region.cover`). Where they
all answer alike the region is a leaf. Otherwise it is cut in two, and both halves go on, all regions of the tree at
the same time. A walk and line searches find places where the answer changes (`trees.cuts`). Each is one node of the
victim's tree, and one of them divides the whole region: the answer changes across it wherever one stands. The others
lie deeper and are seen from one side only. So each candidate is asked on both sides from other corners, and those
without effect are dropped; they serve again further down.

Leaves that answer alike weaken both conclusions. A region whose rows all have an identity that is likely shared is
asked scattered rows before it counts as a leaf. And as across the right cut too two leaves may answer alike, there the
candidates that best separate the identities of the rows, as in training, are tested; where none stands, the best is taken.

A wrong choice costs queries, for it divides a leaf, but never makes the result wrong.

With partial queries a region also knows which features it gives. It is asked with those alone, and where it answers
alike the victim stopped at one node, or at a leaf; giving everything tells which. If it is a node, bisection over the
features not given finds the one that it asks for, which is given from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import xlogy

from jaxattack.attacks.extraction.trees.cuts import CutSearch
from jaxattack.attacks.extraction.trees.region import Cut, Region
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.attacks.search.lockstep import Search

CHECKS = 4
"""Scattered rows that are asked before a region of a likely shared identity counts as a leaf. Of the trees of `trees.cuts`
half 43, 9% fewer queries; double 44, 11% more."""

_CORNERS = 4
"""From how many corners a candidate is put to the test. Half 43, as many queries; double 44, 5% more."""

_WALKS = 2
"""How many walks are made before the most telling candidate is taken. Half 44, 1% fewer queries; double 45, as many."""

_TELLING = 8
"""How many candidates are put to the test where identities are likely shared, the most telling ones. Half 45, as many queries; double
45, 1% more."""


@dataclass(eq=False)
class Node:
    """A region of the recovered tree: what it answers as far as is known, and its cut and its halves unless it is a leaf."""

    region: Region
    identity: int = -1
    cut: Cut | None = None
    halves: tuple[Node, ...] = ()

    def below(self) -> Iterator[Node]:
        """The node and all below it, from the left."""
        pending: list[Node] = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.halves))

    def leaves(self) -> list[Node]:
        """The leaves below, from the left."""
        return [node for node in self.below() if not node.halves]

    def divide(self, cut: Cut) -> None:
        """Cut it; its halves answer as far as is known what it does."""
        self.cut, self.halves = cut, tuple(Node(half, self.identity) for half in self.region.halves(cut))


@dataclass(kw_only=True)
class Growth:
    """Searches that grow the tree, which `together` of lockstep takes from here.

    Attributes:
        cuts: finds where answers change.
        ambiguous: identities["query"] -> whether several leaves may have them.
        searches: to be started.
    """

    cuts: CutSearch
    ambiguous: Callable[[np.ndarray], np.ndarray]
    searches: list[Search[None]] = field(default_factory=list)

    def grow(self, node: Node, transcript: Transcript, cuts: tuple[Cut, ...] = (), sure: bool = False) -> Search[None]:
        """Cut a region, of which rows were asked and cuts seen, one of them surely through all of it, until it answers alike."""
        region, rng = node.region, self.cuts.rng
        while True:
            yield from transcript.ask(region.cover(transcript.rows, transcript.present, rng))
            if not transcript.mixed and self.ambiguous(transcript.identity[:1]).any():
                scattered = self.cuts.scatter(region, CHECKS)
                yield from transcript.ask(np.where(transcript.present, scattered, np.nan))
            node.identity = transcript.most
            if transcript.mixed:
                break
            step = yield from self._give(transcript)
            if step is None:
                return
            (transcript, cuts), sure = step, True
        ambiguous = self._likely_ambiguous(transcript)
        cut, candidates = yield from self._choose(transcript, cuts, sure)
        node.divide(cut)
        for half in node.halves:
            others = [other for other in candidates if other is not cut]
            others = tuple(other for other in others if half.region.holds(other, anywhere=ambiguous))
            self.searches.append(self.grow(half, transcript.inside(half.region), others))

    def _give(self, transcript: Transcript) -> Search[tuple[Transcript, tuple[Cut, ...]] | None]:
        """Find which feature the node asks for, and give it; None where the region is a leaf."""
        region, present, node = transcript.region, transcript.present, transcript.identity[0]
        if present.all():
            return None
        corners = region.corners(self.cuts.rng)
        leaf = (yield corners) == node
        if leaf.all():
            return None
        complete = corners[leaf.argmin()]

        def stops(rows: np.ndarray) -> Search[np.ndarray]:
            return (yield rows) == node

        start, absent = np.where(present, complete, np.nan), np.flatnonzero(~present)
        ((_, feature),) = yield from self.cuts.path(stops, start, complete, absent, (True, False))
        present = present | (np.arange(len(present)) == feature)
        line = Transcript.nothing(region, present)
        cuts = yield from self.cuts.line(line, np.where(present, complete, np.nan), feature, region.values(feature))
        return line, tuple(cuts)

    def _choose(self, transcript: Transcript, cuts: tuple[Cut, ...], sure: bool) -> Search[tuple[Cut, tuple[Cut, ...]]]:
        """A cut that divides the whole region if one was found, and all cuts seen."""
        for walks in range(_WALKS + 1):
            candidates = cuts
            if walks:
                candidates = yield from self.cuts.walk(transcript)
                cuts += candidates
            if self._likely_ambiguous(transcript):
                candidates = telling(transcript, candidates)[:_TELLING]
            standing = yield from self._test(transcript, candidates, sure or walks > 0)
            if standing:
                return standing[0], cuts
            sure = False
        return telling(transcript, cuts)[0], cuts

    def _test(self, transcript: Transcript, standing: Sequence[Cut], sure: bool) -> Search[Sequence[Cut]]:
        """The candidates across which the answer changes from every corner tried."""
        rng = self.cuts.rng
        for _ in range(_CORNERS):
            if not standing or (sure and len(standing) == 1):
                break
            ends = [cut.ends(transcript.region, transcript.corners(rng)[0], rng) for cut in standing]
            left, right = (yield from transcript.ask(np.concatenate(ends))).reshape(-1, 2).T
            standing = [cut for cut, changes in zip(standing, left != right, strict=True) if changes]
        return standing

    def _likely_ambiguous(self, transcript: Transcript) -> bool:
        """Whether most rows have identities that several leaves may have.

        Of 28 thefts of 14 trees 25 are complete; where a quarter have 25, 3% fewer queries, where three quarters 25, 26% more.
        """
        return bool(self.ambiguous(transcript.identity).mean() > 0.5)


def telling(transcript: Transcript, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
    """The cuts in order, from the one that best separates the identities of rows."""
    return tuple(sorted(cuts, key=lambda cut: mixture(transcript, cut)))


def mixture(transcript: Transcript, cut: Cut) -> float:
    """How mixed the rows on either side of a cut are: the entropy of their identities, summed over rows, in nats."""
    left = cut.goes_left(transcript.rows)
    counts = [np.bincount(transcript.identity[side]) for side in (left, ~left)]
    return sum(float(xlogy(count.sum(), count.sum()) - xlogy(count, count).sum()) for count in counts)
