"""Records changed a little so that a model labels them otherwise, and the attacks that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.error import Progress
from jaxattack.types.inversion import WhiteBox
from jaxattack.types.oracle import Ledger, Level


class Distances(NamedTuple):
    """How far examples are from their records, in shares of each feature's range.

    Attributes:
        l0: how many features differ by more than a millionth of their range.
        l1: the sum of the changes.
        l2: the root of the sum of their squares.
        linf: the largest change.
    """

    l0: Int[np.ndarray, "record"]
    l1: Float[np.ndarray, "record"]
    l2: Float[np.ndarray, "record"]
    linf: Float[np.ndarray, "record"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evasion:
    """Examples that were made, and whether they fool the victim.

    A record that the victim labels wrong anyway is its own example, at distance 0 and a success among all.

    Attributes:
        attack: the attack's name.
        example: the best of each record, in the units that the victim documents; the farthest that was tried, or what there
            was when it stopped, where none fools the victim.
        right: whether the victim labels the record right.
        success: whether it labels the example wrong.
        distance: of each example.
        questions: asked of the victim about each record.
        first: of them, those until the first example that fooled it; all where none did.
        gradients: of a model at one record each; 0 for an attack that only asks.
        cost: what was asked of an oracle; nothing for an attack on weights.
        converged: whether the attack came to its end.
        complete: whether it did and fooled the victim about some record that it labels right.
        reason: why not, in one sentence; empty when complete.
        notes: what else the attack found, name -> number or text.
        warnings: why its figures may say too little, in sentences.
    """

    attack: str
    example: Float[np.ndarray, "record *feature"]
    right: Bool[np.ndarray, "record"]
    success: Bool[np.ndarray, "record"]
    distance: Distances
    questions: Int[np.ndarray, "record"]
    first: Int[np.ndarray, "record"]
    gradients: int = 0
    cost: Ledger = field(default_factory=Ledger)
    converged: bool = True
    complete: bool = True
    reason: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def among_right(self) -> float:
        """The share of the records labelled right whose example is labelled wrong; NaN where there are none."""
        return float(self.success[self.right].mean()) if self.right.any() else float("nan")

    @property
    def among_all(self) -> float:
        """The share of all records that the victim gets wrong after the attack."""
        return float(self.success.mean())


@runtime_checkable
class EvasionAttack(Protocol):
    """An untargeted evasion: a frozen configuration that is called with a victim and records.

    Attributes:
        name: its name in the registry and in reports.
        white_box: whether it is handed a `WhiteBox`, and not an `Oracle`.
        levels: the access levels that an attack on an oracle can work with; empty for one on weights.
        surrogate: whether it makes its examples on a model of its own, such as a stolen one.
    """

    @property
    def name(self) -> str: ...

    @property
    def white_box(self) -> bool: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def surrogate(self) -> bool: ...

    def __call__(
        self,
        victim: Any,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,
        progress: Progress | None = None,
    ) -> Evasion:
        """Change each record so that the victim does not label it as it is.

        The same seed makes the same examples of the same victim. What happens to a record depends on its place, and on the
        others only where an attack says so.

        Args:
            victim: `WhiteBox` or `Oracle`, as ``white_box`` says.
            x: records, in the units that the victim documents.
            y: their true labels.
            seed: decides everything random.
            surrogate: the model of its own, for the attacks that need one.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: no records, labels that the victim does not have, records of another shape or outside of the
                documented range, no surrogate where one is due, a regressor, or a budget that ends before anything was learnt.
        """
        ...
