"""A victim in standard form: every number that may be chosen runs around 0, and what was asked is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.types import Inputs


class Coordinates(NamedTuple):
    """x in the victim's records is centre + scale u, and each u is documented as -reach..reach.

    A number documented as constant is none that ``moves``: it is left out of u, and asked at its value.
    """

    centre: Float[np.ndarray, "whole"]
    moves: Bool[np.ndarray, "whole"]
    scale: Float[np.ndarray, "feature"]
    reach: Float[np.ndarray, "feature"]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, inputs: Inputs, *, alike: bool = False) -> Coordinates:
        """As a service documents its records.

        Args:
            inputs: numbers.
            alike: one scale for all features, which keeps distances; otherwise each range becomes -1..1.
        """
        half = (inputs.high - inputs.low).ravel() / 2
        span = half[half > 0]
        scale = np.full_like(span, np.median(span)) if alike and len(span) else span
        return cls((inputs.high + inputs.low).ravel() / 2, half > 0, scale, span / scale, inputs.shape)

    def records(self, u: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query *whole"]:
        """Points as the victim's records; nowhere clipped."""
        x = np.tile(self.centre, (len(u), 1))
        x[:, self.moves] += u * self.scale
        return x.reshape(len(u), *self.shape)

    def points(self, x: Float[np.ndarray, "query *whole"]) -> Float[np.ndarray, "query feature"]:
        """The victim's records as points: `records` the other way round."""
        return (x.reshape(len(x), -1) - self.centre)[:, self.moves] / self.scale

    def fold(
        self, weight: Float[np.ndarray, "neuron feature"], bias: Float[np.ndarray, "neuron"]
    ) -> tuple[Float[np.ndarray, "neuron whole"], Float[np.ndarray, "neuron"]]:
        """A layer of points as the same layer of the victim's records, flattened."""
        full = np.zeros((len(weight), len(self.moves)))
        full[:, self.moves] = weight / self.scale
        return full, bias - full @ self.centre
