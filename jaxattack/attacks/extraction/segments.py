"""Segments between inputs of a victim: numbers move evenly along one, and each category jumps at a random share of it.

Half of a category is no input: a service refuses it, a pipeline cuts it off, and a substitute has no value for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.search.bisect import Crossings, bisect
from jaxattack.types import Inputs

Label = Callable[[Float[np.ndarray, "query *feature"]], Int[np.ndarray, "query"]]
"""Queries to labels."""


class Segments(NamedTuple):
    """Segments.

    Attributes:
        start: of each.
        end: of each.
        category: which features are categories.
        jump: the share of the segment at which each category jumps; 1 for numbers.
    """

    start: Float[np.ndarray, "segment *feature"]
    end: Float[np.ndarray, "segment *feature"]
    category: Bool[np.ndarray, "*feature"]
    jump: Float[np.ndarray, "segment *feature"]

    @classmethod
    def between(
        cls,
        inputs: Inputs,
        start: Float[np.ndarray, "segment *feature"],
        end: Float[np.ndarray, "segment *feature"],
        rng: np.random.Generator,
    ) -> Segments:
        """Those between inputs; nothing is drawn where there are no categories."""
        category = inputs.categories.reshape(start.shape[1:]) > 0
        jump = rng.random(start.shape) if category.any() else np.ones(start.shape)
        return cls(start, end, category, jump)

    def at(
        self, share: Float[np.ndarray, "point"], segment: Int[np.ndarray, "point"] | slice = slice(None)
    ) -> Float[np.ndarray, "point *feature"]:
        """The points at a share of some segments; of each by default."""
        start, end, jump = self.start[segment], self.end[segment], self.jump[segment]
        share = share.reshape(-1, *[1] * (start.ndim - 1))
        return np.where(self.category, np.where(share < jump, start, end), start + share * (end - start))

    def crossings(self, label: Label, own: Int[np.ndarray, "segment"], other: Int[np.ndarray, "segment"]) -> Crossings:
        """Where a model at hand changes its label along each, nearly to float64's last digits.

        Args:
            label: of the model.
            own: the label of each start.
            other: of each end.
        """
        number = np.arange(len(own))
        # A point of a segment is its number and the share of it.
        start, end = (np.stack([number, np.full(len(own), share)], axis=1) for share in (0.0, 1.0))
        return bisect(
            lambda points: label(self.at(points[:, 1], points[:, 0].astype(int))), start, end, own, label=other
        )
