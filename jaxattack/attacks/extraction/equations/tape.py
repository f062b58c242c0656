"""The standard form of a victim: an oracle, all that it answered, and the equations that this makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction.asking import as_read, ask_most
from jaxattack.attacks.extraction.equations.terms import equations, noise, scores, usable
from jaxattack.attacks.search.coordinates import Coordinates
from jaxattack.attacks.search.least_squares import Data
from jaxattack.types import Answer, BudgetSpent, InputError, Oracle


class Saturated(InputError):
    """All answers are saturated, and labels are what they tell."""

    def __init__(self, label: Int[np.ndarray, "query"]) -> None:
        self.label = label
        super().__init__(
            f"all {len(label):,} answers are saturated and equations take numbers: ask for logits, or choose "
            "path-finding or retraining."
        )


class Tape:
    """An oracle, and all that it was asked.

    Args:
        oracle: answers.
        where: the coordinates of queries; None for the victim's own records.
        limit: queries to ask at most; None for as many as the oracle answers.

    Attributes:
        access: the victim's terms.
        basis: Float["cls equation"], as `terms.equations`.
        refusal: what ended the asking early; None where nothing did.
    """

    def __init__(self, oracle: Oracle, where: Coordinates | None = None, limit: int | None = None) -> None:
        self.access, self.basis, self.where = oracle.access, equations(oracle.access), where
        self.refusal: BudgetSpent | None = None
        self._oracle, self._limit = oracle, limit
        self._u: list[np.ndarray] = []
        self._answers: list[Answer] = []

    @property
    def total(self) -> int:
        """How many queries were answered."""
        return sum(map(len, self._u))

    @property
    def u(self) -> Shaped[np.ndarray, "query *feature"]:
        """Every query."""
        return np.concatenate(self._u)

    @property
    def answer(self) -> Answer:
        """The answers to all of them."""
        return concatenate(self._answers)

    def ask(self, u: Shaped[np.ndarray, "query *feature"]) -> Answer:
        """Ask all of them; `BudgetSpent` where either limit holds fewer."""
        if self._limit is not None and self.total + len(u) > self._limit:
            raise BudgetSpent(f"queries is {self._limit:,}.", left=self._limit - self.total)
        x = as_read(self.access.inputs, u if self.where is None else self.where.records(u))
        answer = self._oracle(x)
        if self.where is None:
            u = x
        elif self.access.inputs.whole:
            u = self.where.points(x)
        self._u.append(u)
        self._answers.append(answer)
        return answer

    def ask_most(self, u: Shaped[np.ndarray, "query *feature"]) -> Answer:
        """Ask as many of the first as the budget holds."""
        answer, _, refusal = ask_most(self.ask, u)
        self.refusal = self.refusal or refusal
        return self._oracle(np.zeros((0, *self.access.inputs.shape))) if answer is None else answer

    def values(self, u: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query equation"]:
        """Ask all of them; the equations, NaN where the answer is saturated."""
        answer = self.ask(u)
        return np.where(usable(self.access, answer)[:, None], scores(self.access, answer), np.nan) @ self.basis

    @property
    def data(self) -> Data:
        """Everything asked that is an equation, rows weighted alike; `Saturated` where nothing is."""
        answer = self.answer
        fine = usable(self.access, answer)
        if not fine.any():
            raise Saturated(answer.label)
        return Data(self.u[fine], scores(self.access, answer)[fine], np.ones(int(fine.sum())))

    @property
    def off(self) -> Float[np.ndarray, "query"]:
        """How far off each equation is."""
        return noise(self.access, self.data.target)

    def require(self, needs: int) -> None:
        """End a theft whose budget was spent before so many answers."""
        if self.refusal is not None and self.total < needs:
            raise self.refusal


def concatenate(answers: list[Answer]) -> Answer:
    """The answers to one batch after the other."""
    fields: Any = (
        None if parts[0] is None else np.concatenate([part for part in parts if part is not None])
        for parts in zip(*answers, strict=True)
    )
    return Answer(*fields)


def coordinates(name: str, oracle: Oracle, *, alike: bool = False) -> Coordinates:
    """The coordinates of a victim of numbers; an `InputError` where features are categories."""
    inputs = oracle.access.inputs
    if (inputs.categories > 0).any():
        raise InputError(f"features are categories and {name} asks real numbers: choose retraining, or hypotheses.")
    return Coordinates.of(inputs, alike=alike)
