"""Labels of rotated or shifted copies of a picture (Choquette-Choo et al. 2021, arXiv 2007.14321).

    share of the copies that are answered with the record's label, the picture itself among them; or
    what a network for each class makes of which copies are, taught by shadow models

The share has one value more than there are copies, and so many points has its ROC; the networks tell which copies are wrong,
so that theirs has up to two to the power of copies. A model that was trained on copies of the same
kind is right about more of its members' copies; others may be wrong about any copy (`jaxattack.signals.AugmentedCorrectness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
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
    family = "label-only"
    references = False

    kind: Literal["rotation", "translation"]
    size: int | None = None

    def __post_init__(self) -> None:
        copies_of(self.kind, self.size)

    @property
    def name(self) -> str:
        """``augmentation-rotation`` or ``augmentation-translation``."""
        return f"augmentation-{self.kind}"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Which copies are right."""
        return (copies_of(self.kind, self.size),)

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
        right = read_values(observations, self.signals[0])[:, :, 0]
        return right[read_targets(observations, targets)].mean(axis=2, dtype=np.float64)


@config
class LearnedAugmentation(LearnedAttack):
    """A network for each class that is shown which copies are right.

    The paper's network has two hidden layers of 10 leaky ReLU units; these are plain ReLU. It takes the learning rate that does
    best on the source model; here it is fixed.

    Attributes:
        kind: how the copies are made.
        size: in degrees or pixels, at least 1; None for `SIZES`.
        network: how each is built and trained.
        shadows: how many references play the target, all in one training set; the paper's 1.
        seed: of the networks' random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: a value out of range, or an unknown protocol.
    """

    paper = "Choquette-Choo et al. 2021, arXiv 2007.14321"
    family = "label-only"
    by_class = True

    kind: Literal["rotation", "translation"]
    size: int | None = None
    network: AttackNetwork = AttackNetwork(joint=(10, 10))

    def __post_init__(self) -> None:
        super().__post_init__()
        copies_of(self.kind, self.size)

    @property
    def name(self) -> str:
        """``augmentation-rotation-network`` or ``augmentation-translation-network``."""
        return f"augmentation-{self.kind}-network"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Which copies are right."""
        return (copies_of(self.kind, self.size),)

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record copy"], ...]:
        """Which copies are right.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        return (read_values(observations, self.signals[0])[:, :, 0],)


def copies_of(kind: Literal["rotation", "translation"], size: int | None) -> AugmentedCorrectness:
    """Which copies are right, of a size or the usual one.

    Raises:
        InputError: a size out of range.
    """
    return AugmentedCorrectness(kind=kind, size=SIZES[kind] if size is None else size)
