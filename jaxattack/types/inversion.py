"""Records made back from a model, and the attacks that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.error import InputError, Progress
from jaxattack.types.model import Model, Variables
from jaxattack.types.oracle import Inputs, Ledger, Level


@dataclass(frozen=True, kw_only=True, eq=False)
class WhiteBox:
    """A victim whose weights the attacker holds: its owner's file, a shared round of training, or a stolen model.

    Attributes:
        model: takes records in the units that ``inputs`` documents.
        variables: what it learnt.
        inputs: the records that it takes.
        classes: how many outputs it has, at least 2.

    Raises:
        InputError: fewer than 2 classes.

    Example:
        >>> model = ja.models.build("softmax", (4,), 3)
        >>> box = ja.WhiteBox(model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(-1, 1, (4,)), classes=3)
        >>> ja.evade(box, ja.attacks.evasion.FGSM(), x=np.zeros((2, 4)), y=np.asarray([0, 1]), records=2).findings.attack.name
        'fgsm'
    """

    model: Model
    variables: Variables
    inputs: Inputs
    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise InputError(f"classes is {self.classes}: inverting a class needs a classifier of at least 2.")


class Frame(NamedTuple):
    """What had been reconstructed after so many steps.

    Attributes:
        step: taken until then.
        x: Float["target *feature"], the best until then.
    """

    step: int
    x: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """Records that were made back.

    Attributes:
        attack: the attack's name.
        target: what each was to be: a class, or the label of the record behind an update.
        x: the best restart of each target, in the units that the victim documents.
        restarts: every restart.
        score: of each restart, higher is better: the victim's confidence in the target, or less the objective; NaN where
            it diverged.
        steps: that each restart took.
        gradients: gradients of the victim at one record each; 0 for a black-box attack.
        cost: what was asked of an oracle; nothing for a white-box attack.
        frames: what was there on the way, by steps.
        draws: records that the attack's generator makes of random latent points, without the victim: what it gives by itself;
            None for an attack without one.
        complete: whether the attack finished; False for the best so far.
        reason: why not, in one sentence; empty when complete.
        notes: what else the attack found, name -> number or text.
    """

    attack: str
    target: Int[np.ndarray, "target"]
    x: Float[np.ndarray, "target *feature"]
    restarts: Float[np.ndarray, "target restart *feature"]
    score: Float[np.ndarray, "target restart"]
    steps: Int[np.ndarray, "target restart"]
    gradients: int = 0
    cost: Ledger = field(default_factory=Ledger)
    frames: tuple[Frame, ...] = ()
    draws: Float[np.ndarray, "draw *feature"] | None = None
    complete: bool = True
    reason: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def diverged(self) -> int:
        """How many restarts ended without a finite reconstruction."""
        return int(np.isnan(self.score).sum())


@runtime_checkable
class InversionAttack(Protocol):
    """An inversion of classes: a frozen configuration that is called with a victim.

    Attributes:
        name: its name in the registry and in reports.
        white_box: whether it is handed a `WhiteBox`, and not an `Oracle`.
        levels: the access levels that a black-box attack can work with; empty for a white-box attack.
        pool: whether it needs records of the attacker's own.
    """

    @property
    def name(self) -> str: ...

    @property
    def white_box(self) -> bool: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def pool(self) -> bool: ...

    def __call__(
        self,
        victim: Any,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Inversion:
        """Make a record of each class.

        The same seed makes the same records of the same victim, whatever the chunk size.

        Args:
            victim: `WhiteBox` or `Oracle`, as ``white_box`` says.
            targets: the classes.
            seed: decides everything random.
            pool: records of the attacker's own, for the attacks that need them.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: a class that the victim does not have, an access level that it cannot work with, a missing pool,
                or a budget that ends before anything was learnt.
        """
        ...
