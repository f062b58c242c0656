"""Normals of neurons from gradients between the critical points of a line.

Between two measured regions the gradient changes by the sum of jump_k n_k' over the kinks between them (' oriented
along the line). In a network of one hidden layer known neurons jump alike everywhere, so that only unknown kinks part
the regions that are measured. With one output one unknown kink may lie between two of them; with more outputs several
may, for their jumps are known from the line itself, and as many normals as there are independent jumps follow from one
difference by least squares. So q unknown kinks cost about q / outputs gradients. In deeper networks the jumps differ
from place to place, and every unknown kink takes the gradients on its own two sides.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.critical_points import Kinks
from jaxattack.attacks.extraction.relu.gradients import Precision, Regions, measure, step_share
from jaxattack.attacks.extraction.relu.neurons import Meetings, Neurons

INDEPENDENT = 0.1
"""Smallest singular value of the unit jumps of kinks that share one difference of gradients."""


class Line(NamedTuple):
    """A searched line u + t v: its kinks, those that part regions, and those that no known neuron explains."""

    origin: Float[np.ndarray, "feature"]
    direction: Float[np.ndarray, "feature"]
    kinks: Kinks
    walls: Bool[np.ndarray, "kink"]
    unknown: Bool[np.ndarray, "kink"]


class Stations(NamedTuple):
    """The regions of a line in which a gradient may be measured: the widest between two neighbouring walls."""

    t: Float[np.ndarray, "station"]
    gap: Float[np.ndarray, "station"]
    slope: Float[np.ndarray, "station output"]
    kinks: Int[np.ndarray, "station"]  # so many come before it, as do so many walls and unresolved intervals
    walls: Int[np.ndarray, "station"]
    stretch: Int[np.ndarray, "station"]

    def take(self, index: np.ndarray) -> Stations:
        """The chosen stations."""
        return Stations(*(field[index] for field in self))


def stations(line: Line) -> Stations:
    """For every stretch between walls and unresolved intervals its widest region."""
    kinks = line.kinks
    closed = kinks.unresolved[:, 1:]
    low = np.concatenate([kinks.position, closed[:, 0]])
    high = np.concatenate([kinks.position, closed[:, 1]])
    kind = np.concatenate([np.where(line.walls, 1, 0), np.full(len(closed), 2)])
    order = np.argsort(low)
    low, high, kind = low[order], high[order], kind[order]
    # Beyond the outermost kinks a region as wide as its distance from the middle of the line serves.
    start = np.append(max(low[0] - 1 - abs(low[0]), kinks.end[0, 0]), high)
    end = np.append(low, min(high[-1] + 1 + abs(high[-1]), kinks.end[0, 1]))
    before, walls, stretch = (np.append(0, np.cumsum(mask)) for mask in (kind != 2, kind == 1, kind == 2))
    slope = np.concatenate([kinks.left, kinks.right[-1:]])[before]
    every = Stations((start + end) / 2, end - start, slope, before, walls, stretch)
    every = every.take(every.gap > 0)
    group = every.walls + (len(kinks.position) + 1) * every.stretch
    order = np.lexsort((-every.gap / (1 + np.abs(every.t)), group))
    return every.take(np.sort(order[np.append(True, np.diff(group[order]) > 0)]))


def pairs(line: Line, at: Stations, usable: Bool[np.ndarray, "station"]) -> Int[np.ndarray, "pair 2"]:
    """Stations whose gradients are to be compared: each with the farthest one that parts independent unknown jumps."""
    jumps = (line.kinks.jump / line.kinks.scale)[line.walls]
    jumps, unknown = jumps / np.linalg.norm(jumps, axis=1)[:, None], line.unknown[line.walls]
    matches, low = [], 0
    while low < len(at.t):
        high = low
        for later in range(low + 1, min(low + jumps.shape[1], len(at.t) - 1) + 1):
            between = slice(at.walls[low], at.walls[later])
            if at.stretch[later] != at.stretch[low] or not usable[low] or len(jumps[between]) > jumps.shape[1]:
                break
            if np.linalg.svd(jumps[between], compute_uv=False).min(initial=1.0) < INDEPENDENT:
                break
            high = later if usable[later] and unknown[between].all() else high
        if high > low:
            matches.append((low, high))
        low = max(high, low + 1)
    return np.array(matches, int).reshape(-1, 2)


def normals(
    line: Line, neurons: Neurons, meetings: Meetings, precision: Precision
) -> Generator[np.ndarray, np.ndarray, tuple[Neurons, Regions]]:
    """The neurons at a line's unknown kinks, and the regions measured for them; known ones jump alike everywhere."""
    at, dimension = stations(line), len(line.origin)
    x = line.origin + at.t[:, None] * line.direction
    speed = np.linalg.norm(line.direction)
    step = np.minimum(step_share(dimension, precision.noise) * at.gap * speed / np.sqrt(dimension), 1.0)
    tolerance = precision.tolerance(x, np.zeros_like(at.slope))
    doubt = (tolerance / step[:, None] / precision.scale).max(axis=1)
    jumps = np.abs(line.kinks.jump[line.walls] / precision.scale).max(axis=1)
    clear = (0.01 if precision.noise.coarse else precision.noise.relative**0.45) * np.median(jumps)
    matches = pairs(line, at, doubt <= clear)
    needed = np.unique(matches)
    regions = yield from measure(
        x[needed],
        step[needed],
        np.broadcast_to(line.direction, (len(needed), dimension)),
        at.slope[needed],
        4 * (tolerance / at.gap[:, None])[needed],
        precision,
    )
    parts = [
        _solve(line, neurons, meetings, regions, at.take(needed), low, high, precision)
        for low, high in np.searchsorted(needed, matches)
        if regions.finite[[low, high]].all()
    ]
    empty = Neurons.none(dimension, len(precision.scale))
    new = Neurons(*(np.concatenate(fields) for fields in zip(empty, *parts, strict=True)))
    return new, Regions(*(field[regions.finite] for field in regions))


def _solve(
    line: Line,
    neurons: Neurons,
    meetings: Meetings,
    regions: Regions,
    at: Stations,
    low: int,
    high: int,
    precision: Precision,
) -> Neurons:
    """The neurons at the unknown kinks between two measured stations."""
    between = np.arange(at.kinks[low], at.kinks[high])
    new = between[line.unknown[between]]
    # A neuron whose height hardly changes along the line is crossed without a kink that shows.
    shown = (meetings.kink >= 0) | (neurons.hits > 0)
    others = np.flatnonzero((meetings.position > at.t[low]) & (meetings.position < at.t[high]) & shown)
    crossed = np.sign(meetings.speed[others])
    rest = regions.gradient[high] - regions.gradient[low]
    rest = rest - (neurons.jump[others] * crossed[:, None]).T @ neurons.normal[others]
    jump = line.kinks.jump[new]
    inverse = np.linalg.pinv((jump / precision.scale).T)
    # Normals with n . v = 1, so that their jump is the line's.
    normal = inverse @ (rest / precision.scale[:, None])
    length = np.linalg.norm(normal, axis=1)
    doubt = ((regions.error[low] + regions.error[high]) / precision.scale).max()
    weight = (np.abs(neurons.jump[others]) / precision.scale).max(axis=1, initial=0)
    doubt += np.linalg.norm(weight * neurons.error[others])
    x = line.origin + line.kinks.position[new][:, None] * line.direction
    normal /= length[:, None]
    error = doubt * np.linalg.norm(inverse, axis=1) / length
    return Neurons(x, normal, -(normal * x).sum(axis=1), jump * length[:, None], error, np.zeros(len(new), int))
