"""What every evasion of a model whose weights are at hand does around its formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.evasion.outcome import as_read, outcome, take_records
from jaxattack.perturb.labels import labels_of
from jaxattack.types import Evasion, Inputs, Level, Progress, WhiteBox

UNDONE = "examples that fool no longer as whole numbers"
"""The note of how many there are, where the victim reads whole numbers."""


class Examples(NamedTuple):
    """What a formula makes of records.

    Attributes:
        x: the examples.
        gradients: that it took of the model at one record each.
        notes: what else it found, name -> number or text.
    """

    x: Float[np.ndarray, "record *feature"]
    gradients: int
    notes: Mapping[str, Any] = {}


class Draw(NamedTuple):
    """What decides what is random about records.

    Attributes:
        seed: of all of them.
        record: the number of each; its place where there are none.
    """

    seed: int = 0
    record: Int[np.ndarray, "record"] | None = None


class WhiteBoxAttack(ABC):
    """An evasion that has its formula in `craft`."""

    white_box = True
    levels: tuple[Level, ...] = ()
    surrogate = False
    name: str

    @property
    def compacts(self) -> bool:
        """Whether it goes on with the records that are left, in other rows than before."""
        return False

    @property
    def bounded(self) -> bool:
        """Whether its examples are within a size."""
        return getattr(self, "size", None) is not None

    @abstractmethod
    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
    ) -> Examples:
        """Move every record away from its label, whatever the model says of it; `examples` makes numbers whole where they must be.

        Args:
            box: the model.
            x: records.
            y: their labels.
            draw: decides everything random.
        """

    def examples(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
        inputs: Inputs | None = None,
    ) -> Examples:
        """What it makes of records, as whoever is to be fooled reads it; rounding may undo an example, which the notes tell.

        Args:
            box: the model.
            x: records.
            y: their labels.
            draw: decides everything random.
            inputs: of whoever is to be fooled; None for those of the model.
        """
        made, inputs = self.craft(box, x, y, draw), inputs or box.inputs
        example = np.clip(as_read(inputs, x, made.x, within=self.bounded), inputs.low, inputs.high)
        if not inputs.whole:
            return made._replace(x=example)
        undone = (labels_of(box, made.x) != y) & (labels_of(box, example) == y)
        notes = {UNDONE: int(undone.sum())} if undone.any() else {}
        return Examples(example, made.gradients, {**made.notes, **notes})

    def for_transfer(self) -> WhiteBoxAttack:
        """The attack as it makes examples for another model: one that stops at the boundary of its own goes on."""
        return self

    def check(self, classes: int) -> None:  # noqa: B027 (most formulas work with two classes)
        """Refuse a model of too few classes.

        Raises:
            InputError: it has fewer than the formula needs.
        """

    def __call__(
        self,
        victim: WhiteBox,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,  # noqa: ARG002 (the victim itself is at hand)
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`."""
        x, y = take_records(victim.inputs, victim.classes, x, y)
        right = labels_of(victim, x) == y
        self.check(victim.classes)
        examples = self.examples(victim, x, y, Draw(seed))
        if progress:
            progress("records", len(x), len(x))
        return outcome(
            self.name, victim.inputs, x, examples.x, right=right, success=labels_of(victim, examples.x) != y,
            questions=np.zeros(len(x), int), gradients=examples.gradients, notes=examples.notes,
        )  # fmt: skip
