"""Gradients between the kinks of a line, by forward differences: one a region, shared by the kinks on its two sides.

A region's gradient takes one base point and one step along each feature. What no probe has to check the line itself
does: the gradient times the line's direction is the slope that the search has already measured, so that a step that
crossed some neuron's hyperplane is noticed; another line shows the neuron that was missed then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.noise import GRAIN, Noise, Precision
from jaxattack.attacks.search.lockstep import Search

BATCH = 1 << 23
"""Numbers that one call asks at most: 64 MiB."""


class Regions(NamedTuple):
    """Points inside linear regions and the function there; a gradient that could not be measured is NaN."""

    x: Float[np.ndarray, "region feature"]
    value: Float[np.ndarray, "region output"]
    gradient: Float[np.ndarray, "region output feature"]
    error: Float[np.ndarray, "region output"]  # how far a component of the gradient may be off

    @classmethod
    def none(cls, features: int, outputs: int) -> Regions:
        """Nothing measured yet."""
        y = np.zeros((0, outputs))
        return cls(np.zeros((0, features)), y, np.zeros((0, outputs, features)), y)

    @property
    def finite(self) -> Bool[np.ndarray, "region"]:
        """Where the gradient was measured."""
        return np.all(np.isfinite(self.gradient), axis=(1, 2))


def step_share(features: int, noise: Noise) -> float:
    """The step of a difference, as a share of the gap between two kinks.

    A neighbouring hyperplane is crossed by a step s along a feature where |n . v| gap / 2 < s |n_j|. For random n the
    largest n_j is about sqrt(2 ln d), and one of the two is crossed with probability 4 sqrt(2 / pi) s sqrt(2 ln d / d): by
    sqrt(pi / 32) = 0.3 on as many regions as the other factor says, which are lost. Coarse arithmetic needs longer steps.
    Half and double of 1% leave 24 of 26 networks up to 500-100-1 stolen, .99 and 1.01.
    """
    return 0.3 * (0.3 if noise.coarse else 0.01) * np.sqrt(features / max(2 * np.log(features), 1.0))


def measure(
    x: Float[np.ndarray, "region feature"],
    step: Float[np.ndarray, "region"],
    direction: Float[np.ndarray, "feature"],
    slope: Float[np.ndarray, "region output"],
    slope_error: Float[np.ndarray, "region output"],
    precision: Precision,
) -> Search[Regions]:
    """The gradients of regions, at a point x inside of each, where a line of that direction changes by that slope."""
    value, gradient = yield from differences(x, np.tile(step[:, None], len(direction)), precision.noise)
    error = precision.tolerance(np.linalg.norm(x, axis=1)) / step[:, None]
    off = np.abs(gradient @ direction - slope)
    good = np.asarray(np.all(off <= slope_error + error * np.linalg.norm(direction), axis=1))
    return Regions(x, value, np.where(good[:, None, None], gradient, np.nan), error)


def differences(
    x: Float[np.ndarray, "region feature"], step: Float[np.ndarray, "region feature"], noise: Noise
) -> Search[tuple[np.ndarray, np.ndarray]]:
    """Value and forward differences at each of one point or more, `BATCH` numbers a call.

    A victim that computes with fewer digits than the queries have rounds them first: then points and steps are
    multiples of `GRAIN`, which it takes as they are.
    """
    if noise.coarse:
        x = np.round(x / GRAIN) * GRAIN
        step = np.where(step < 0, -1, 1) * np.maximum(np.round(np.abs(step) / GRAIN), 1) * GRAIN
    features, values, gradients = x.shape[1], [], []
    along, size = np.arange(features), max(BATCH // (features * (features + 1)), 1)
    for at in range(0, len(x), size):
        base = x[at : at + size]
        query = np.repeat(base[:, None], features + 1, axis=1)
        query[:, along + 1, along] += step[at : at + size]
        added = query[:, along + 1, along] - base  # what was, after rounding
        y = yield query.reshape(-1, features)
        y = y.reshape(len(base), features + 1, -1)
        values.append(y[:, 0])
        gradients.append(np.swapaxes((y[:, 1:] - y[:, :1]) / added[:, :, None], 1, 2))
    return np.concatenate(values), np.concatenate(gradients)
