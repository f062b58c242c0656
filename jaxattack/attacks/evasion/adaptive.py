"""An ascent that knows a detector: its alarm is taken from the loss, by more than one weight (Carlini and Wagner 2017).

The loss is the margin up to `KAPPA`, whichever the ascent has: cross entropy goes on growing beyond the boundary, and outweighs
any alarm there.

How much an alarm must weigh depends on the detector: too little, and the loss outweighs it where there is much room; too much, and a
record never leaves its place. Of digits behind MagNet, with .2 of the range to go, PGD fooled 7, 67 and 74% by the weights .1, 1 and
10; of records of a plane behind feature squeezing, by 10 half as many as without. So each weight is tried on the records that those
before it did not get through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.box import in_blocks
from jaxattack.perturb.labels import labels_of
from jaxattack.perturb.losses import Margin, Penalised, Penalty
from jaxattack.types import Variables, WhiteBox

KAPPA = 1.0
"""Of the margin, in logits."""
WEIGHTS = (1.0, 10.0, 0.1)
"""Of the alarm, in the order in which they are tried."""


@dataclass(frozen=True, kw_only=True)
class Adaptive(WhiteBoxAttack):
    """An ascent of the margin, less the alarm of a detector.

    Attributes:
        attack: with a ``loss``.
        penalty: the alarm, of the model that is attacked.
    """

    attack: Any
    penalty: Penalty

    paper = "Carlini and Wagner 2017, arXiv 1705.07263"

    @property
    def name(self) -> str:  # type: ignore[override]
        """``adaptive-pgd``: after the ascent."""
        return f"adaptive-{self.attack.name}"

    def check(self, classes: int) -> None:
        """As `WhiteBoxAttack`."""
        self.attack.check(classes)

    def craft(
        self, box: WhiteBox, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"], draw: Draw
    ) -> Examples:
        """As `WhiteBoxAttack`; the first weight that gets a record through is the one that counts."""
        example, pending, gradients = x.copy(), np.arange(len(x)), 0
        record = np.arange(len(x)) if draw.record is None else draw.record
        for weight in WEIGHTS:
            loss = Penalised(penalty=self.penalty, loss=Margin(kappa=KAPPA), weight=weight)
            part = replace(self.attack, loss=loss).craft(box, x[pending], y[pending], Draw(draw.seed, record[pending]))
            example[pending], gradients = part.x, gradients + part.gradients
            through = (labels_of(box, part.x) != y[pending]) & self._quiet(box, part.x)
            pending = pending[~through]
            if not len(pending):
                break
        return Examples(example, gradients, {"past the detectors' model": 1 - len(pending) / len(x)})

    def _quiet(self, box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Bool[np.ndarray, "record"]:
        alarm = in_blocks(lambda x: _alarms(self.penalty, box.variables, x), x)
        return alarm <= 0


@partial(jax.jit, static_argnames="penalty")
def _alarms(penalty: Penalty, variables: Variables, x: jax.Array) -> jax.Array:
    return penalty(variables, x)
