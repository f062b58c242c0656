"""One query for a record, at the nearest point that fools models which do not know it (Peng et al. 2024, OSLO).

Points are found on the weights of half of a sweep's models (`jaxattack.signals.OsloQueries`): some raise the loss, others say
when it is enough. The published verdict at a threshold of their confidence is whether the target still answers with the
record's label: it was fooled less than others are. A verdict is one point of a ROC, and the thresholds are the others:

    score = share of the thresholds at whose points the target answers with the label

Each threshold takes a query of its own; the one-query attack is one of them, so that the curve has as many points as there
are thresholds, and one more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.observed import read_answers, read_targets
from jaxattack.signals import OsloQueries
from jaxattack.types import Needs, Observations, Signal, config


@config
class OSLO:
    """At how many of the nearest fooling points the target keeps the label.

    Attributes:
        growth: of the search, as for `jaxattack.signals.OsloQueries`.
        steps: of the search.
        largest: of the search.
        thresholds: of the validation models' confidence.

    Raises:
        InputError: a value out of range.
    """

    name = "oslo"
    paper = "Peng et al. 2024"
    family = "label-only"
    references = True

    growth: int = 40
    steps: int = 5
    largest: float = 0.3
    thresholds: int = 5

    def __post_init__(self) -> None:
        self._signal()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The labels of the points."""
        return (self._signal(),)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """In each of two folds a source and a validation model that do not know the record."""
        return Needs(sides={"out": 3})

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            InputError: models that are not kept.
        """
        answers, _ = read_answers(observations, self._signal())
        return answers[read_targets(observations, targets)].mean(axis=2, dtype=np.float64)

    def _signal(self) -> OsloQueries:
        return OsloQueries(growth=self.growth, steps=self.steps, largest=self.largest, thresholds=self.thresholds)
