"""Ascents of a loss within a ball around each record.

    PGD       from random starts, of steps of one length                        Madry et al. 2018
    MIFGSM    from the record, with momentum: its examples transfer further      Dong et al. 2018
    APGD      from random starts or to several targets, of steps that adapt     Croce and Hein 2020

On a linear model of two classes all are optimal: a record is fooled where size exceeds its margin / |w|, in the dual norm.
A size in l2 is large where there are many features: half of each feature's range is .5 sqrt(d).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.ascent import Aim, Ascent, Climb
from jaxattack.perturb.auto_projected import auto_projected_steps
from jaxattack.perturb.box import share_of_range
from jaxattack.perturb.losses import DLR, CrossEntropy, Loss
from jaxattack.perturb.norms import Norm
from jaxattack.perturb.projected import projected_steps
from jaxattack.types import InputError, WhiteBox, above_zero, at_least, config

FLAT = "records without a gradient at their start"
"""The note of how many records an ascent could not begin to climb."""


class _Ball(WhiteBoxAttack):
    """What ascents within a ball have in common."""

    norm: Norm
    size: float
    loss: Loss

    def _check_ball(self) -> None:
        above_zero(size=self.size)
        if self.norm == "linf":
            share_of_range(size=self.size)

    @property
    @abstractmethod
    def _attempts(self) -> tuple[int, bool]:
        """How many there are, and whether they are targets."""

    def _climb(
        self, box: WhiteBox, x: np.ndarray, y: np.ndarray, draw: Draw, *, early: bool, direction: Norm | None = None
    ) -> Climb:
        aim = Aim(box.model, self.loss, self.norm, *self._attempts, early, direction)
        return Climb(aim, box.variables, x, y, box.inputs, self.size, draw.seed, draw.record)

    def check(self, classes: int) -> None:
        """As `WhiteBoxAttack`: the loss needs so many, and there are so many targets."""
        attempts, targeted = self._attempts
        fewest = max(self.loss.fewest_classes(targeted=targeted), attempts + 1 if targeted else 2)
        if classes < fewest:
            what = f"{attempts} targets" if attempts + 1 == fewest else f"loss {type(self.loss).__name__}"
            raise InputError(
                f"{self.name} with {what} needs {fewest} classes and the victim has {classes}: give fewer targets, or "
                "an attack on the cross entropy, as pgd and apgd are."
            )


@config
class PGD(_Ball):
    """Projected gradient ascent.

    Attributes:
        norm: of the ball.
        size: of the ball, in shares of the ranges.
        steps: of each restart.
        rate: the length of a step, in shares of the ranges; 2.5 size / steps by default, which reaches across the ball.
        restarts: random starts in the ball.
        loss: what is raised.
        early: leave a record alone once an example of it fools the model.
        direction: the norm in which a step is the steepest, and has its length; that of the ball by default. In a ball of the max norm
            steps along the gradient itself (l2) leave features alone that change little, where a detector would see them.
        random: start at random points of the ball, and not at the record.

    Raises:
        InputError: a value out of range, or restarts that begin where the first does.
    """

    norm: Norm = "linf"
    size: float = 0.1
    steps: int = 40
    rate: float | None = None
    restarts: int = 1
    loss: Loss = CrossEntropy()
    early: bool = True
    direction: Norm | None = None
    random: bool = True

    name = "pgd"
    paper = "Madry et al. 2018, arXiv 1706.06083"

    def __post_init__(self) -> None:
        self._check_ball()
        at_least(1, steps=self.steps, restarts=self.restarts)
        if self.rate is not None:
            above_zero(rate=self.rate)
        if self.restarts > 1 and not self.random:
            raise InputError(
                f"restarts is {self.restarts} and random is False: all would be alike, leave one of them out."
            )

    @property
    def _attempts(self) -> tuple[int, bool]:
        return self.restarts, False

    def for_transfer(self) -> PGD:
        """As `WhiteBoxAttack`."""
        return replace(self, early=False)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        climb = self._climb(box, x, y, draw, early=self.early, direction=self.direction)
        return _examples(projected_steps(climb, rate=self._rate(x[0].size), steps=self.steps, random=self.random))

    def _rate(self, features: int) -> float:
        """The length of a step: of the ball's radius, in the norm of the direction, 2.5 times in all."""
        across = {("linf", "l2"): features**0.5, ("l2", "linf"): features**-0.5}
        radius = self.size * across.get((self.norm, self.direction or self.norm), 1.0)
        return 2.5 * radius / self.steps if self.rate is None else self.rate


