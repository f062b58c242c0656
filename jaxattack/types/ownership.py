"""Whether a suspect model was made from somebody's own, and the tests by which its owner tells.

An owner prepares a test once, from what he alone has: weights, records, models of his own. What comes of it is his evidence,
and it is held against each suspect: a copy that a thief made of the model or of its records, or a model of somebody
independent, whom a test must not accuse.

All records are float32 in the units that the victim's network takes, pictures -1..1 (`jaxattack.training.images.as_input`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from jaxattack.error import InputError, Progress
from jaxattack.types.inversion import WhiteBox
from jaxattack.types.learner import Learner
from jaxattack.types.model import Dataset, Variables
from jaxattack.types.oracle import Ledger, Level, Oracle


@dataclass(frozen=True, kw_only=True, eq=False)
class Owner:
    """What the owner of a model has when he prepares a test.

    Attributes:
        victim: his model.
        members: the records that it was trained on, without the marks of a test that has some.
        held_out: records of the same distribution, on which neither the victim nor any reference was trained.
        public: records of the same distribution that anybody may have; references and surrogates were trained on some of them.
        references: models of ``victim.model`` that were trained without the victim and without its records; every leaf leads
            with ``model``.
        surrogates: copies of the victim that the owner made himself, of ``victim.model`` too; None where he made none.

    Raises:
        InputError: records of another shape or with other classes than the victim takes.
    """

    victim: WhiteBox
    members: Dataset
    held_out: Dataset
    public: Dataset
    references: Variables
    surrogates: Variables | None = None

    def __post_init__(self) -> None:
        for name in ("members", "held_out", "public"):
            records: Dataset = getattr(self, name)
            if (records.shape, records.classes) != (self.victim.inputs.shape, self.victim.classes):
                raise InputError(
                    f"{name} has records of shape {records.shape} and {records.classes} classes, and the victim "
                    f"{self.victim.inputs.shape} and {self.victim.classes}: give records of the victim's task."
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What an owner holds against every suspect: fingerprints, a key set, a null, what a regressor has learnt.

    Attributes:
        test: the test's name.
        arrays: all that decides a proof beside the suspect, by name; a run folder keeps them.
        gradients: of models at one record each that preparing took.
        notes: what else preparing told, name -> number or text.
    """

    test: str
    arrays: Mapping[str, Shaped[np.ndarray, "..."]]
    gradients: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a test says of one suspect.

    Attributes:
        score: higher is more likely stolen; only the order of suspects counts.
        p_value: of the test as its paper has it, under "the suspect is independent"; None where the paper has none.
        cost: what was asked of the suspect; nothing where its weights were at hand.
        gradients: of the suspect at one record each.
        notes: what else there is to tell, name -> number or text.

    Raises:
        InputError: a score that is no number, or a p-value outside of 0 to 1.
    """

    score: float
    p_value: float | None = None
    cost: Ledger = field(default_factory=Ledger)
    gradients: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if np.isnan(self.score):
            raise InputError("score is NaN: a test gives every suspect a place in the order.")
        if self.p_value is not None and not 0 <= self.p_value <= 1:
            raise InputError(f"p_value is {self.p_value}: give 0 to 1, or none.")


@runtime_checkable
class OwnershipTest(Protocol):
    """A test of ownership: a frozen configuration.

    Attributes:
        name: its name in the registry and in reports.
        paper: its source.
        white_box: whether it is handed a suspect's `WhiteBox`, and not an `Oracle`.
        levels: the access levels of a suspect that it can work with, least first; empty for one on weights.
        surrogates: whether the owner must have made copies of the victim himself.
    """

    @property
    def name(self) -> str: ...

    @property
    def paper(self) -> str: ...

    @property
    def white_box(self) -> bool: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def surrogates(self) -> bool: ...

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """Make the evidence, once for all suspects.

        Args:
            owner: what he has.
            seed: decides everything random.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: the owner has too little for this test.
        """
        ...

    def __call__(self, suspect: Oracle | WhiteBox, evidence: Evidence, *, seed: int = 0) -> Proof:
        """Hold the evidence against one suspect.

        The same seed gives the same proof; a proof depends on no other suspect.

        Args:
            suspect: `WhiteBox` or `Oracle`, as ``white_box`` says.
            evidence: what `prepare` made.
            seed: decides everything random.

        Raises:
            InputError: a suspect of another task, or an access level that it cannot work with.
        """
        ...


@runtime_checkable
class MarkingTest(OwnershipTest, Protocol):
    """A test of a model into which its owner trained a mark: it has a victim of its own."""

    def mark(self, members: Dataset, *, seed: int = 0) -> Dataset:
        """The owner's records with the marked ones behind them, which are always trained on.

        `prepare` with the same seed, and these records without the marks, finds the same ones again.

        Args:
            members: without marks.
            seed: decides everything random.
        """
        ...

    def learner(self, recipe: Any) -> Learner:
        """How the owner trains the marked model.

        Args:
            recipe: a `jaxattack.training.Recipe`.
        """
        ...
