"""Answers at a temperature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from jaxattack.defences.scores import require_all_scores
from jaxattack.types import Access, Answer, InputError, config


@config
class Temperature:
    """softmax(logit / temperature), which is p^(1 / temperature) scaled to sum to 1; or those logits.

    Attributes:
        temperature: above 0; above 1 answers are less sure.

    Raises:
        InputError: a temperature not above 0.

    Example:
        >>> terms = ja.Access(level="probability", classes=2, inputs=ja.Inputs.box(0, 1, (2,)))
        >>> softer = ja.oracle.defended(ja.oracle.from_function(lambda x: x, terms), Temperature(temperature=2.0))
        >>> softer(np.asarray([[0.8, 0.2]])).probability.round(3).tolist()
        [[0.667, 0.333]]
    """

    paper = "Shokri et al. 2017, arXiv 1610.05820"
    resolution = 0.0
    fresh = False

    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"temperature is {self.temperature}: give a number above 0.")

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: a regressor, labels alone, or answers of the top k.
        """
        access = require_all_scores(before, "tempered")
        if access.classes == 1:
            raise InputError("the victim has one output, a number, and no confidences: leave the temperature off.")
        return replace(access, decimals=None)

    def rescaled(self, resolution: float, classes: int) -> float:
        """As `jaxattack.types.RescalingDefence`: the sum by which p^(1 / temperature) is scaled is at most that of even confidences."""
        return resolution ** (1 / self.temperature) / max(classes ** (1 - 1 / self.temperature), 1.0)

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`; the label stays."""
        probability = None if answer.probability is None else self._softened(answer.probability)
        return Answer(answer.label, probability, None if answer.logit is None else answer.logit / self.temperature)

    def _softened(self, p: Any) -> Any:
        xp = p.__array_namespace__()
        possible = p > 0  # an impossible class stays impossible
        z = xp.where(possible, xp.log(xp.where(possible, p, 1.0)), -xp.inf) / self.temperature
        weight = xp.exp(z - z.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)
