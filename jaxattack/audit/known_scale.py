"""Tables for networks that an audit of a reconstruction trains: columns far from one scale, put on that of known records.

What such networks learn of columns as they were measured is the column of the largest range. Their scale is taken from records
that the attacker knows, so that it tells nothing of the one that is looked for, and victims and shadow models share it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.types import Dataset


class Scale(NamedTuple):
    """What is taken off columns, and what they are then divided by.

    Attributes:
        mean: of the known records; 0 for columns that stay.
        deviation: likewise; 1 for those that stay, or that are constant.
    """

    mean: Float[np.ndarray, "feature"]
    deviation: Float[np.ndarray, "feature"]

    @classmethod
    def of(cls, dataset: Dataset, known: Int[np.ndarray, "record"], columns: tuple[bool, ...]) -> Scale:
        """That of known records in some columns."""
        records = dataset.x[known].astype(np.float64)
        spread = np.where(np.ptp(records, axis=0) > 0, records.std(axis=0), 1.0)
        return cls(np.where(columns, records.mean(axis=0), 0.0), np.where(columns, spread, 1.0))

    def on(self, dataset: Dataset) -> Dataset:
        """The same records on it."""
        return replace(dataset, x=((dataset.x - self.mean) / self.deviation).astype(np.float32))

    def off(self, x: Shaped[np.ndarray, "record feature"]) -> Float[np.ndarray, "record feature"]:
        """Records as they were measured."""
        return x * self.deviation + self.mean
