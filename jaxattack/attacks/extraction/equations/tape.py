"""A victim in standard coordinates, and all that it was asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.asking import ask_most
from jaxattack.attacks.extraction.equations.terms import equations, noise, scores, usable
from jaxattack.attacks.search.coordinates import Coordinates
from jaxattack.attacks.search.least_squares import Data
from jaxattack.types import Answer, BudgetSpent, ExtractionAttack, InputError, Oracle

COARSE, WIDER = 1e-9, 100.0
"""Differences to one side have digits to spare, and are taken wider so that least squares tells their queries apart."""


class Tape:
    """An oracle of numbers, moved to the middle of their range and scaled.

    Args:
        attack: asks.
        oracle: answers.
        queries: to ask at most; None for as many as the oracle answers.
        alike: one scale for all features, which keeps distances; otherwise each range becomes -1..1.

    Attributes:
        access: the victim's terms.
        basis: Float["cls equation"], as `terms.equations`.
        where: the coordinates.
        reach: Float["feature"], the range of each feature is -reach..reach.

    Raises:
        InputError: features that are categories.
    """

    def __init__(
        self, attack: ExtractionAttack, oracle: Oracle, queries: int | None = None, *, alike: bool = False
    ) -> None:
        inputs = oracle.access.inputs
        if (inputs.categories > 0).any():
            raise InputError(
                f"features are categories and {attack.name} asks real numbers: choose retraining, or hypotheses."
            )
        self.where = Coordinates.of(inputs, alike=alike)
        self._oracle, self.access, self._queries = oracle, oracle.access, queries
        self._attack = attack.name
        self.basis = equations(oracle.access)
        self.reach = self.where.reach
        self._u: list[np.ndarray] = []
        self._answers: list[Answer] = []

    @property
    def features(self) -> int:
        """How many numbers may be chosen."""
        return len(self.reach)

    @property
    def outputs(self) -> int:
        """Equations a query."""
        return self.basis.shape[1]

    @property
    def total(self) -> int:
        """How many queries were answered."""
        return sum(map(len, self._u))

    def draw(self, queries: int, rng: np.random.Generator, share: float = 0.5) -> Float[np.ndarray, "query feature"]:
        """Queries all over the range: uniform, or with a mean so far from the lowest to the highest value.

        The low shares are what records look like of which most features are 0: powers of uniform numbers.
        """
        power = rng.random((queries, self.features))
        power = power ** (1 / share - 1) if share <= 0.5 else 1 - power ** (share / (1 - share))
        return (2 * power - 1) * self.reach

    def answers(self, u: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query cls"]:
        """The scores; NaN throughout a query whose answer is saturated.

        Raises:
            BudgetSpent: more queries than are left of either limit.
        """
        if self._queries is not None and self.total + len(u) > self._queries:
            raise BudgetSpent(f"queries is {self._queries:,}.", left=self._queries - self.total)
        answer = self._oracle(self.where.records(u))
        self._u.append(u)
        self._answers.append(answer)
        return np.where(usable(self.access, answer)[:, None], scores(self.access, answer), np.nan)

    def ask(self, u: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query equation"]:
        """The equations; NaN where the answer is saturated."""
        return self.answers(u) @ self.basis

    def ask_most(self, u: Float[np.ndarray, "query feature"]) -> BudgetSpent | None:
        """Ask as many as the budget holds; what refused the others, or None."""
        return ask_most(self.answers, u).refusal

    @property
    def data(self) -> Data:
        """Everything asked that is an equation, rows weighted alike.

        Raises:
            InputError: nothing is.
        """
        u, score = self._all()
        fine = np.concatenate([usable(self.access, answer) for answer in self._answers])
        if not fine.any():
            raise InputError(
                f"all {self.total:,} answers are saturated and {self._attack} learns from numbers: ask for logits, or "
                "choose path-finding or retraining."
            )
        return Data(u[fine], score[fine], np.ones(int(fine.sum())))

    @property
    def probabilities(self) -> Data:
        """Everything asked, the targets being probabilities."""
        u, score = self._all()
        return Data(u, np.exp(score), np.ones(len(u)))

    @property
    def noise(self) -> float:
        """How far off equations are: the median of what was asked.

        Raises:
            InputError: nothing is an equation.
        """
        return float(np.median(noise(self.access, self.data.target)))

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        score = [scores(self.access, answer) for answer in self._answers]
        return np.concatenate(self._u), np.concatenate(score)


class Frame(NamedTuple):
    """Coordinates in the span of the weights: v = (u - centre) basis / scale, of variance 1.

    Attributes:
        centre: Float["feature"].
        basis: Float["feature neuron"], orthonormal.
        scale: Float["neuron"].
    """

    centre: Float[np.ndarray, "feature"]
    basis: Float[np.ndarray, "feature neuron"]
    scale: Float[np.ndarray, "neuron"]

    @classmethod
    def of(cls, u: Float[np.ndarray, "query feature"], basis: np.ndarray | None) -> Frame:
        """The frame of all features, or of a basis, in which queries have variance 1."""
        basis = np.eye(u.shape[1]) if basis is None else basis
        scale = (u @ basis).std(axis=0)
        return cls(u.mean(axis=0), basis, np.where(scale > 0, scale, 1.0))

    def __call__(self, data: Data) -> Data:
        """Equations in these coordinates."""
        return data._replace(x=(data.x - self.centre) @ self.basis / self.scale)

    def into(self, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Parameters in these coordinates."""
        return p | {"weight0": p["weight0"] @ self.basis * self.scale, "bias0": p["bias0"] + p["weight0"] @ self.centre}

    def back(self, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Parameters in the coordinates of the queries."""
        weight = (p["weight0"] / self.scale) @ self.basis.T
        return p | {"weight0": weight, "bias0": p["bias0"] - weight @ self.centre}


class Steps(NamedTuple):
    """How far apart queries of a difference are.

    Attributes:
        noise: of an equation.
    """

    noise: float

    @property
    def central(self) -> bool:
        """Whether answers are so coarse that differences are taken to both sides."""
        return self.noise > COARSE

    @property
    def first(self) -> float:
        """The step of a first difference at which its error and that of rounding are about equal."""
        return (3 * self.noise) ** (1 / 3) if self.central else 2 * (WIDER * self.noise) ** 0.5

    @property
    def second(self) -> float:
        """The same of a second difference."""
        return (48 * self.noise) ** 0.25 if self.central else (8 * WIDER * self.noise) ** (1 / 3)

    @property
    def error(self) -> float:
        """About how far off a first difference is."""
        return self.first**2 if self.central else self.first
