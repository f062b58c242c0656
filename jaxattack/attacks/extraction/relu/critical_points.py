"""Critical points of a line, where a piecewise linear function bends: all its intervals are divided at once.

A network of linear layers and ReLU is piecewise linear along u + t v, and bends where a neuron switches. In every round
each interval between samples that may hold a kink (`intervals`) is asked where the straight lines on its two sides
predict one, or in its middle; one round is one call (Jagielski et al. 2020, "High accuracy and high fidelity extraction
of neural networks", section 4.2, divide one interval after another). A kink is placed in the end by least squares
through all samples of the pieces on its two sides. Isolated kinks take about eight queries each, where twice as many
points as kinks are asked first.

What is told apart follows from the rounding error eps. With S the median of |f| / (|u| + |t| |v|), an answer is taken
to be known to within ``64 eps S (|u| + |t| |v|)``, and a bend to count where the slope jumps by at least
``eps^(1/3) S |v|``. Two kinks closer than some ten times the ratio of these (2e-8 in float64, 1e-2 in float32, for t
and |u| / |v| of order 1) are reported as an interval that was not resolved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.relu.intervals import Line, Resolution, Samples, View, crossing, next_points, read
from jaxattack.attacks.extraction.relu.noise import Noise, Precision, Saturated
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.search.lockstep import Search

ROUNDS, CROWDED = 60, 32
"""Calls at most; and open intervals at most, times the points asked first: more are noise, not kinks.

Half and double 72, 1.00 for either.
"""


class Kinks(NamedTuple):
    """The kinks of a line, sorted by t."""

    line: Line
    position: Float[np.ndarray, "kink"]  # t
    left: Float[np.ndarray, "kink output"]  # df/dt before it
    right: Float[np.ndarray, "kink output"]
    error: Float[np.ndarray, "kink"]  # how far the position may be off
    unresolved: Float[np.ndarray, "interval 2"]  # their ends: kinks too close to part, or answers that are not finite
    end: Float[np.ndarray, "2"]  # the first and the last t with a finite answer
    precision: Precision  # with S

    @property
    def x(self) -> Float[np.ndarray, "kink feature"]:
        """The critical points."""
        return self.line.at(self.position)

    @property
    def jump(self) -> Float[np.ndarray, "kink output"]:
        """The slope after less the slope before."""
        return self.right - self.left


def tangents(points: int, reach: float) -> Float[np.ndarray, "point"]:
    """tan(theta) for evenly spaced theta, |t| <= reach: a random neuron's kink on a random line is Cauchy in t."""
    end = np.arctan(reach)
    return np.tan(np.linspace(-end, end, points))


def seek_kinks(line: Line, grid: Float[np.ndarray, "point"], noise: Noise) -> Search[Kinks]:
    """All kinks of a line between the ends of an ascending grid: yields its queries, once a round.

    The grid, at least 3 points, is asked first. Twice as many points as kinks are expected serve well; a kink is lost
    only where kinks between three neighbours cancel to rounding error.

    Raises:
        Saturated: hardly any answer is finite.
    """
    samples, dark = _finite(Samples(grid, (yield line.at(grid))))
    if len(samples.t) < 3:
        raise Saturated.of(len(samples.t), len(grid))
    resolution = Resolution.of(samples, line, noise)
    view = _read(samples, dark, resolution)
    for _ in range(1, ROUNDS):
        if not 0 < view.open.sum() <= CROWDED * len(grid):
            break
        t = next_points(samples, view)
        fresh, hidden = _finite(Samples(t, (yield line.at(t))))
        dark = join(dark, hidden)
        samples = join(samples, fresh)
        samples = take(samples, np.argsort(samples.t))
        view = _read(samples, dark, resolution)
    return _place(line, samples, resolution, view)


def _finite(samples: Samples) -> tuple[Samples, Samples]:
    """Samples with finite answers, and the others."""
    mask = np.asarray(np.isfinite(samples.y).all(axis=1))
    return take(samples, mask), take(samples, ~mask)


def _read(samples: Samples, dark: Samples, resolution: Resolution) -> View:
    """What the samples say; intervals in which some answer is not finite are not divided further."""
    view, clear = read(samples, resolution), np.searchsorted(np.sort(dark.t), samples.t)
    return view._replace(open=view.open & (np.diff(clear) == 0))


def _place(line: Line, samples: Samples, resolution: Resolution, view: View) -> Kinks:
    """Kinks where the straight pieces through all their samples meet."""
    t = samples.t
    loose, at = np.flatnonzero(~view.straight & ~view.kink), np.flatnonzero(view.kink)
    piece = np.append(0, np.cumsum(~view.straight))
    centre, level, slope = _fit(samples, resolution, piece)
    left, right = piece[at], piece[at + 1]
    before, after = (level[p] + slope[p] * (t[at] - centre[p])[:, None] for p in (left, right))
    jump = slope[right] - slope[left]
    shift = crossing(after - before, jump, resolution.precision)
    error = (resolution.tolerance(t[at]) / np.maximum(np.abs(jump), np.finfo(float).tiny)).min(axis=1)
    unresolved = np.stack([t[loose], t[loose + 1]], axis=1)
    position = t[at] + shift
    return Kinks(line, position, slope[left], slope[right], error, unresolved, t[[0, -1]], resolution.precision)


def _fit(samples: Samples, resolution: Resolution, piece: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centre, value there and slope of each straight piece, by least squares weighted by the tolerances."""
    worth = 1 / resolution.tolerance(samples.t).max(axis=1) ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(piece, worth * column) for column in values.T], axis=1) / total[:, None]

    total = np.bincount(piece, worth)
    centre = mean(samples.t[:, None])[:, 0]
    level = mean(samples.y)
    away = (samples.t - centre[piece])[:, None]
    spread = mean(away**2)
    slope = mean(away * (samples.y - level[piece])) / np.where(spread > 0, spread, np.inf)
    return centre, level, slope
