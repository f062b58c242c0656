"""The boundaries of a linear classifier, from labels along lines: where two classes meet, and how every feature counts there.

From a point p just before a boundary between the classes k and l a feature is moved alone until the label changes, at
p + t e_i: (w_k - w_l)_i is as -1 / t, for every feature alike. What never changes the label matters less than the way
from p to the boundary, and its weight is 0. A category is set to each of its values: what one adds is how far the numbers
must move to come back to the boundary. The intercept follows from the point on it.

So boundary e says W_k - W_l = s_e v_e, with v_e known and the factor s_e > 0 not. Boundaries that join all classes in a tree
give every difference from their factors: W = B^+ (s * V), with B["boundary class"] the signed incidence (1 at k, -1 at l).
A point x where two classes meet that the tree does not join says (W_k - W_l) . x = 0, which is linear in s. So s is the
singular vector of those rows for the smallest singular value, unique up to one factor where the next is not 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.substitute import encoding
from jaxattack.attacks.search.bisect import OCTAVES, Ask, along, bisect
from jaxattack.types import Access, BudgetSpent

ZERO = 1e-6
"""Singular values below this are 0: what rounding leaves of unit vectors. From 1e-8 to 1e-5 nothing changes for the 53 victims of
`lowd_meek`."""


class Precision(NamedTuple):
    """Bisections of a segment, shares of it before the boundary from which features are moved, and bits of each weight."""

    depth: int
    gaps: tuple[float, ...]
    bits: int


PRECISIONS = {
    "float64": Precision(40, (2.0**-20,), 22),
    "float32": Precision(20, (2.0**-5, 2.0**-9, 2.0**-13), 13),
    "bfloat16": Precision(6, (2.0**-2, 2.0**-4), 4),
}
"""The smaller the gap, the fewer digits of the victim's arithmetic are left to measure it, and the smaller weights show.

Of 44 victims in float64 41 are stolen at 2^-20 and 2^-24, 35 at 2^-16, with 40 bisections as with 48; 16 bits save a fifth of the queries, but
the weights are known to 16. Of 32 in float32 23 are stolen from these three gaps, 13 from one. Of 24 in bfloat16 8 agree on 98% of random inputs;
with half and twice the bisections 1 and 7, from one gap 2 and from three 8, with 2 and 8 bits 4 and 8."""


class Meetings(NamedTuple):
    """Points where two classes meet: ``own`` before and ``other`` behind, on the way of ``move``, a whole segment."""

    point: Float[np.ndarray, "point feature"]
    move: Float[np.ndarray, "point feature"]
    own: Int[np.ndarray, "point"]
    other: Int[np.ndarray, "point"]

    def take(self, points: np.ndarray) -> Meetings:
        """The chosen points."""
        return Meetings(*(part[points] for part in self))

    def join(self, more: Meetings) -> Meetings:
        """These points and more."""
        return Meetings(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))


class Sides(NamedTuple):
    """The difference of two classes at each boundary, up to a factor and the intercept last; how many numbers did not change the
    label, how many values of categories no number made up for, and why the line search ended early."""

    value: Float[np.ndarray, "boundary encoded+1"]
    unreached: int
    unpaid: int
    refusal: BudgetSpent | None


def measure(ask: Ask, edges: Meetings, access: Access) -> Sides:
    """What moving every feature tells of every boundary; raises `BudgetSpent` where no feature was moved."""
    inputs, fine, code = access.inputs, PRECISIONS[access.precision], encoding(access.inputs)
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    numbers = np.broadcast_to((categories == 0) & (high > low), edges.point.shape)
    owner = np.repeat(np.arange(len(categories)), np.maximum(categories, 1))
    slope, effect = np.zeros_like(edges.point), np.zeros((len(edges.own), len(owner)))
    unpaid, refusal = 0, None
    try:
        for gap in fine.gaps:
            edge, feature = (np.repeat(part, 2) for part in np.nonzero(numbers & (slope == 0)))
            row = np.arange(len(edge))
            if not len(row):
                break
            before = edges.point - gap * edges.move
            start = np.where(categories > 0, before, np.clip(before, low, high))[edge]
            end = start.copy()
            end[row, feature] = np.where(row % 2, high[feature], low[feature])
            crossing = bisect(ask, start, end, edges.own[edge], fine.bits, octaves=OCTAVES)
            # What was asked, after rounding, and not what was meant: a range far from 0 leaves few digits to a small step.
            step = along(start, end, crossing.share)[row, feature] - start[row, feature]
            good = crossing.reached & (crossing.label == edges.other[edge]) & (step != 0)
            slope[edge[good], feature[good]] = -gap / step[good]
            if crossing.refusal is not None:
                raise crossing.refusal
        if categories.any():
            unpaid = _weigh(ask, edges, slope, access, effect, owner)
    except BudgetSpent as error:
        if not slope.any():
            raise
        refusal = error
    value = slope[:, owner] * code.scale.ravel()[owner] + effect
    intercept = -np.sum(slope * (edges.point - code.center.ravel()), axis=1)
    unreached = int((numbers & (slope == 0)).sum())
    return Sides(np.column_stack([value, intercept]), unreached, unpaid, refusal)


def _weigh(ask: Ask, edges: Meetings, slope: np.ndarray, access: Access, effect: np.ndarray, owner: np.ndarray) -> int:
    """Write down what every value of a category adds to z_k - z_l beside the boundary's own; how many no number makes up for."""
    inputs, fine = access.inputs, PRECISIONS[access.precision]
    ordinal = np.arange(len(owner)) - np.searchsorted(owner, owner)
    edge, column = np.nonzero((inputs.categories.ravel()[owner] > 0) & (edges.point[:, owner] != ordinal))
    start = edges.point[edge]
    start[np.arange(len(edge)), owner[column]] = ordinal[column]
    label = ask(start)
    inside = label == edges.own[edge]
    rising = np.where(inside[:, None], -slope[edge], slope[edge])
    end = np.where(rising > 0, inputs.high.ravel(), np.where(rising < 0, inputs.low.ravel(), start))
    crossing = bisect(ask, start, end, label, fine.bits, octaves=OCTAVES)
    effect[edge, column] = -np.sum(slope[edge] * (along(start, end, crossing.share) - start), axis=1)
    if crossing.refusal is not None:
        raise crossing.refusal
    sides = np.where(inside, edges.other[edge], edges.own[edge])
    good = crossing.reached & (crossing.label == sides) & (inside | (label == edges.other[edge]))
    return int((~good).sum())


