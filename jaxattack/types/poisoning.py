"""Records that an attacker puts into a training set, and the attacks that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxattack.error import InputError, Progress
from jaxattack.types.model import Dataset, Model, Variables

PoisonGoal = Literal["availability", "targeted", "backdoor"]
"""availability: the model errs more. targeted: it takes one record for another class. backdoor: it takes for one class whatever
bears a trigger."""


class Target(NamedTuple):
    """A record that shall be taken for another class.

    Attributes:
        x: Shaped["*feature"], in the data set's own units.
        label: its class.
        wanted: the class that it shall be taken for.
    """

    x: np.ndarray
    label: int
    wanted: int


class Surrogate(NamedTuple):
    """Models of the attacker's own, trained as the victim is and on seeds that no victim has.

    Attributes:
        model: the architecture; takes records as `jaxattack.training.images.as_input` makes them.
        variables: what they learnt; every leaf leads with ``model``.
    """

    model: Model
    variables: Variables


@dataclass(frozen=True, kw_only=True, eq=False)
class Poison:
    """Records that were made for a training set, in its own units and order.

    Attributes:
        attack: the attack's name.
        x: the records.
        y: their labels.
        replaces: the record of the clean training set in whose place each stands; -1 for one that is added.
        source: the record of the clean training set that each was made of; -1 where it was made of another.
        notes: what else the attack found, name -> number or text.

    Raises:
        InputError: arrays of different lengths, or a record that is replaced twice.
    """

    attack: str
    x: Shaped[np.ndarray, "poison *feature"]
    y: Int[np.ndarray, "poison"]
    replaces: Int[np.ndarray, "poison"]
    source: Int[np.ndarray, "poison"]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.x, self.y, self.replaces, self.source)}
        if len(lengths) > 1:
            raise InputError(f"a poison has arrays of {sorted(lengths)} records: give one of each a record.")
        places = self.replaces[self.replaces >= 0]
        if len(np.unique(places)) < len(places):
            raise InputError("a poison stands twice in the place of one record: give each its own.")

    def __len__(self) -> int:
        return len(self.y)

    def apply(self, dataset: Dataset) -> tuple[Dataset, Bool[np.ndarray, "record"]]:
        """The poisoned training set, and which of its records are poison; those that are added come last.

        Raises:
            InputError: it stands in the place of a record that there is not.
        """
        if len(self) and self.replaces.max() >= len(dataset):
            raise InputError(f"a poison replaces record {self.replaces.max()} and {dataset.name} has {len(dataset)}.")
        inside = self.replaces >= 0
        places = self.replaces[inside]
        x, y, role = dataset.x.copy(), dataset.y.copy(), np.zeros(len(dataset), bool)
        x[places], y[places], role[places] = self.x[inside], self.y[inside], True
        poisoned = replace(dataset, x=x, y=y)
        if inside.all():
            return poisoned, role
        added = poisoned.extend(self.x[~inside], self.y[~inside], kind="poison")
        return added, np.concatenate([role, np.ones(int((~inside).sum()), bool)])


@runtime_checkable
class PoisonAttack(Protocol):
    """A poisoning: a frozen configuration that is called with a training set.

    Attributes:
        name: its name in the registry and in reports.
        goal: what the poison is for.
        surrogates: the models of the attacker's own that it needs; 0 for one that needs none.
    """

    goal: ClassVar[PoisonGoal]

    @property
    def name(self) -> str: ...

    @property
    def surrogates(self) -> int: ...

    def check(self, dataset: Dataset) -> None:
        """Refuse data that it cannot poison.

        Raises:
            InputError: it says why, and which attack can.
        """
        ...

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,
        seed: int = 0,
        surrogate: Surrogate | None = None,
        target: Target | None = None,
        progress: Progress | None = None,
    ) -> Poison:
        """Make poison for a training set.

        Args:
            dataset: the clean training set, all of which the attacker knows.
            count: poison records, at most; an attack that has fewer to make them of makes fewer.
            own: records of the attacker's own, of the same kind, which are in nobody's training set and judge nothing.
            seed: decides everything random.
            surrogate: models of its own, for an attack that needs some.
            target: what shall be taken for another class, for a targeted attack.
            progress: called as the attack goes on.

        Raises:
            InputError: no surrogate or target where one is due, or data that `check` refuses.
        """
        ...


@runtime_checkable
class BackdoorAttack(PoisonAttack, Protocol):
    """A poisoning with a trigger.

    Attributes:
        wanted: the class that every record with the trigger shall be taken for.
    """

    @property
    def wanted(self) -> int: ...

    def stamp(self, x: Shaped[np.ndarray, "record *feature"]) -> Shaped[np.ndarray, "record *feature"]:
        """Records with the trigger, in the same units."""
        ...
