"""What every evasion of a model whose weights are at hand does around its formula."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.evasion.outcome import outcome, take_records
from jaxattack.perturb.box import in_blocks
from jaxattack.types import Evasion, Level, Model, Progress, Variables, WhiteBox


class Examples(NamedTuple):
    """What a formula makes of records.

    Attributes:
        x: the examples.
        gradients: that it took of the model at one record each.
    """

    x: Float[np.ndarray, "record *feature"]
    gradients: int


class WhiteBoxAttack:
    """An evasion that has its formula in `craft`."""

    white_box = True
    levels: tuple[Level, ...] = ()
    surrogate = False
    name: str

    def craft(self, box: WhiteBox, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]) -> Examples:
        """Move every record away from its label, whatever the model says of it."""
        raise NotImplementedError

    def __call__(
        self,
        victim: WhiteBox,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,  # noqa: ARG002 (nothing is random)
        surrogate: WhiteBox | None = None,  # noqa: ARG002 (the victim itself is at hand)
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`."""
        x, y = take_records(victim.inputs, victim.classes, x, y)
        right = labels_of(victim, x) == y
        examples = self.craft(victim, x, y)
        if progress:
            progress("records", len(x), len(x))
        return outcome(
            self.name, victim.inputs, x, examples.x, right=right, success=labels_of(victim, examples.x) != y,
            questions=np.zeros(len(x), int), gradients=examples.gradients,
        )  # fmt: skip


def labels_of(box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Int[np.ndarray, "record"]:
    """What a model at hand labels records, in float32."""
    label = in_blocks(lambda x, _: _labels(box.model, box.variables, x), x, np.zeros(len(x), int))
    return label.astype(int)


@partial(jax.jit, static_argnames="model")
def _labels(model: Model, variables: Variables, x: jax.Array) -> jax.Array:
    return model.apply(variables, x).argmax(axis=1)
