"""What a model's answers tell of its architecture and of how it was trained, and the attacks that read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from jaxattack.error import Progress
from jaxattack.types.oracle import Access, Answer, Level


@runtime_checkable
class AttributeReader(Protocol):
    """What an attack has learnt from networks whose attributes it knows: what to ask a victim, and how to read its answers.

    Attributes:
        questions: on the scale of the networks, -1 to 1.
    """

    @property
    def questions(self) -> Float[np.ndarray, "query *feature"]: ...

    def __call__(self, answer: Answer) -> Float[np.ndarray, "net attribute value"]:
        """The logarithm of the posterior of each attribute's values; -inf beyond the values that it has.

        Args:
            answer: to `questions`, on the terms that the reader learnt for; every array leads with the axis ``net``.
        """
        ...


@runtime_checkable
class ArchitectureAttack(Protocol):
    """An inference of attributes: a frozen configuration that learns from a zoo.

    Attributes:
        name: its name in the registry and in reports.
        paper: that published it.
        levels: the access levels that it can work with.
        fewest_classes: that a victim must have.
        records: of the attacker's own that it asks, or crafts its questions from, at least 1.
    """

    paper: ClassVar[str]
    levels: ClassVar[tuple[Level, ...]]
    fewest_classes: ClassVar[int]

    @property
    def name(self) -> str: ...

    @property
    def records(self) -> int: ...

    def fit(
        self,
        zoo: Any,
        codes: Int[np.ndarray, "net attribute"],
        nets: Sequence[int] | Int[np.ndarray, "some"],
        pool: Float[np.ndarray, "record *feature"],
        access: Access,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> AttributeReader:
        """Learn to read attributes.

        The same seed makes the same reader.

        Args:
            zoo: `jaxattack.attacks.architecture.Zoo`, networks of the grid.
            codes: what is taken for their attributes; other than the zoo's own to see what is read where nothing is told.
            nets: which of them the attack learns from; it sees nothing of the others.
            pool: records of the attacker's own, on the scale of the networks, that none was trained on.
            access: the terms on which the victim answers.
            seed: decides everything random.
            progress: called as it goes on.

        Raises:
            InputError: a level or a number of classes that it cannot work with, too few records or networks.
        """
        ...
