"""JSMA: few features are changed, in pairs that a saliency map picks (Papernot et al. 2016)."""

from __future__ import annotations

from math import prod

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.saliency import saliency_steps
from jaxattack.types import InputError, WhiteBox, at_least, config


@config
class JSMA(WhiteBoxAttack):
    """Pairs of features, one after the other.

    Attributes:
        theta: the change of a feature, as a share of its range, from -1 to 1; the paper raises pixels to the edge.
        gamma: the share of the features that may change; of at least one pair. The paper's is .145.
        targets: the likeliest other classes that are moved to, as many as there are at most; the first that is through decides.

    Raises:
        InputError: a value out of range.
    """

    theta: float = 1.0
    gamma: float = 0.145
    targets: int = 3

    name = "jsma"
    paper = "Papernot et al. 2016, arXiv 1511.07528"

    def __post_init__(self) -> None:
        if not 0 < abs(self.theta) <= 1:
            raise InputError(f"theta is {self.theta}: give a share of the range from -1 to 1, and not 0.")
        if not 0 < self.gamma <= 1:
            raise InputError(f"gamma is {self.gamma}: give a share of the features above 0, at most 1.")
        at_least(1, targets=self.targets)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,  # noqa: ARG002 (nothing is random)
    ) -> Examples:
        """As `WhiteBoxAttack`; a step takes two gradients for each target."""
        ascent = saliency_steps(
            box.model, box.variables, x, y, box.inputs, theta=self.theta,
            steps=max(1, int(self.gamma * prod(box.inputs.shape) / 2)), targets=min(self.targets, box.classes - 1),
        )  # fmt: skip
        return Examples(ascent.example, int(ascent.gradients.sum()))
