"""How one model learns: one traceable function, so that any learner is mapped over hundreds of models unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Int, PRNGKeyArray, Shaped

from jaxattack.error import InputError
from jaxattack.types.defence import Defence, ReservingDefence
from jaxattack.types.model import Dataset, Model, Variables


class Membership(NamedTuple):
    """The members of one model as indices, and the reserve of its defender.

    Models of different sizes are padded to the same number of slots.

    Attributes:
        index: Int["slot"], records; a padded slot repeats a member, so that batch statistics see members only.
        weight: Float["slot"], 1, or 0 for a padded slot.
        reserve: Int["reserve"], records that are members of no model, for a `Reserving` learner or a `ReservingDefence`; None where
            there are none.
    """

    index: Any
    weight: Any
    reserve: Any = None


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


@runtime_checkable
class Composing(Learner, Protocol):
    """A learner that deploys something else than the architecture it is handed, as several networks that answer together."""

    def deployed(self, model: Model, classes: int) -> Model:
        """What is deployed, whose variables a call of the learner returns; the same arguments give the same object.

        Args:
            model: the architecture.
            classes: how many it answers with.
        """
        ...


@runtime_checkable
class Viewing(Learner, Protocol):
    """A learner that makes views of the records itself, whatever its recipe says."""

    def check_records(self, dataset: Dataset) -> None:
        """Refuse records of which it can make none.

        Raises:
            InputError: what they lack.
        """
        ...


def deployed_model(learner: Learner, model: Model, classes: int) -> Model:
    """What a learner deploys: the architecture itself for most."""
    return learner.deployed(model, classes) if isinstance(learner, Composing) else model


@runtime_checkable
class Reserving(Learner, Protocol):
    """A learner whose defender has records beside the members, as more of the same kind would cost in deployment.

    An audit sets them aside: they are members of no model and are not scored.

    Attributes:
        reserve: the share of all records, above 0 and below 1.
    """

    @property
    def reserve(self) -> float: ...

    def steps(self, slots: int, reserve: int | None = None) -> int:
        """Gradient steps that a model costs.

        Args:
            slots: places for its members.
            reserve: records set aside; as many by default.
        """
        ...


def reserving(learner: Learner, defences: Iterable[Defence] = ()) -> tuple[Reserving | ReservingDefence, ...]:
    """Those of a learner and defences that want records set aside."""
    parts = (part for part in (learner, *defences) if isinstance(part, Reserving | ReservingDefence))
    return tuple(part for part in parts if part.reserve > 0)


def share_set_aside(learner: Learner, defences: Iterable[Defence] = (), least: float = 0.0) -> float:
    """The share of all records that is set aside for a learner and defences together, and at least so much."""
    return max([least, *(part.reserve for part in reserving(learner, defences))])


def reserve_size(learner: Learner, records: int, defences: Iterable[Defence] = (), least: float = 0.0) -> int:
    """How many of so many records that is: 0 for most learners, else at least 1."""
    share = share_set_aside(learner, defences, least)
    return max(round(share * records), 1) if share else 0


def gradient_steps(learner: Learner, slots: int, reserve: int) -> int:
    """Those that a model with so many slots costs, where so many records are set aside."""
    return learner.steps(slots, reserve) if isinstance(learner, Reserving) else learner.steps(slots)


def check_reserve(reserve: float, *, optional: bool = False) -> None:
    """Refuse what is no share of the records.

    Args:
        reserve: the share.
        optional: whether none is a share too.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not (0 < reserve < 1 or (optional and reserve == 0)):
        span = "from 0 to below 1" if optional else "between 0 and 1"
        raise InputError(f"reserve is {reserve}: give the share of all records that is set aside, {span}.")
