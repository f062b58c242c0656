"""The boundaries of a linear classifier, from labels along lines: where two classes meet, and how every feature counts there.

At a boundary between the classes k and l, what z_k - z_l changes along the segment that found it is the unit. From a point
p of the segment, a share g before the boundary, a feature is moved alone until the label changes, at p + t e_i:
(w_k - w_l)_i = -g / t.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.substitute import encoding
from jaxattack.attacks.search.bisect import OCTAVES, Ask, along, bisect
from jaxattack.types import Access, BudgetSpent, Inputs


class Precision(NamedTuple):
    """Bisections of a segment, shares of it before the boundary from which features are moved, and bits of each weight."""

    depth: int
    gaps: tuple[float, ...]
    bits: int


PRECISIONS = {
    "float64": Precision(44, (2.0**-8, 2.0**-16, 2.0**-24), 22),
    "float32": Precision(20, (2.0**-5, 2.0**-9, 2.0**-13), 13),
    "bfloat16": Precision(6, (2.0**-2, 2.0**-4), 4),
}
"""The smaller the gap, the fewer digits of the victim's arithmetic are left to measure it; large weights show at a large one."""


class Meetings(NamedTuple):
    """Segments on which two classes meet: ``share`` of each belongs to the class ``own`` of its start, what follows to ``other``."""

    start: Float[np.ndarray, "segment feature"]
    end: Float[np.ndarray, "segment feature"]
    share: Float[np.ndarray, "segment"]
    own: Int[np.ndarray, "segment"]
    other: Int[np.ndarray, "segment"]

    @property
    def between(self) -> Float[np.ndarray, "segment feature"]:
        """The points on the boundary."""
        return along(self.start, self.end, self.share)

    def take(self, points: np.ndarray) -> Meetings:
        """The chosen points."""
        return Meetings(*(part[points] for part in self))

    def join(self, more: Meetings) -> Meetings:
        """These points and more."""
        return Meetings(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))


class Sides(NamedTuple):
    """The difference of two classes at each boundary, in the unit of its segment, the intercept last; how many numbers did not change
    the label, how many values of categories no number made up for, and why the line search ended early."""

    value: Float[np.ndarray, "boundary feature+1"]
    unreached: int
    unpaid: int
    refusal: BudgetSpent | None


def measure(ask: Ask, edges: Meetings, access: Access, beyond: float) -> Sides:
    """What moving every feature tells of every boundary; raises `BudgetSpent` where no feature was moved."""
    inputs, fine = access.inputs, PRECISIONS[access.precision]
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    box = low - beyond * (high - low), high + beyond * (high - low)
    slope = np.zeros_like(edges.start)
    mask = np.broadcast_to((categories == 0) & (high > low), slope.shape)
    steps, unpaid, refusal = np.zeros((len(slope), categories.sum())), 0, None
    try:
        for gap in fine.gaps:
            if refusal is None:
                increment, refusal = _slopes(ask, edges, mask & (slope == 0), gap, box, fine.bits)
                slope = slope + increment
        if refusal is None and categories.any():
            steps, unpaid, refusal = _steps(ask, edges, slope, box, categories, fine.bits)
    except BudgetSpent as error:
        if not slope.any():
            raise
        refusal = error
    unreached = int((mask & (slope == 0)).sum())
    return Sides(_encode(edges, slope, steps, inputs), unreached, unpaid, refusal)


def _slopes(
    ask: Ask, edges: Meetings, mask: np.ndarray, gap: float, box: tuple[np.ndarray, np.ndarray], bits: int
) -> tuple[Float[np.ndarray, "boundary feature"], BudgetSpent | None]:
    """The weights wanted, from points a share ``gap`` before the boundaries; 0 where a label never changes to the other class."""
    before = np.maximum(edges.share - gap, 0.0)
    points, room = along(edges.start, edges.end, before), edges.share - before
    boundary, feature = (np.repeat(part, 2) for part in np.nonzero(mask))
    slope, row = np.zeros(mask.shape), np.arange(len(boundary))
    if not len(row):
        return slope, None
    start = points[boundary]
    end = start.copy()
    end[row, feature] = np.where(row % 2 == 1, box[1][feature], box[0][feature])
    crossing = bisect(ask, start, end, edges.own[boundary], bits, octaves=OCTAVES)
    # What was asked, after rounding, and not what was meant: a range far from 0 leaves few digits to a small step.
    distance = along(start, end, crossing.share)[row, feature] - start[row, feature]
    good = crossing.reached & (crossing.label == edges.other[boundary]) & (distance != 0)
    slope[boundary[good], feature[good]] = -room[boundary[good]] / distance[good]
    return slope, crossing.refusal


def _steps(
    ask: Ask, edges: Meetings, slope: np.ndarray, box: tuple[np.ndarray, np.ndarray], categories: np.ndarray, bits: int
) -> tuple[Float[np.ndarray, "boundary value"], int, BudgetSpent | None]:
    """What each value of a category adds to z_k - z_l, how many values no number makes up for, and why the search ended early."""
    values = np.array([(i, v) for i in np.flatnonzero(categories) for v in range(categories[i])])
    steps, points = np.zeros((len(slope), len(values))), edges.between
    boundary, place = np.nonzero(points[:, values[:, 0]] != values[:, 1])
    start, row = points[boundary], np.arange(len(boundary))
    start[row, values[place, 0]] = values[place, 1]
    label = ask(start)
    inside = label == edges.own[boundary]
    rising = np.where(inside[:, None], -slope[boundary], slope[boundary])
    end = np.where(rising > 0, box[1], np.where(rising < 0, box[0], start))
    crossing = bisect(ask, start, end, label, bits, octaves=OCTAVES)
    steps[boundary, place] = -np.sum(slope[boundary] * (along(start, end, crossing.share) - start), axis=1)
    sides = np.where(inside, edges.other[boundary], edges.own[boundary])
    good = crossing.reached & (crossing.label == sides) & (inside | (label == edges.other[boundary]))
    return steps, int((~good).sum()), crossing.refusal


def _encode(
    edges: Meetings, slope: np.ndarray, steps: np.ndarray, inputs: Inputs
) -> Float[np.ndarray, "boundary feature"]:
    """Rows of a model of encoded queries; what the values of a category add is centred, as only differences count."""
    code = encoding(inputs)
    intercept = -np.sum(slope * (edges.between - code.center.ravel()), axis=1)
    blocks, at = [], 0
    for i, n in enumerate(code.categories):
        block = steps[:, at : at + n] if n else slope[:, i : i + 1] * code.scale.ravel()[i]
        mean = block.mean(axis=1) * bool(n)
        blocks.append(block - mean[:, None])
        intercept, at = intercept + mean, at + n
    return np.concatenate([*blocks, intercept[:, None]], axis=1)
