"""Gradients between the kinks of a line, by forward differences: one a region, shared by the kinks on its two sides.

A region's gradient takes one base point and one step along each feature. What no probe has to check the line itself
does: the gradient times the line's direction is the slope that the search has already measured, so that a step that
crossed some neuron's hyperplane is noticed, and the region is asked once more with a step an eighth as long.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.noise import Noise

BATCH = 1 << 23
"""Numbers that one call asks at most: 64 MiB."""

ATTEMPTS = 3
GRAIN = 2.0**-14


class Precision(NamedTuple):
    """How well answers are known.

    Attributes:
        scale: Float["output"], the median of |f| / |x| over a line.
        noise: of the answers.
    """

    scale: Float[np.ndarray, "output"]
    noise: Noise

    def tolerance(
        self, x: Float[np.ndarray, "query feature"], y: Float[np.ndarray, "query output"]
    ) -> Float[np.ndarray, "query output"]:
        """How far each answer may be off."""
        size = np.linalg.norm(x, axis=1)[:, None]
        return 64 * self.noise.relative * (size * self.scale + np.abs(y)) + 2 * self.noise.absolute


class Regions(NamedTuple):
    """Points inside linear regions and the function there.

    Attributes:
        x: Float["region feature"].
        value: Float["region output"].
        gradient: Float["region output feature"]; NaN where it could not be measured.
        error: Float["region output"], how far a component of the gradient may be off.
    """

    x: Float[np.ndarray, "region feature"]
    value: Float[np.ndarray, "region output"]
    gradient: Float[np.ndarray, "region output feature"]
    error: Float[np.ndarray, "region output"]

    @classmethod
    def none(cls, features: int, outputs: int) -> Regions:
        """No regions yet."""
        return cls(np.zeros((0, features)), *_unmeasured(0, outputs, features))

    @property
    def finite(self) -> Bool[np.ndarray, "region"]:
        """Where the gradient was measured."""
        return np.all(np.isfinite(self.gradient), axis=(1, 2))

    def join(self, other: Regions) -> Regions:
        """These and others."""
        return Regions(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


Asking = Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], Regions]


def step_share(features: int, noise: Noise) -> float:
    """The step of a difference, as a share of the gap between two kinks.

    A neighbouring hyperplane is crossed by a step s along a feature where |n . v| gap / 2 < s |n_j|. For random n that
    happens on at most 2% of all regions when s is the share returned. Coarse arithmetic needs longer steps: 30%.
    """
    return 0.3 * (0.3 if noise.coarse else 0.02) * np.sqrt(features / max(2 * np.log(features), 1.0))


def measure(
    x: Float[np.ndarray, "region feature"],
    step: Float[np.ndarray, "region"],
    direction: Float[np.ndarray, "region feature"],
    slope: Float[np.ndarray, "region output"],
    slope_error: Float[np.ndarray, "region output"],
    precision: Precision,
) -> Asking:
    """The gradient of every region, as a generator: it yields queries and is sent their answers.

    Args:
        x: a point inside each region.
        step: of the differences.
        direction: v of the lines that they lie on.
        slope: df/dt there.
        slope_error: how far it may be off.
        precision: of the answers.
    """
    regions = Regions(x, *_unmeasured(len(x), slope.shape[1], x.shape[1]))
    step = step.copy()
    for _ in range(ATTEMPTS):
        open_ = np.flatnonzero(~regions.finite)
        size = max(BATCH // (x.shape[1] * (x.shape[1] + 1)), 1)
        for at in range(0, len(open_), size):
            part = open_[at : at + size]
            value, gradient = yield from differences(
                x[part], np.repeat(step[part, None], x.shape[1], axis=1), precision.noise
            )
            error = precision.tolerance(x[part], value) / step[part, None]
            off = np.abs((gradient @ direction[part, :, None])[:, :, 0] - slope[part])
            good = (off <= slope_error[part] + error * np.linalg.norm(direction[part], axis=1)[:, None]).all(axis=1)
            regions.value[part] = value
            regions.gradient[part[good]], regions.error[part[good]] = gradient[good], error[good]
        step /= 8
    return regions


def differences(
    x: Float[np.ndarray, "region feature"], step: Float[np.ndarray, "region feature"], noise: Noise
) -> Generator[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Value and forward differences at each point, in one call.

    A victim that computes with fewer digits than the queries have rounds them first: then points and steps are
    multiples of 2^-14, which it takes as they are.
    """
    if noise.coarse:
        x = np.round(x / GRAIN) * GRAIN
        step = np.where(step < 0, -1, 1) * np.maximum(np.round(np.abs(step) / GRAIN), 1) * GRAIN
    count, features = x.shape
    query = np.repeat(x[:, None], features + 1, axis=1)
    along = np.arange(features)
    query[:, along + 1, along] += step
    # What was added after rounding.
    added = query[:, along + 1, along] - x
    y = yield query.reshape(-1, features)
    y = y.reshape(count, features + 1, -1)
    return y[:, 0], np.swapaxes((y[:, 1:] - y[:, :1]) / added[:, :, None], 1, 2)


def _unmeasured(regions: int, outputs: int, features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.full((regions, outputs), np.nan),
        np.full((regions, outputs, features), np.nan),
        np.full((regions, outputs), np.inf),
    )
