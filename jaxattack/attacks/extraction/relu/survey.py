"""From the kinks of a line to neurons: which gradients are needed, and what their differences say.

Between two measured regions the gradient changes by the sum of jump_k n_k' over the kinks between them (' oriented
along the line). Kinks of known neurons are subtracted. With one output one unknown kink may lie between two regions;
with more outputs several may, for their jumps are known from the line itself, and as many normals as there are
independent jumps follow from one difference by least squares. So q unknown kinks cost about q / outputs gradients.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.kinks import Kinks
from jaxattack.attacks.extraction.relu.neurons import Meetings, Neurons
from jaxattack.attacks.extraction.relu.regions import Precision, Regions, measure, step_share

INDEPENDENT = 0.1
"""Smallest singular value of the unit jumps of kinks that share one difference of gradients."""


class Line(NamedTuple):
    """A searched line.

    Attributes:
        origin: u.
        direction: v.
        kinks: its kinks.
        owner: Int["kink"], the neuron that was met there; -1 where none is known.
        meetings: of the known neurons.
    """

    origin: Float[np.ndarray, "feature"]
    direction: Float[np.ndarray, "feature"]
    kinks: Kinks
    owner: Int[np.ndarray, "kink"]
    meetings: Meetings


class Stations(NamedTuple):
    """Regions of a line in which a gradient may be measured: the best one between two neighbouring unknown kinks.

    Attributes:
        t: Float["station"], the middle.
        gap: Float["station"], how wide the region is.
        slope: Float["station output"], df/dt there.
        first: Int["station"], how many kinks come before it.
        unknown: Int["station"], how many of those are unknown.
        stretch: Int["station"], how many unresolved intervals come before it.
    """

    t: Float[np.ndarray, "station"]
    gap: Float[np.ndarray, "station"]
    slope: Float[np.ndarray, "station output"]
    first: Int[np.ndarray, "station"]
    unknown: Int[np.ndarray, "station"]
    stretch: Int[np.ndarray, "station"]

    def take(self, index: np.ndarray) -> Stations:
        """The chosen stations."""
        return Stations(*(field[index] for field in self))


def stations(line: Line) -> Stations:
    """For every stretch between unknown kinks and unresolved intervals its widest region."""
    kinks = line.kinks
    walls = kinks.unresolved[:, 1:]
    low = np.concatenate([kinks.position, walls[:, 0]])
    high = np.concatenate([kinks.position, walls[:, 1]])
    kind = np.concatenate([np.where(line.owner < 0, 1, 0), np.full(len(walls), 2)])
    order = np.argsort(low)
    low, high, kind = low[order], high[order], kind[order]
    # Beyond the outermost kinks a region as wide as its distance from the middle of the line serves.
    start = np.append(max(low[0] - 1 - abs(low[0]), kinks.end[0, 0]), high)
    end = np.append(low, min(high[-1] + 1 + abs(high[-1]), kinks.end[0, 1]))
    first = np.append(0, np.cumsum(kind != 2))
    slope = np.concatenate([kinks.left, kinks.right[-1:]])[first]
    every = Stations(
        (start + end) / 2,
        end - start,
        slope,
        first,
        np.append(0, np.cumsum(kind == 1)),
        np.append(0, np.cumsum(kind == 2)),
    )
    every = every.take(every.gap > 0)
    group = every.unknown + (len(kinks.position) + 1) * every.stretch
    order = np.lexsort((-every.gap / (1 + np.abs(every.t)), group))
    best = order[np.append(True, np.diff(group[order]) > 0)]
    return every.take(np.sort(best))


def pairs(line: Line, at: Stations, usable: Bool[np.ndarray, "station"]) -> list[tuple[int, int]]:
    """Stations whose gradients are to be compared: each with the farthest one that parts independent unknown jumps."""
    jumps = (line.kinks.jump / line.kinks.scale)[line.owner < 0]
    jumps = jumps / np.linalg.norm(jumps, axis=1)[:, None]
    matches, low = [], 0
    while low < len(at.t):
        high = low
        for later in range(low + 1, min(low + jumps.shape[1], len(at.t) - 1) + 1):
            between = jumps[at.unknown[low] : at.unknown[later]]
            if at.stretch[later] != at.stretch[low] or not usable[low] or len(between) > jumps.shape[1]:
                break
            if np.linalg.svd(between, compute_uv=False).min(initial=1.0) < INDEPENDENT:
                break
            high = later if usable[later] else high
        if high > low:
            matches.append((low, high))
        low = max(high, low + 1)
    return matches


def survey(
    line: Line, neurons: Neurons, precision: Precision
) -> Generator[np.ndarray, np.ndarray, tuple[Neurons, Regions]]:
    """Measure what is needed to know the neurons at a line's unknown kinks.

    Returns:
        The new neurons, and the measured regions.
    """
    at = stations(line)
    x = line.origin + at.t[:, None] * line.direction
    speed = np.linalg.norm(line.direction)
    step = np.minimum(step_share(len(line.origin), precision.noise) * at.gap * speed / np.sqrt(len(line.origin)), 1.0)
    tolerance = precision.tolerance(x, np.zeros_like(at.slope))
    doubt = (tolerance / step[:, None] / precision.scale).max(axis=1)
    matches = pairs(line, at, _clear(line, doubt, precision))
    needed = np.unique(np.array(matches, int).ravel())
    regions = yield from measure(
        x[needed],
        step[needed],
        np.broadcast_to(line.direction, (len(needed), len(line.direction))),
        at.slope[needed],
        4 * (tolerance / at.gap[:, None])[needed],
        precision,
    )
    place = np.searchsorted(needed, np.array(matches, int).reshape(-1, 2))
    parts = [
        _solve(line, neurons, regions, at.take(needed), low, high, precision)
        for low, high in place
        if regions.finite[[low, high]].all()
    ]
    empty = Neurons.none(len(line.direction), len(precision.scale))
    new = Neurons(*(np.concatenate(fields) for fields in zip(empty, *parts, strict=True)))
    return new, Regions(*(field[regions.finite] for field in regions))


def _clear(line: Line, error: np.ndarray, precision: Precision) -> Bool[np.ndarray, "station"]:
    """Where a gradient would be known well enough beside the jumps of the unknown kinks."""
    jumps = np.abs(line.kinks.jump[line.owner < 0] / precision.scale).max(axis=1)
    return error <= (0.01 if precision.noise.coarse else precision.noise.relative**0.45) * np.median(jumps)


def _solve(
    line: Line, neurons: Neurons, regions: Regions, at: Stations, low: int, high: int, precision: Precision
) -> Neurons:
    """The neurons at the unknown kinks between two measured stations."""
    between = np.arange(at.first[low], at.first[high])
    new = between[line.owner[between] < 0]
    # A neuron whose height hardly changes along the line is crossed without a kink that shows.
    position, met = line.meetings.position, line.meetings.kink >= 0
    others = np.flatnonzero((position > at.t[low]) & (position < at.t[high]) & (met | (neurons.hits > 0)))
    crossed = np.sign(line.meetings.speed[others])
    rest = regions.gradient[high] - regions.gradient[low]
    rest = rest - (neurons.jump[others] * crossed[:, None]).T @ neurons.normal[others]
    jump = line.kinks.jump[new]
    inverse = np.linalg.pinv((jump / precision.scale).T)
    # Normals with n . v = 1, so that their jump is the line's.
    normal = inverse @ (rest / precision.scale[:, None])
    length = np.linalg.norm(normal, axis=1)
    doubt = ((regions.error[low] + regions.error[high]) / precision.scale).max()
    heard = (np.abs(neurons.jump[others]) / precision.scale).max(axis=1, initial=0)
    doubt += np.linalg.norm(heard * neurons.error[others])
    x = line.origin + line.kinks.position[new][:, None] * line.direction
    normal /= length[:, None]
    error = doubt * np.linalg.norm(inverse, axis=1) / length
    offset = -(normal * x).sum(axis=1)
    return Neurons(normal, offset, jump * length[:, None], error, np.zeros(len(new), int))
