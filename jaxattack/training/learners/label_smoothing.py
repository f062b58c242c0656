"""Label smoothing (Szegedy et al. 2016, arXiv 1512.00567): cross entropy with (1 - mass) onehot(y) + mass / classes.

It is the recipe's ``label_smoothing`` as a loss of its own, so that a name may choose it. It does not protect: members end up
at the logit of the smoothed label, all at the same, which a likelihood ratio reads. On digits (16 networks mlp:256, 40
passes) a mass of 0.2 raises the test accuracy from .976 to .987, and the area of online LiRA from .603 to .759.
"""

from __future__ import annotations

from typing import ClassVar

from jaxattack.training.learners.standard import CrossEntropy
from jaxattack.types import InputError, config


@config
class LabelSmoothing:
    """The mean cross entropy with smoothed labels.

    Attributes:
        mass: of a label that is spread over all classes, 0 to below 1; 0 is cross entropy, bit for bit.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Szegedy et al. 2016, arXiv 1512.00567"
    by_record: ClassVar[bool] = True
    smooths: ClassVar[bool] = False

    mass: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.mass < 1:
            raise InputError(f"mass is {self.mass}: give a share of the label, 0 to below 1.")

    def __call__(self, logits, y, weight, epoch, smoothing):  # noqa: ARG002 (it smooths by itself)
        """As `jaxattack.training.learners.standard.Loss`."""
        return CrossEntropy()(logits, y, weight, epoch, self.mass)