def tree(own: Int[np.ndarray, "boundary"], other: Int[np.ndarray, "boundary"]) -> Int[np.ndarray, "edge"]:
    """The first boundaries that join what they touch without a cycle (Kruskal 1956)."""
    group: dict[int, int] = {}
    edges = []
    for boundary, pair in enumerate(zip(own.tolist(), other.tolist(), strict=True)):
        a, b = (group.setdefault(name, name) for name in pair)
        if a != b:
            edges.append(boundary)
            group = {name: a if root == b else root for name, root in group.items()}
    return np.array(edges, np.int64)


def join(
    direction: Float[np.ndarray, "edge feature"],
    own: Int[np.ndarray, "edge"],
    other: Int[np.ndarray, "edge"],
    meeting: tuple[Float[np.ndarray, "point feature"], Int[np.ndarray, "point"], Int[np.ndarray, "point"]],
    classes: int,
) -> tuple[Float[np.ndarray, "cls feature"], bool]:
    """Every class's weights, and whether they are fixed up to one factor.

    Where they are not, every difference along the tree has length 1.

    Args:
        direction: v of the tree's boundaries, of any length.
        own: k of each.
        other: l of each.
        meeting: points with the two classes that meet there.
        classes: how many; those that the tree does not join get 0.
    """
    unit = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), np.finfo(float).tiny)
    spread = np.linalg.pinv(np.eye(classes)[own] - np.eye(classes)[other])
    x, first, second = meeting
    path = spread[first] - spread[second]  # an edge between the two classes counts 1 or -1, any other 0
    # Where one edge joins the two they meet whatever the factors are.
    path *= np.abs(path).sum(axis=1, keepdims=True) > 1.5
    row = path * (x @ unit.T) / np.linalg.norm(x, axis=1, keepdims=True)
    fixed = np.linalg.matrix_rank(row, tol=ZERO) >= len(own) - 1
    factor = np.linalg.svd(row)[2][-1] if fixed else np.ones(len(own))
    return spread @ (factor[:, None] * unit) * np.sign(factor.sum()), bool(fixed)
