"""Labels of rotated or shifted copies of a picture (Choquette-Choo et al. 2021, arXiv 2007.14321).

    score = share of the copies that are answered with the record's label, the picture itself among them

It has one value more than there are copies, and so many points has its ROC. A model that was trained on copies of the same
kind is right about more of its members' copies; others may be wrong about any copy (`jaxattack.signals.AugmentedCorrectness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.observed import read_targets, read_values
from jaxattack.signals import AugmentedCorrectness
from jaxattack.types import Needs, Observations, Signal, config

SIZES = {"rotation": 4, "translation": 1}
"""Degrees and pixels by default, within the paper's ranges."""


@config
class LabelOnlyAugmentation:
    """The share of augmented copies that are answered with a record's label.

    Attributes:
        kind: how the copies are made.
        size: in degrees or pixels, at least 1; None for `SIZES`.

    Raises:
        InputError: a size below 1, or a turn of more than 180 degrees.
    """

    paper = "Choquette-Choo et al. 2021, arXiv 2007.14321"
    references = False

    kind: Literal["rotation", "translation"]
    size: int | None = None

    def __post_init__(self) -> None:
        self._signal()

    @property
    def name(self) -> str:
        """``augmentation-rotation`` or ``augmentation-translation``."""
        return f"augmentation-{self.kind}"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Which copies are right."""
        return (self._signal(),)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            InputError: NaN or infinite signals; records that are no pictures.
        """
        right = read_values(observations, self._signal())[:, :, 0]
        return right[read_targets(observations, targets)].mean(axis=2, dtype=np.float64)

    def _signal(self) -> AugmentedCorrectness:
        """Which copies are right; it refuses a size that is out of range."""
        return AugmentedCorrectness(kind=self.kind, size=SIZES[self.kind] if self.size is None else self.size)