@config
class MIFGSM(_Ball):
    """Steps along the sign of a running sum of gradients, each of length 1 in the 1-norm, to the end.

    Attributes:
        norm: of the ball.
        size: of the ball, in shares of the ranges.
        steps: each of length size / steps.
        momentum: how much of the sum is left after a step.
        loss: what is raised.

    Raises:
        InputError: a value out of range.
    """

    norm: Norm = "linf"
    size: float = 0.1
    steps: int = 10
    momentum: float = 1.0
    loss: Loss = CrossEntropy()

    name = "mi-fgsm"
    paper = "Dong et al. 2018, arXiv 1710.06081"

    def __post_init__(self) -> None:
        self._check_ball()
        at_least(1, steps=self.steps)
        if not 0 <= self.momentum < np.inf:
            raise InputError(f"momentum is {self.momentum}: give a finite number of at least 0.")

    @property
    def _attempts(self) -> tuple[int, bool]:
        return 1, False

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        return _examples(
            projected_steps(
                self._climb(box, x, y, draw, early=False),
                rate=self.size / self.steps, steps=self.steps, random=False, momentum=self.momentum,
            )
        )  # fmt: skip


@config
class APGD(_Ball):
    """Projected gradient ascent that chooses its step sizes itself.

    Attributes:
        norm: of the ball.
        size: of the ball, in shares of the ranges.
        steps: of each restart or target.
        loss: what is raised.
        restarts: random starts on the surface of the ball, where there are no targets.
        targets: the likeliest other classes that are moved to; 0 to move away from the label.
        early: leave a record alone once an example of it fools the model.

    Raises:
        InputError: a value out of range, or restarts and targets at once.
    """

    norm: Norm = "linf"
    size: float = 0.1
    steps: int = 100
    loss: Loss = CrossEntropy()
    restarts: int = 1
    targets: int = 0
    early: bool = True

    paper = "Croce and Hein 2020, arXiv 2003.01690"

    def __post_init__(self) -> None:
        self._check_ball()
        at_least(1, steps=self.steps, restarts=self.restarts)
        at_least(0, targets=self.targets)
        if self.targets and self.restarts > 1:
            raise InputError(
                f"restarts is {self.restarts} and targets is {self.targets}: each target has one start, leave one of them out."
            )

    @property
    def name(self) -> str:
        """``apgd-ce``, ``apgd-dlr`` or ``apgd-t``: after the loss and the targets."""
        kind = "t" if self.targets else {CrossEntropy: "ce", DLR: "dlr"}.get(type(self.loss), type(self.loss).__name__)
        return f"apgd-{kind.lower()}"

    @property
    def _attempts(self) -> tuple[int, bool]:
        return self.targets or self.restarts, bool(self.targets)

    def for_transfer(self) -> APGD:
        """As `WhiteBoxAttack`."""
        return replace(self, early=False)

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        return _examples(auto_projected_steps(self._climb(box, x, y, draw, early=self.early), steps=self.steps))


def _examples(ascent: Ascent) -> Examples:
    flat = int(ascent.flat.sum())
    notes: dict[str, Any] = {FLAT: flat} if flat else {}
    return Examples(ascent.example, int(ascent.gradients.sum()), notes)
