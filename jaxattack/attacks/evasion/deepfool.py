"""DeepFool: over the nearest boundary of a model, linearised again and again (Moosavi-Dezfooli et al. 2016).

On a linear model one step goes (1 + overshoot) times the distance |z_i - z_j| / |w_i - w_j| to the boundary.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.deepfool import OVERSHOOT, deepfool
from jaxattack.types import WhiteBox, above_zero, at_least, config


@config
class DeepFool(WhiteBoxAttack):
    """The nearest boundary in the 2-norm.

    Attributes:
        steps: at most; the paper's code takes 50.
        overshoot: how much farther than to the linearised boundary a step goes, above 0.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 50
    overshoot: float = OVERSHOOT

    name = "deepfool"
    paper = "Moosavi-Dezfooli et al. 2016"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        above_zero(overshoot=self.overshoot)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],  # noqa: ARG002 (it leaves what the model says)
        draw: Draw,  # noqa: ARG002 (nothing is random)
    ) -> Examples:
        """As `WhiteBoxAttack`; a step takes a gradient of every class."""
        result = deepfool(box.model, box.variables, x, box.inputs, steps=self.steps, overshoot=self.overshoot)
        return Examples(result.example, int(result.steps.sum()) * box.classes)
