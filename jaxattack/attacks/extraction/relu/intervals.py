"""What samples of a piecewise linear function along a line say of the intervals between them.

Three neighbouring samples on one straight line certify the intervals between them: a kink there would have to be
undone by another to rounding error. Of an interval that is not certified, with certified straight lines on both
sides, the one kink it may hold lies where the two meet. To ask there would prove nothing: the answer agrees with both
lines if it agrees with one, also where several kinks beside it add up to the same two lines. So the interval is asked
just before and just after, close enough that a kink between them is placed as exactly as answers allow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.noise import Noise, Precision

NARROW = 16
"""Intervals up to so many margins wide are not divided: four lie between the two samples around a predicted kink.

Half 72, 1.00; double 70, 1.05, and one behind a sigmoid in float32, known to 8 bits where it was to 20, is told to be complete.
"""

PLACED, FARTHER = 32, 8
"""How closely a kink is placed, in tolerances over its jump, and how many times as long as the bases of two lines an interval may be in
which they meet. Of 109 stolen networks half of either leaves 108 and 109, 1.00 and 1.01; double of the second 109, 1.00."""

FLAT = float(np.finfo(float).tiny) ** 0.25
"""The scale of an output that is 0 throughout, and what a length of 0 counts as: its square and its inverse are numbers."""


class Line(NamedTuple):
    """The line u + t v."""

    origin: Float[np.ndarray, "feature"]
    direction: Float[np.ndarray, "feature"]

    def at(self, t: Float[np.ndarray, "point"]) -> Float[np.ndarray, "point feature"]:
        """Points of it."""
        return self.origin + t[:, None] * self.direction


class Samples(NamedTuple):
    """What was asked of a line, sorted by t."""

    t: Float[np.ndarray, "sample"]
    y: Float[np.ndarray, "sample output"]


class Resolution(NamedTuple):
    """What can be told apart: tolerance of an answer and width of an interval, both growing with |t|."""

    start: float  # |u|
    speed: float  # |v|
    precision: Precision

    @classmethod
    def of(cls, samples: Samples, line: Line, noise: Noise) -> Resolution:
        """On a line that was asked at these samples first."""
        start, speed = np.linalg.norm(line, axis=1)
        size = start + np.abs(samples.t) * speed
        scale = np.median(np.abs(samples.y[size > 0]) / size[size > 0, None], axis=0)
        return cls(start, speed, Precision(np.maximum(scale, FLAT), noise))

    @property
    def bend(self) -> Float[np.ndarray, "output"]:
        """The smallest jump of the slope that counts."""
        return self.precision.noise.smallest_bend * self.speed * self.precision.scale

    def tolerance(self, t: Float[np.ndarray, "sample"]) -> Float[np.ndarray, "sample output"]:
        """How far each answer may be off."""
        # The floor matters for a line through the origin alone, where an answer of 0 would be known exactly. Half and double 72, 1.00.
        return self.precision.tolerance(self.start + np.maximum(np.abs(t), 2.0**-7) * self.speed)

    def width(self, t: Float[np.ndarray, "sample"]) -> Float[np.ndarray, "sample"]:
        """Samples closer than this say nothing of what is between them."""
        return (self.tolerance(t) / self.bend).min(axis=1)


class View(NamedTuple):
    """What the samples say of the intervals between neighbours."""

    straight: Bool[np.ndarray, "interval"]  # three samples lie on one line
    kink: Bool[np.ndarray, "interval"]  # too narrow to divide, and the straight lines on its two sides meet in it
    open: Bool[np.ndarray, "interval"]  # still to be divided
    meet: Float[np.ndarray, "interval"]  # where certified straight lines on its two sides do; NaN where not inside it
    margin: Float[np.ndarray, "interval"]  # how closely a kink in it can be placed


def read(samples: Samples, resolution: Resolution) -> View:
    """What the samples say."""
    t, gap = samples.t, np.diff(samples.t)
    straight = _straight(samples, resolution)
    meet, jump = _sides(samples, resolution, straight)
    target = np.where(np.isfinite(meet), meet, _middle(t[:-1], t[1:]))
    close = PLACED * (resolution.tolerance(target) / np.maximum(jump, resolution.bend)).min(axis=1)
    margin = np.maximum(resolution.width(target), close)
    narrow = ~straight & (gap <= NARROW * margin)
    return View(straight, narrow & np.isfinite(meet), ~straight & ~narrow, meet, margin)


def _straight(samples: Samples, resolution: Resolution) -> Bool[np.ndarray, "interval"]:
    """Intervals in a triple of samples on one line, of which no two are too close to tell."""
    t, y = samples
    gap, tolerance = np.diff(t), resolution.tolerance(t)
    share = (gap[:-1] / (gap[:-1] + gap[1:]))[:, None]
    off = np.abs(y[1:-1] - (1 - share) * y[:-2] - share * y[2:])
    allowed = tolerance[1:-1] + (1 - share) * tolerance[:-2] + share * tolerance[2:]
    flat = (np.minimum(gap[:-1], gap[1:]) >= resolution.width(t)[1:-1]) & (off <= allowed).all(axis=1)
    return np.append(flat, False) | np.append(False, flat)


def _sides(
    samples: Samples, resolution: Resolution, straight: np.ndarray
) -> tuple[Float[np.ndarray, "interval"], Float[np.ndarray, "interval output"]]:
    """Where the straight lines on the two sides of every interval meet (`View.meet`), and the jump of the slope.

    Each goes through the two ends of the certified run there, or through the two nearest samples.
    """
    t, y = samples
    low = np.arange(len(t) - 1)
    high = low + 1
    first, last = _runs(straight)
    first, last = np.where(first[low] < low, first[low], low - 1), np.where(last[high] > high, last[high], high + 1)
    inside = (first >= 0) & (last < len(t))
    first, last = np.maximum(first, 0), np.minimum(last, len(t) - 1)
    sure = inside & np.append(False, straight[:-1]) & np.append(straight[1:], False)
    width, before, after = (
        np.where(inside, length, 1.0) for length in (t[high] - t[low], t[low] - t[first], t[last] - t[high])
    )
    rise, fall = (y[low] - y[first]) / before[:, None], (y[last] - y[high]) / after[:, None]
    step = crossing(y[high] - fall * width[:, None] - y[low], fall - rise, resolution.precision)
    meets = sure & (step > 0) & (step < width) & (width < FARTHER * np.minimum(before, after))
    return np.where(meets, t[low] + step, np.nan), np.abs(fall - rise)


def crossing(apart: np.ndarray, jump: np.ndarray, precision: Precision) -> Float[np.ndarray, "interval"]:
    """How far on two straight lines meet that differ by ``apart`` here and by ``jump`` in slope: least squares."""
    apart, jump = apart / precision.scale, jump / precision.scale
    square = (jump**2).sum(axis=1)
    return -(apart * jump).sum(axis=1) / np.where(square > 0, square, np.inf)


def _runs(straight: Bool[np.ndarray, "interval"]) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the first and the last sample of the certified run that it is in."""
    number = np.arange(len(straight) + 1)
    first = np.maximum.accumulate(np.where(np.append(False, straight), 0, number))
    last = np.minimum.accumulate(np.where(np.append(straight, False), len(straight), number)[::-1])[::-1]
    return first, last


def next_points(samples: Samples, view: View) -> Float[np.ndarray, "query"]:
    """For every open interval its middle, or just before and just after where its neighbours' lines meet."""
    at = np.flatnonzero(view.open)
    # Half of the 2 72, 1.01; double 1.00.
    low, high, margin = samples.t[at], samples.t[at + 1], 2 * view.margin[at]
    meet = view.meet[at]
    t = np.stack([np.where(np.isfinite(meet), np.nan, _middle(low, high)), meet - margin, meet + margin])
    return t[(t > low + margin) & (t < high - margin)]


def _middle(low: np.ndarray, high: np.ndarray) -> Float[np.ndarray, "interval"]:
    """Halfway in arctan t, where kinks are evenly spread."""
    middle = np.tan((np.arctan(low) + np.arctan(high)) / 2)
    return np.where((middle > low) & (middle < high), middle, low + (high - low) / 2)
