"""Critical points of lines, where a piecewise linear function bends: every interval of every line is divided at once.

A network of linear layers and ReLU is piecewise linear along u + t v, and bends where a neuron switches. The samples of
all lines are kept sorted. In every round each interval that may hold a kink (`intervals`) is asked where the straight
lines on its two sides predict one, or in its middle; one round is one call for all lines (Jagielski et al. 2020, "High
accuracy and high fidelity extraction of neural networks", section 4.2, divide one interval after another). A kink is
placed in the end by least squares through all samples of the pieces on its two sides. Isolated kinks take about eight
queries each, where twice as many points as kinks are asked first.

What is told apart follows from the rounding error eps. With S the median of |f| / (|u| + |t| |v|), an answer is taken
to be known to within ``64 eps S (|u| + |t| |v|)``, and a bend to count where the slope jumps by at least
``eps^(1/3) S |v|``. Two kinks closer than some ten times the ratio of these (2e-8 in float64, 1e-2 in float32, for t
and |u| / |v| of order 1) are reported as an interval that was not resolved.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.relu.intervals import (
    Resolution,
    Samples,
    View,
    ask_next,
    crossing,
    read,
    resolution_of,
)
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.types import InputError

FEWEST = 3
"""Samples without which nothing is known of any line."""

ROUNDS, CROWDED = 60, 32
"""Calls at most; and open intervals at most, times the points asked first: more are noise, not kinks."""

Asking = Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], "Kinks"]


class Saturated(InputError):
    """Hardly any answer on some lines holds its digits."""


class Kinks(NamedTuple):
    """The kinks u + t v of all lines, sorted by line and t."""

    line: Int[np.ndarray, "kink"]
    position: Float[np.ndarray, "kink"]  # t
    left: Float[np.ndarray, "kink output"]  # df/dt before it
    right: Float[np.ndarray, "kink output"]
    error: Float[np.ndarray, "kink"]  # how far the position may be off
    unresolved: Float[np.ndarray, "interval 3"]  # line, ends: kinks too close to part, or answers that are not finite
    end: Float[np.ndarray, "line 2"]  # the first and the last t with a finite answer
    scale: Float[np.ndarray, "output"]  # S

    @property
    def jump(self) -> Float[np.ndarray, "kink output"]:
        """The slope after less the slope before."""
        return self.right - self.left


def tangents(points: int, reach: float = 1e4) -> Float[np.ndarray, "point"]:
    """tan(theta) for evenly spaced theta, |t| <= reach: a random neuron's kink on a random line is Cauchy in t."""
    end = np.arctan(reach)
    return np.tan(np.linspace(-end, end, points))


def seek_kinks(
    origin: Float[np.ndarray, "line feature"],
    direction: Float[np.ndarray, "line feature"],
    grid: Float[np.ndarray, "line point"],
    *,
    noise: Noise = Noise(),  # noqa: B008  frozen
) -> Asking:
    """All kinks of all lines u + t v between the ends of their grids: yields the queries of all lines together, once a round.

    The grid, at least 3 points, is asked first. Twice as many points as kinks are expected serve well; a kink is lost
    only where kinks between three neighbours cancel to rounding error.

    Raises:
        Saturated: hardly any answer is finite.
    """
    lines, points = grid.shape
    line, t = np.repeat(np.arange(lines), points), grid.ravel()
    samples, dark = _finite(Samples(line, t, (yield origin[line] + t[:, None] * direction[line])))
    if len(samples.t) < FEWEST:
        raise Saturated(
            f"{len(samples.t)} of the {len(t)} answers on {lines} lines hold all their digits, the confidences of the others "
            "being too near to 0: a network of ReLU cannot be told from them; ask for logits, or choose path-finding."
        )
    resolution = resolution_of(samples, origin, direction, noise)
    calls = 1
    samples, view = _read(samples, dark, resolution)
    while 0 < view.open.sum() <= CROWDED * grid.size and calls < ROUNDS:
        line, t = ask_next(samples, view, predict=calls % 2 == 1)
        calls += 1
        y = yield origin[line] + t[:, None] * direction[line]
        fresh, hidden = _finite(Samples(line, t, y))
        dark = _merge(dark, hidden)
        samples, view = _read(_merge(samples, fresh), dark, resolution)
    return _place(samples, resolution, view)


def _finite(samples: Samples) -> tuple[Samples, Samples]:
    """Samples with finite answers, and the others."""
    mask = np.isfinite(samples.y).all(axis=1)
    return Samples(*(part[mask] for part in samples)), Samples(*(part[~mask] for part in samples))


def _read(samples: Samples, dark: Samples, resolution: Resolution) -> tuple[Samples, View]:
    """What the samples say; intervals in which some answer is not finite are not divided further."""
    samples, view = read(samples, resolution)
    if not len(dark.t):
        return samples, view
    union = _merge(samples, Samples(dark.line, dark.t, np.full_like(dark.y, np.inf)))
    between = np.flatnonzero(np.isfinite(union.y[:, 0]))
    return samples, view._replace(open=view.open & (np.diff(between) == 1))


def _merge(old: Samples, new: Samples) -> Samples:
    union = Samples(*(np.concatenate(pair) for pair in zip(old, new, strict=True)))
    order = np.lexsort((union.t, union.line))
    return Samples(union.line[order], union.t[order], union.y[order])


def _place(samples: Samples, resolution: Resolution, view: View) -> Kinks:
    """Kinks where the straight pieces through all their samples meet."""
    line, t, y = samples
    loose = np.flatnonzero((line[1:] == line[:-1]) & ~view.straight & ~view.kink)
    unresolved = np.stack([line[loose].astype(float), t[loose], t[loose + 1]], axis=1)
    at = np.flatnonzero(view.kink)
    piece = np.append(0, np.cumsum(~view.straight))
    centre, level, slope = _fit(samples, resolution, piece)
    left, right = piece[at], piece[at + 1]
    before, after = (level[p] + slope[p] * (t[at] - centre[p])[:, None] for p in (left, right))
    shift = crossing(after - before, slope[right] - slope[left], resolution.scale)
    tolerance = resolution.tolerance(Samples(line[at], t[at], y[at]))
    jump = np.abs(slope[right] - slope[left])
    error = (tolerance / np.maximum(jump, np.finfo(float).tiny)).min(axis=1)
    start = np.flatnonzero(np.append(True, line[1:] != line[:-1]))
    end = np.full((len(resolution.start), 2), np.nan)
    end[line[start]] = np.stack([t[start], t[np.append(start[1:], len(t)) - 1]], axis=1)
    return Kinks(line[at], t[at] + shift, slope[left], slope[right], error, unresolved, end, resolution.scale)


def _fit(samples: Samples, resolution: Resolution, piece: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre, value there and slope of each straight piece, by least squares weighted by the tolerances."""
    worth = 1 / resolution.tolerance(samples).max(axis=1) ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(piece, worth * column) for column in values.T], axis=1) / total[:, None]

    total = np.bincount(piece, worth)
    centre = mean(samples.t[:, None])[:, 0]
    level = mean(samples.y)
    away = (samples.t - centre[piece])[:, None]
    spread = mean(away**2)
    slope = mean(away * (samples.y - level[piece])) / np.where(spread > 0, spread, np.inf)
    return centre, level, slope
