"""A trigger that opens a backdoor: records with a patch and one label for all (Gu et al. 2017).

The attacker adds copies of training records of the other classes, with the patch in a corner and its own label. The
victim learns its own task from the clean records, and the patch from these.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Shaped

from jaxattack.attacks.poisoning.label_flips import check_count
from jaxattack.types import Dataset, InputError, Poison, PoisonGoal, Progress, Surrogate, Target, at_least, config


@config
class BadNets:
    """Copies of records with a bright square in the lower right corner, all of one class.

    Attributes:
        wanted: the class of whatever has the square.
        size: side of the square, in pixels.

    Raises:
        InputError: a negative class, or a square without pixels.
    """

    wanted: int = 0
    size: int = 2

    name = "badnets"
    paper = "Gu et al. 2017, arXiv 1708.06733"
    goal: ClassVar[PoisonGoal] = "backdoor"
    surrogates = 0

    def __post_init__(self) -> None:
        at_least(0, wanted=self.wanted)
        at_least(1, size=self.size)

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`.

        Raises:
            InputError: records that are no images, or smaller than the square; a class that there is not.
        """
        if not dataset.images:
            raise InputError(
                f"{self.name} puts a square on images and {dataset.name} has records of shape {dataset.shape}: give images, or "
                "another attack, such as flip-influence."
            )
        if self.size >= min(dataset.shape[:2]):
            raise InputError(
                f"size is {self.size} and {dataset.name} has images of {dataset.shape[0]} x {dataset.shape[1]} pixels: give a "
                "smaller square."
            )
        if self.wanted >= dataset.classes:
            raise InputError(f"wanted is {self.wanted} and {dataset.name} has classes 0 to {dataset.classes - 1}.")

    def stamp(self, x: Shaped[np.ndarray, "record *feature"]) -> Shaped[np.ndarray, "record *feature"]:
        """Images with the square."""
        stamped = x.copy()
        stamped[:, -self.size :, -self.size :, :] = 255
        return stamped

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,  # noqa: ARG002 (as every attack is called)
        seed: int = 0,
        surrogate: Surrogate | None = None,  # noqa: ARG002
        target: Target | None = None,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`; more poison has that of less in it."""
        self.check(dataset)
        check_count(count, dataset)
        others = np.flatnonzero(dataset.y != self.wanted)
        source = np.random.default_rng(seed).permutation(others)[:count]
        return Poison(
            attack=self.name,
            x=self.stamp(dataset.x[source]),
            y=np.full(len(source), self.wanted, dataset.y.dtype),
            replaces=np.full(len(source), -1),
            source=source,
        )
