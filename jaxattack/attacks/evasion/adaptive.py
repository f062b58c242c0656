"""An ascent that knows a detector: its alarm is taken from the loss, by more than one weight (Carlini and Wagner 2017).

The loss is the margin up to `KAPPA`, whichever the ascent has: cross entropy goes on growing beyond the boundary, and outweighs
any alarm there. Before it the ascent is tried as it is, with no alarm: feature squeezing sees what is just behind the boundary, and of 59
MNIST records, with 4 to go in the 2-norm, 53 got past it far beyond the boundary where 9 did with every weight.

How much an alarm must weigh depends on the detector and on the record: too little, and the loss outweighs it where there is much room; too
much, and a record never leaves its place. Steps of PGD in the max norm change every feature by as much, which is what a detector of noise
sees first: it also takes steps along the gradient itself. Of 60 MNIST records behind MagNet, with .2 of the range to go and 150 to 200
steps, each alone got past it:

| weight | PGD along the sign | PGD along the gradient, from the record | APGD along the sign |
| --- | --- | --- | --- |
| 1 | 10% | 33% | 20% |
| 3 | | 40% | 38% |
| 10 | 13% | | 18% |

Of digits behind MagNet, with .2 to go, .1 got 7%, 1 67% and 10 74%; of records of a plane behind feature squeezing, 10 half as many as
none. So each is tried on the records that those before it did not get through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.evasion.projected import PGD
from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.box import in_blocks
from jaxattack.perturb.labels import labels_of
from jaxattack.perturb.losses import Margin, Penalised, Penalty
from jaxattack.types import Model, Variables, WhiteBox

KAPPA = 1.0
"""Of the margin, in logits."""
WEIGHTS = (1.0, 3.0, 10.0, 0.1)
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

    @property
    def bounded(self) -> bool:
        """As the ascent."""
        return self.attack.bounded

    def check(self, classes: int) -> None:
        """As `WhiteBoxAttack`."""
        self.attack.check(classes)

    def craft(
        self, box: WhiteBox, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"], draw: Draw
    ) -> Examples:
        """As `WhiteBoxAttack`; of what fools the model the least alarming counts, and a record that alarms nobody is done."""
        example, pending, gradients = x.copy(), np.arange(len(x)), 0
        alarm = np.full(len(x), np.inf)
        record = np.arange(len(x)) if draw.record is None else draw.record
        for ascent, inside in self._ascents(box):
            part = ascent.craft(inside, x[pending], y[pending], Draw(draw.seed, record[pending]))
            gradients += part.gradients
            raised = np.where(labels_of(box, part.x) == y[pending], np.inf, self._alarm(box, part.x))
            better = (raised < alarm[pending]) | np.isinf(alarm[pending])
            example[pending[better]], alarm[pending[better]] = part.x[better], raised[better]
            pending = pending[alarm[pending] > 0]
            if not len(pending):
                break
        return Examples(example, gradients, {"past the detectors' model": 1 - len(pending) / len(x)})

    def _ascents(self, box: WhiteBox) -> Iterator[tuple[Any, WhiteBox]]:
        """What is tried, and on what: the ascent as an unaware attacker has it, to its end, and by every weight in each direction."""
        yield self.attack.for_transfer(), box
        loss = Penalised(penalty=_Weighed(self.penalty), loss=Margin(kappa=KAPPA))
        for weight in WEIGHTS:
            for ascent in self._directions():
                yield replace(ascent, loss=loss), _with_weight(box, weight)

    def _directions(self) -> tuple[Any, ...]:
        """The ascent; before PGD in the max norm the same along the gradient itself, from the record, where no detector is alarmed.

        A rate of PGD is a length in the max norm, and would be a far shorter step along the gradient: that has the one by default.
        """
        if isinstance(self.attack, PGD) and self.attack.norm == "linf" and self.attack.direction is None:
            along = replace(self.attack, direction="l2", random=False, restarts=1, rate=None)
            return along, self.attack
        return (self.attack,)

    def _alarm(self, box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Float[np.ndarray, "record"]:
        """Of the detectors, 0 where they are sure to stay quiet: it is raised before they refuse, and most of all after."""
        return np.asarray(in_blocks(lambda x: _alarms(self.penalty, box.variables, x), x))


@dataclass(frozen=True)
class _Weighed:
    """A penalty times a weight that is among the variables: another weight is no other program."""

    penalty: Penalty

    def __call__(self, variables: Variables, x: Float[jax.Array, "record *feature"]) -> Float[jax.Array, "record"]:
        """As `Penalty`."""
        return variables.rest[1] * self.penalty(_without_weight(variables), x)


def _with_weight(box: WhiteBox, weight: float) -> WhiteBox:
    """A model among whose variables there is a weight."""
    variables = Variables(box.variables.params, (box.variables.rest, jnp.float32(weight)))
    return replace(box, model=_ignoring_weight(box.model), variables=variables)


def _without_weight(variables: Variables) -> Variables:
    return Variables(variables.params, variables.rest[0])


@cache
def _ignoring_weight(model: Model) -> Model:
    return Model(model.init, lambda variables, x: model.apply(_without_weight(variables), x), model.forward)


@partial(jax.jit, static_argnames="penalty")
def _alarms(penalty: Penalty, variables: Variables, x: jax.Array) -> jax.Array:
    return penalty(variables, x)
