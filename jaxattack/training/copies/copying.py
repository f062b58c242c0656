"""What a thief has of a victim, and how he makes a model of his own of it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import PRNGKeyArray

from jaxattack.models import ModelSource
from jaxattack.training.recipe import Recipe
from jaxattack.types import Level, Membership, Model, Variables

Records = Literal["own", "victim"]
"""Whose records a thief has: some of his own, of the same distribution, or those that the victim was trained on."""


class Holding(NamedTuple):
    """What a thief has.

    Attributes:
        x: Float["record *feature"], records.
        y: Int["record"], their labels.
        victim: what the victim has learnt; None where he has no weights.
        answers: Float["record cls"], what the victim answered about each record, as distributions; None where he asked nothing.
    """

    x: Any
    y: Any
    victim: Variables | None = None
    answers: Any = None


@runtime_checkable
class Copy(Protocol):
    """A way to make a copy: a frozen configuration whose call is traced, and mapped over copies of other seeds.

    Attributes:
        name: its name in the registry and in reports.
        paper: its source.
        weights: whether the thief needs the victim's weights.
        records: whose records he has.
        level: at which the victim answers him; None where he asks nothing.
        questions: that he asks the victim at most; 0 where he asks nothing.
        random: whether copies of other seeds differ.
    """

    @property
    def name(self) -> str: ...

    @property
    def paper(self) -> str: ...

    @property
    def weights(self) -> bool: ...

    @property
    def records(self) -> Records: ...

    @property
    def level(self) -> Level | None: ...

    @property
    def questions(self) -> int: ...

    @property
    def random(self) -> bool: ...

    @property
    def formula(self) -> Copy:
        """What of it decides the computation: copies that differ elsewhere, as in whose records they take, share a program."""
        ...

    def architecture(self, source: ModelSource) -> ModelSource:
        """What a copy of a victim of some architecture is."""
        ...

    def recipe(self, recipe: Recipe) -> Recipe:
        """How a copy is trained of a victim that was trained so."""
        ...

    def steps(self, recipe: Recipe, records: int) -> int:
        """Gradient steps that a copy takes.

        Args:
            recipe: of the victim.
            records: that the thief has.
        """
        ...

    def __call__(
        self, model: Model, recipe: Recipe, holding: Holding, member: Membership, key: PRNGKeyArray
    ) -> Variables:
        """Make one copy; traced.

        Args:
            model: what the copy is.
            recipe: of the victim.
            holding: what the thief has.
            member: all of his records.
            key: everything random about this copy.
        """
        ...
