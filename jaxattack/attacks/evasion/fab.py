"""FAB: the nearest example by projections onto the linearised boundary (Croce and Hein 2020)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.box import share_of_range
from jaxattack.perturb.fab import fast_adaptive_boundary
from jaxattack.perturb.norms import Norm
from jaxattack.types import WhiteBox, above_zero, at_least, config


@config
class FAB(WhiteBoxAttack):
    """The nearest example in a norm, toward each of the likeliest other classes: AutoAttack's FAB-T.

    Attributes:
        norm: of the distance.
        size: examples farther than this, in shares of the ranges, do not count, and a record is left alone once it has one as near; by
            default every record's nearest example is looked for, however far.
        steps: toward each target.
        targets: the likeliest other classes, as many as there are at most.

    Raises:
        InputError: a value out of range.
    """

    norm: Norm = "linf"
    size: float | None = None
    steps: int = 100
    targets: int = 9

    name = "fab"
    paper = "Croce and Hein 2020, arXiv 1907.02044"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, targets=self.targets)
        if self.size is not None:
            above_zero(size=self.size)
            if self.norm == "linf":
                share_of_range(size=self.size)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,  # noqa: ARG002 (nothing is random)
    ) -> Examples:
        """As `WhiteBoxAttack`; a record whose nearest example is beyond the size is its own."""
        nearest = fast_adaptive_boundary(
            box.model, box.variables, x, y, box.inputs, norm=self.norm, steps=self.steps,
            targets=min(self.targets, box.classes - 1), size=np.inf if self.size is None else self.size,
        )  # fmt: skip
        return Examples(nearest.example, int(nearest.gradients.sum()))
