"""Small victims for attacks that live on labels; they count what they are asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxattack.types import Access, Answer, Bias, BudgetSpent, Inputs, Ledger, Level


class Victim:
    """Labels, or confidences, of logits in float64.

    Attributes:
        batches: everything that was asked, in order.
    """

    def __init__(
        self,
        logits: Callable[[np.ndarray], np.ndarray],
        inputs: Inputs,
        classes: int,
        level: Level = "label",
        budget: int | None = None,
    ) -> None:
        self.logits, self.budget = logits, budget
        self.access = Access(level=level, classes=classes, inputs=inputs)
        self.ledger = Ledger()
        self.batches: list[np.ndarray] = []

    def __call__(self, x: np.ndarray, bias: Bias | None = None) -> Answer:
        left = np.inf if self.budget is None else self.budget - self.ledger.queries
        if len(x) > left:
            raise BudgetSpent(f"{len(x)} queries are more than the {left} left.", left=int(left))
        assert x.shape[1:] == self.access.inputs.shape
        assert len(x)
        self.ledger += Ledger(queries=len(x), calls=1, seconds=0.5, bytes=x.nbytes, price=len(x) * 1e-4)
        self.batches.append(x.copy())
        z = self.logits(x)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        probability = p / p.sum(axis=1, keepdims=True) if self.access.level == "probability" else None
        return Answer(z.argmax(axis=1), probability)

    @property
    def asked(self) -> np.ndarray:
        return np.concatenate(self.batches)


def linear(seed: int, features: int, classes: int, *, level: Level = "label", budget: int | None = None) -> Victim:
    """A random softmax regression on -1..1, every class of which is met there."""
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((features, classes)), 0.3 * rng.standard_normal(classes)
    return Victim(
        lambda x: x.reshape(len(x), -1) @ weight + bias, Inputs.box(-1, 1, (features,)), classes, level, budget
    )


def agreement(answer: Callable[[np.ndarray], Answer], victim: Victim, queries: int = 4000) -> float:
    """On uniform numbers, not counted."""
    inputs = victim.access.inputs
    share = np.random.default_rng(99).random((queries, *inputs.shape))
    x = np.where(
        inputs.categories > 0, np.floor(share * inputs.categories), inputs.low + share * (inputs.high - inputs.low)
    )
    return float(np.mean(answer(x).label == victim.logits(x).argmax(axis=1)))
