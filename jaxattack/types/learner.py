"""How one model learns: one traceable function, so that any learner is mapped over hundreds of models unchanged."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Int, PRNGKeyArray, Shaped

from jaxattack.types.model import Model, Variables


class Membership(NamedTuple):
    """The members of one model as indices. Models of different sizes are padded to the same number of slots.

    Attributes:
        index: Int["slot"], records; a padded slot repeats a member, so that batch statistics see members only.
        weight: Float["slot"], 1, or 0 for a padded slot.
    """

    index: Any
    weight: Any


@runtime_checkable
class Learner(Protocol):
    """How one model learns: a frozen dataclass, hashable, so that a compiled program is found again.

    Everything that decides the result is a field; its representation is part of a run's identity.

    Attributes:
        recipe: the `jaxattack.training.Recipe` that every training it does follows.
    """

    @property
    def recipe(self) -> Any: ...

    def check(self, model: Model) -> None:
        """Refuse what it cannot train.

        Raises:
            InputError: the model does what this learner must not meet, or settings disagree.
        """
        ...

    def steps(self, slots: int) -> int:
        """Gradient steps that a model with so many slots costs."""
        ...

    def notes(self, slots: int) -> dict[str, float]:
        """What a reader must know of a training with so many slots, by name; empty for most."""
        ...

    def __call__(
        self,
        model: Model,
        x: Shaped[jax.Array, "record *feature"],
        y: Int[jax.Array, "record"],
        member: Membership,
        key: PRNGKeyArray,
    ) -> Variables:
        """Train one model from scratch; traced, and mapped over models by the engine.

        Args:
            model: the architecture.
            x: all records.
            y: all labels.
            member: which of them are its members.
            key: everything random about this model.
        """
        ...
