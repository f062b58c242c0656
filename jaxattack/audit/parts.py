"""Shares of a run, for machines that know nothing of one another but the run folder.

Part k of n owns the models floor((k-1) M / n) to floor(k M / n) - 1 of M: which they are depends on k, n and M alone, so
that parts may run in any order, at the same time, and again.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import jax

from jaxattack.types import InputError


@dataclass(frozen=True)
class Part:
    """One of so many equal shares of a run's models.

    Attributes:
        number: which, from 1.
        of: how many there are.

    Raises:
        InputError: there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(f"part is {self}: give 1/{max(self.of, 1)} to {max(self.of, 1)}/{max(self.of, 1)}.")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read "3/16".

        Raises:
            InputError: it is no part.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if not match:
            raise InputError(f"part is {text!r}: give which of how many, as 3/16 for the third of 16.")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_process(cls) -> Part:
        """The part of this process among those of `jax.distributed`; all of the run where there is only one."""
        return cls(jax.process_index() + 1, jax.process_count())

    def models(self, count: int) -> range:
        """The models of a run of so many that are this part's."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)

    def unfinished(self, count: int, complete: AbstractSet[int]) -> tuple[Part, ...]:
        """The parts, this one and those beside it, whose models are not all there."""
        parts = (Part(number, self.of) for number in range(1, self.of + 1))
        return tuple(part for part in parts if not complete >= set(part.models(count)))
