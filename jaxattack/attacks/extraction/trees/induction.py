"""What to answer where an attack ended before a region was cut: the tree that best separates the rows asked there.

It is trained as trees are, from the top, each time by the cut after which the identities of the rows on either side are
the least mixed (entropy), until each side has one identity. It costs no queries, agrees with every answer that was
paid for, and uses a threshold that was found elsewhere wherever one lies between the rows to be separated.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import xlogy

from jaxattack.attacks.extraction.trees.cuts import CutSearch
from jaxattack.attacks.extraction.trees.growth import Node, mixture
from jaxattack.attacks.extraction.trees.region import Cut, Region
from jaxattack.attacks.extraction.trees.transcript import Transcript

_KINDS = 8
"""So many identities of a region are told apart, the most frequent ones; the others count as one."""


def induce(root: Node, transcript: Transcript, cuts: CutSearch) -> None:
    """Cut the leaves of a tree that answers contradict.

    Args:
        root: of the tree; changed.
        transcript: complete rows.
        cuts: knows the thresholds found.
    """
    pending = [(leaf, transcript.take(leaf.region.contains(transcript.rows))) for leaf in root.leaves()]
    while pending:
        node, inside = pending.pop()
        if len(inside.rows) and (inside.identity != node.identity).any():
            node.identity = inside.most
        cut = _best(node.region, inside, cuts) if inside.mixed else None
        if cut is not None:
            node.cut, node.halves = cut, tuple(Node(half, node.identity) for half in node.region.halves(cut))
            pending += [(half, inside.take(half.region.contains(inside.rows))) for half in node.halves]


def _best(region: Region, transcript: Transcript, cuts: CutSearch) -> Cut | None:
    """The cut that leaves the least mixture; None where no feature separates any rows."""
    numbers, counts = np.unique(transcript.identity, return_counts=True)
    frequent = numbers[np.argsort(-counts)[:_KINDS]]
    kinds = np.column_stack([transcript.identity[:, None] == frequent, ~np.isin(transcript.identity, frequent)]).astype(
        float
    )
    least, best = np.inf, None
    for feature in range(len(region.low)):
        if region.categorical[feature]:
            cut = _categories(region, transcript, feature)
            mixed = np.inf if cut is None else mixture(transcript, cut)
        else:
            cut, mixed = _numeric(transcript, feature, kinds)
        if cut is not None and mixed < least:
            least, best = mixed, cut
    return best if best is None or best.left is not None else cuts.bracket(region, best)


def _numeric(transcript: Transcript, feature: int, kinds: Float[np.ndarray, "query kind"]) -> tuple[Cut | None, float]:
    value = transcript.rows[:, feature]
    order = np.argsort(value, kind="stable")
    ends = np.flatnonzero(np.diff(value[order]))
    if not len(ends):
        return None, np.inf
    below = kinds[order].cumsum(axis=0)[ends]
    mixed = _entropy(below) + _entropy(kinds.sum(axis=0) - below)
    at = order[[ends[mixed.argmin()], ends[mixed.argmin()] + 1]]
    return Cut(
        feature=feature, context=transcript.rows[at[0]], below=float(value[at[0]]), above=float(value[at[1]])
    ), float(mixed.min())


def _categories(region: Region, transcript: Transcript, feature: int) -> Cut | None:
    """The categories at which the most frequent identity is the most frequent of all, from the others."""
    codes: Int[np.ndarray, "query"] = transcript.rows[:, feature].astype(int)
    left = np.zeros(region.allowed.shape[1], bool)
    for code in np.unique(codes):
        left[code] = transcript.take(codes == code).most == transcript.most
    alone = left[codes].all() or not left[codes].any()
    return None if alone else Cut(feature=feature, context=transcript.rows[0], left=left)


def _entropy(counts: Float[np.ndarray, "cut kind"]) -> Float[np.ndarray, "cut"]:
    """In nats, times the number of rows."""
    total = counts.sum(axis=1)
    return xlogy(total, total) - xlogy(counts, counts).sum(axis=1)
