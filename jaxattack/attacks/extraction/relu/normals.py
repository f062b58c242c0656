"""Normals of neurons from gradients between the critical points of a line.

Between two measured regions the gradient changes by the sum of jump_k n_k' over the kinks between them (' oriented
along the line). In a network of one hidden layer known neurons jump alike everywhere, so that only unknown kinks part
the regions that are measured. With one output one unknown kink may lie between two of them; with more outputs several
may, for their jumps are known from the line itself, and as many normals as there are independent jumps follow from one
difference by least squares. So q unknown kinks cost about q / outputs gradients. In deeper networks the jumps differ
from place to place, and every unknown kink takes the gradients on its own two sides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.critical_points import Kinks
from jaxattack.attacks.extraction.relu.gradients import Regions, measure, step_share
from jaxattack.attacks.extraction.relu.neurons import Meetings, Neurons
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.search.lockstep import Search

INDEPENDENT = 0.1
"""Smallest singular value of the unit jumps of kinks that share one difference of gradients. Half and double 72, 1.00 and 1.01."""


class Stations(NamedTuple):
    """The regions of a line in which a gradient may be measured: the widest between two neighbouring walls."""

    t: Float[np.ndarray, "station"]
    gap: Float[np.ndarray, "station"]
    slope: Float[np.ndarray, "station output"]
    kinks: Int[np.ndarray, "station"]  # so many come before it, as do so many walls and unresolved intervals
    walls: Int[np.ndarray, "station"]
    stretch: Int[np.ndarray, "station"]


def stations(kinks: Kinks, walls: Bool[np.ndarray, "kink"]) -> Stations:
    """For every stretch between walls and unresolved intervals its widest region."""
    low, high = np.concatenate([np.stack([kinks.position] * 2), kinks.unresolved.T], axis=1)
    order = np.argsort(low)
    kind = np.append(walls, np.full(len(kinks.unresolved), 2))[order]
    low, high = low[order], high[order]
    # Beyond the outermost kinks a region as wide as its distance from the middle of the line serves.
    start = np.append(max(low[0] - 1 - abs(low[0]), kinks.end[0]), high)
    end = np.append(low, min(high[-1] + 1 + abs(high[-1]), kinks.end[1]))
    before, passed, stretch = (np.append(0, np.cumsum(mask)) for mask in (kind != 2, kind == 1, kind == 2))
    slope = np.concatenate([kinks.left, kinks.right[-1:]])[before]
    every = Stations((start + end) / 2, end - start, slope, before, passed, stretch)
    every = take(every, every.gap > 0)
    group = every.walls + (len(kinks.position) + 1) * every.stretch
    order = np.lexsort((-every.gap / (1 + np.abs(every.t)), group))
    return take(every, np.sort(order[np.append(True, np.diff(group[order]) > 0)]))


def pairs(jumps: np.ndarray, unknown: np.ndarray, at: Stations) -> Int[np.ndarray, "pair 2"]:
    """Stations whose gradients are to be compared: each with the farthest one that parts independent unknown jumps.

    Args:
        jumps: Float["wall output"], relative to the function's scale.
        unknown: Bool["wall"].
        at: the stations.
    """
    jumps = jumps / np.linalg.norm(jumps, axis=1)[:, None]
    matches, low = [], 0
    while low < len(at.t):
        high = low
        for later in range(low + 1, min(low + jumps.shape[1], len(at.t) - 1) + 1):
            between = slice(at.walls[low], at.walls[later])
            if at.stretch[later] != at.stretch[low] or len(jumps[between]) > jumps.shape[1]:
                break
            if np.linalg.svd(jumps[between], compute_uv=False).min(initial=1.0) < INDEPENDENT:
                break
            high = later if unknown[between].all() else high
        if high > low:
            matches.append((low, high))
        low = max(high, low + 1)
    return np.array(matches, int).reshape(-1, 2)


def normals(
    kinks: Kinks, unknown: np.ndarray, steady: tuple[Neurons, Meetings] | None = None
) -> Search[tuple[Neurons, Regions]]:
    """The neurons at a line's unknown kinks, Bool["kink"], and the regions measured for them.

    ``steady`` are the neurons of the others where these jump alike everywhere.
    """
    walls, precision = np.ones_like(unknown) if steady is None else unknown, kinks.precision
    at, direction = stations(kinks, walls), kinks.line.direction
    x, dimension, speed = kinks.line.at(at.t), len(direction), np.linalg.norm(direction)
    step = np.minimum(step_share(dimension, precision.noise) * at.gap * speed / np.sqrt(dimension), 1.0)
    tolerance = precision.tolerance(np.linalg.norm(x, axis=1), np.zeros_like(at.slope))
    matches = pairs((kinks.jump / precision.scale)[walls], unknown[walls], at)
    # A slope between samples half a gap apart, each off by a tolerance. Half and double of 4 72, at the same queries.
    needed, slack = np.unique(matches), 4 * tolerance / at.gap[:, None]
    at = take(at, needed)
    regions = yield from measure(x[needed], step[needed], direction, at.slope, slack[needed], precision)
    parts = [Neurons.none(dimension, len(precision.scale))]
    for low, high in np.searchsorted(needed, matches):
        if regions.finite[[low, high]].all():
            change = regions.gradient[high] - regions.gradient[low]
            error = ((regions.error[low] + regions.error[high]) / precision.scale).max()
            if steady is not None:
                neurons, meetings = steady
                # A neuron whose height hardly changes along the line is crossed without a kink that shows.
                shown = (meetings.kink >= 0) | (neurons.hits > 0)
                crossed = (meetings.position > at.t[low]) & (meetings.position < at.t[high]) & shown
                neurons, way = take(neurons, crossed), np.sign(meetings.speed[crossed])
                change = change - (neurons.jump * way[:, None]).T @ neurons.normal
                weight = (np.abs(neurons.jump) / precision.scale).max(axis=1, initial=0)
                error += np.linalg.norm(weight * neurons.error)
            between = np.arange(int(at.kinks[low]), int(at.kinks[high]))
            parts.append(_solve(kinks, between[unknown[between]], change, error, precision.scale))
    return join(*parts), take(regions, regions.finite)


def _solve(kinks: Kinks, new: np.ndarray, change: np.ndarray, doubt: float, scale: np.ndarray) -> Neurons:
    """The neurons at some kinks from the change of the gradient that is theirs."""
    jump, x = kinks.jump[new], kinks.x[new]
    inverse = np.linalg.pinv((jump / scale).T)
    # Normals with n . v = 1, so that their jump is the line's.
    normal = inverse @ (change / scale[:, None])
    length = np.linalg.norm(normal, axis=1)
    normal /= length[:, None]
    error = doubt * np.linalg.norm(inverse, axis=1) / length
    return Neurons(x, normal, -(normal * x).sum(axis=1), jump * length[:, None], error, np.zeros(len(new), int))
