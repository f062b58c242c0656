"""Steps along the sign of the gradient of the loss, of at most one size in each feature.

    FGSM           one step                                                         Goodfellow et al. 2015
    BIM            several within the same size                                     Kurakin et al. 2017
    LeastLikely    as many, down the loss of the class that was least likely first   Kurakin et al. 2017

On a linear model of two classes all are optimal in the max norm: a record is fooled where size exceeds margin / |w|_1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.box import share_of_range
from jaxattack.perturb.labels import labels_of, least_likely
from jaxattack.perturb.signs import sign_steps
from jaxattack.types import WhiteBox, at_least, config


class _SignSteps(WhiteBoxAttack):
    """Steps along the sign of the gradient, at the smallest size that fools the model, or the largest where none does."""

    size: float
    steps: int
    sizes: int

    def __post_init__(self) -> None:
        share_of_range(size=self.size)
        at_least(1, steps=self.steps, sizes=self.sizes)

    @property
    def compacts(self) -> bool:
        """As `WhiteBoxAttack`."""
        return self.sizes > 1

    def _toward(
        self,
        box: WhiteBox,  # noqa: ARG002
        x: Float[np.ndarray, "record *feature"],  # noqa: ARG002
    ) -> Int[np.ndarray, "record"] | None:
        """The classes that records move to; None where they move away from their labels."""
        return None

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,  # noqa: ARG002 (nothing is random)
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        example, pending, gradients = x.copy(), np.arange(len(x)), 0
        toward = self._toward(box, x)
        label = y if toward is None else toward
        for number in range(1, self.sizes + 1):
            example[pending] = sign_steps(
                box.model,
                box.variables,
                x[pending],
                label[pending],
                box.inputs,
                size=self.size * number / self.sizes,
                steps=self.steps,
                toward=toward is not None,
            )
            gradients += self.steps * len(pending)
            pending = pending[labels_of(box, example[pending]) == y[pending]]
            if not len(pending):
                break
        return Examples(example, gradients)


@config
class BIM(_SignSteps):
    """Several steps along the sign of the gradient.

    Attributes:
        size: the largest change of a feature, as a share of its range.
        steps: each of size 2.5 size / steps, at most size.
        sizes: that are tried, equally far apart up to ``size``; the smallest that fools the model is kept.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.1
    steps: int = 10
    sizes: int = 1

    name = "bim"
    paper = "Kurakin et al. 2017"


@config
class FGSM(_SignSteps):
    """One step along the sign of the gradient.

    Attributes:
        size: the change of every feature, as a share of its range.
        sizes: that are tried, equally far apart up to ``size``; the smallest that fools the model is kept.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.1
    sizes: int = 1

    name = "fgsm"
    paper = "Goodfellow et al. 2015"
    steps = 1


@config
class LeastLikely(BIM):
    """Several steps toward the class that the model finds least likely of the record.

    Attributes:
        size: the largest change of a feature, as a share of its range.
        steps: each of size 2.5 size / steps, at most size.
        sizes: that are tried, equally far apart up to ``size``; the smallest that fools the model is kept.

    Raises:
        InputError: a value out of range.
    """

    name = "least-likely"

    def _toward(self, box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Int[np.ndarray, "record"]:
        """The class that is least likely of each record."""
        return least_likely(box, x)
