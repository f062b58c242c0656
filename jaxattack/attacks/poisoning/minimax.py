"""Poison that passes a filter by distance and hurts a linear model as much as such poison can (Steinhardt et al. 2017).

The points come from the search for a certificate (`jaxattack.metrics.certificate`): at every step the point of the feasible set
with the largest hinge loss. Points of images are clipped to the range of pixels, which the certificate does not know of.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from jaxattack.attacks.poisoning.label_flips import check_count
from jaxattack.data.sanitise import flat_unit
from jaxattack.metrics.certificate import certify, feasible_set
from jaxattack.types import Dataset, InputError, Poison, PoisonGoal, Progress, Surrogate, Target, at_least, config


@config
class Minimax:
    """Points of the largest hinge loss among those that sphere and slab let through; of two classes.

    Attributes:
        inside: the share of each class's clean records that lie in its sphere, and in its slab.
        norm_squared: of the linear model, at most; the bias among its weights. 0.8 is the authors' for the MNIST digits 1 and 7, with
            pixels from 0 to 1.
        steps: of the search.

    Raises:
        InputError: a value out of range.
    """

    inside: float = 0.7
    norm_squared: float = 0.8
    steps: int = 2000

    name = "minimax"
    paper = "Steinhardt et al. 2017, arXiv 1706.03691"
    goal: ClassVar[PoisonGoal] = "availability"
    surrogates = 0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        if not 0 < self.inside <= 1:
            raise InputError(f"inside is {self.inside}: give a share above 0, at most 1.")
        if not 0 < self.norm_squared < np.inf:
            raise InputError(f"norm_squared is {self.norm_squared}: give a number above 0.")

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`.

        Raises:
            InputError: more than two classes.
        """
        if dataset.classes != 2:
            raise InputError(
                f"{self.name} is for two classes and {dataset.name} has {dataset.classes}: keep two (--classes 1 7), or give another "
                "attack, such as flip-influence."
            )

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,  # noqa: ARG002 (as every attack is called)
        seed: int = 0,
        surrogate: Surrogate | None = None,  # noqa: ARG002
        target: Target | None = None,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002 (it is done at once)
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`.

        The notes say the certificate: what the mean hinge loss on clean records cannot exceed.
        """
        self.check(dataset)
        check_count(count, dataset)
        x = flat_unit(dataset.x)
        feasible = feasible_set(x, dataset.y, self.inside)
        certificate = certify(
            x, dataset.y, count / len(dataset), feasible, norm_squared=self.norm_squared, steps=self.steps
        )
        points, label = certificate.sample(count, seed)
        pixels = points.reshape(count, *dataset.shape)
        if dataset.x.dtype == np.uint8:
            pixels = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
        outside = np.full(count, -1)
        return Poison(
            attack=self.name,
            x=pixels.astype(dataset.x.dtype),
            y=label.astype(dataset.y.dtype),
            replaces=outside,
            source=outside,
            notes={"hinge loss at most": certificate.bound},
        )
