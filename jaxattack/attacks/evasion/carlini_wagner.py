"""The nearest example in the 2-norm (Carlini and Wagner 2017).

On a linear model it is the nearest point of the nearest boundary, where steps are enough and every likely class is a target. Measured
on a softmax regression of digits, 64 records, distance over the least distance (median, largest):

| searches x steps | targets | median | largest |
| --- | --- | --- | --- |
| 9 x 100 | 0 | 1.241 | 1.954 and 4 of 64 not fooled |
| 9 x 1,000 | 0 | 1.001 | 1.092 |
| 9 x 10,000 | 0 | 1.000 | 1.090 |
| 9 x 1,000 | 3 | 1.001 | 1.007 |

The paper's rate of .01 moves a feature by up to half a hundredth of its range: records nearer to a boundary than some of that need a
lower one. Of 40 records of 6 features between .002 and .13 from a linear boundary the farthest example is 2.0% beyond it at .01, however
many steps and searches there are, and 0.3% at .001.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.carlini_wagner import carlini_wagner
from jaxattack.types import InputError, WhiteBox, above_zero, at_least, config


@config
class CarliniWagner(WhiteBoxAttack):
    """The nearest example, by distances in shares of the ranges.

    Attributes:
        kappa: how far another logit must be above the label's; more transfers better.
        searches: for the weight of each record's penalty.
        steps: of Adam in each, at most.
        targets: the likeliest other classes that are each moved to, for the nearest of all, as many as there are at most; 0 to move
            away from the label.
        rate: of Adam, in the space where tanh reaches the edges of the box.

    Raises:
        InputError: a value out of range.
    """

    kappa: float = 0.0
    searches: int = 9
    steps: int = 1000
    targets: int = 0
    rate: float = 0.01

    name = "carlini-wagner"
    paper = "Carlini and Wagner 2017, arXiv 1608.04644"

    def __post_init__(self) -> None:
        if not 0 <= self.kappa < np.inf:
            raise InputError(f"kappa is {self.kappa}: give a margin of at least 0.")
        at_least(0, targets=self.targets)
        at_least(1, searches=self.searches, steps=self.steps)
        above_zero(rate=self.rate)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,  # noqa: ARG002 (nothing is random)
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        ascent = carlini_wagner(
            box.model, box.variables, x, y, box.inputs, kappa=self.kappa, searches=self.searches, steps=self.steps,
            rate=self.rate, targets=min(self.targets, box.classes - 1),
        )  # fmt: skip
        return Examples(ascent.example, int(ascent.gradients.sum()))
