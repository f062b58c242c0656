"""Normals of neurons from gradients between the critical points of a line.

Between two measured regions the gradient changes by the sum of jump_k n_k' over the kinks between them (' oriented
along the line). With one output one unknown kink may lie between two of them; with more outputs as many may, for their
jumps are known from the line itself, and as many normals follow from one difference by least squares. So q unknown kinks
cost about q / outputs gradients. Those already known are left out: a difference never spans one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.critical_points import Kinks
from jaxattack.attacks.extraction.relu.gradients import Regions, measure, step_share
from jaxattack.attacks.extraction.relu.neurons import Neurons
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.search.lockstep import Search


class Stations(NamedTuple):
    """The regions of a line between neighbouring kinks, in which a gradient may be measured."""

    t: Float[np.ndarray, "station"]
    gap: Float[np.ndarray, "station"]
    slope: Float[np.ndarray, "station output"]
    kinks: Int[np.ndarray, "station"]  # so many come before it
    stretch: Int[np.ndarray, "station"]  # as do so many unresolved intervals


def stations(kinks: Kinks) -> Stations:
    """Those of a line."""
    low, high = np.concatenate([np.stack([kinks.position] * 2), kinks.unresolved.T], axis=1)
    order = np.argsort(low)
    resolved = np.append(np.ones(len(kinks.position), int), np.zeros(len(kinks.unresolved), int))[order]
    low, high = low[order], high[order]
    # Beyond the outermost kinks a region as wide as its distance from the middle of the line serves.
    start = np.append(max(low[0] - 1 - abs(low[0]), kinks.end[0]), high)
    end = np.append(low, min(high[-1] + 1 + abs(high[-1]), kinks.end[1]))
    before, stretch = np.append(0, np.cumsum(resolved)), np.append(0, np.cumsum(1 - resolved))
    slope = np.concatenate([kinks.left, kinks.right[-1:]])[before]
    every = Stations((start + end) / 2, end - start, slope, before, stretch)
    return take(every, every.gap > 0)


def pairs(unknown: Bool[np.ndarray, "kink"], at: Stations) -> Int[np.ndarray, "pair 2"]:
    """Stations whose gradients are to be compared: each with the farthest one that unknown kinks alone part, no more than outputs."""
    matches, low, outputs = [], 0, at.slope.shape[1]
    while low < len(at.t):
        high = low
        for later in range(low + 1, len(at.t)):
            between = unknown[at.kinks[low] : at.kinks[later]]
            if at.stretch[later] != at.stretch[low] or len(between) > outputs or not between.all():
                break
            high = later
        if high > low:
            matches.append((low, high))
        low = max(high, low + 1)
    return np.array(matches, int).reshape(-1, 2)


def normals(kinks: Kinks, unknown: Bool[np.ndarray, "kink"]) -> Search[tuple[Neurons, Regions]]:
    """The neurons at a line's unknown kinks, and the regions measured for them."""
    precision, at, direction = kinks.precision, stations(kinks), kinks.line.direction
    x, dimension, speed = kinks.line.at(at.t), len(direction), np.linalg.norm(direction)
    step = np.minimum(step_share(dimension, precision.noise) * at.gap * speed / np.sqrt(dimension), 1.0)
    matches = pairs(unknown, at)
    # A slope between samples half a gap apart, each off by a tolerance. Half and double of 4 72, at the same queries.
    slack = 4 * precision.tolerance(np.linalg.norm(x, axis=1)) / at.gap[:, None]
    needed = np.unique(matches)
    at = take(at, needed)
    regions = yield from measure(x[needed], step[needed], direction, at.slope, slack[needed], precision)
    parts = [Neurons.none(dimension, len(precision.scale))]
    for low, high in np.searchsorted(needed, matches):
        if regions.finite[[low, high]].all():
            change = regions.gradient[high] - regions.gradient[low]
            error = ((regions.error[low] + regions.error[high]) / precision.scale).max()
            parts.append(
                _solve(kinks, np.arange(int(at.kinks[low]), int(at.kinks[high])), change, error, precision.scale)
            )
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
