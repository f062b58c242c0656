"""Answers of the highest scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxattack.defences.scores import change_scores, require_scores
from jaxattack.types import Access, Answer, InputError, at_least, config


@config
class TopK:
    """The k highest scores of a query, where they tie that of its label first and then the lower class; the others are NaN.

    Attributes:
        k: at least 1, at most the classes.

    Raises:
        InputError: k is below 1.
    """

    paper = "Shokri et al. 2017, arXiv 1610.05820"
    resolution = 0.0
    fresh = False

    k: int = 1

    def __post_init__(self) -> None:
        at_least(1, k=self.k)

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone are answered, or there are fewer classes.
        """
        if self.k > require_scores(before, "picked").classes:
            raise InputError(f"k is {self.k} and there are {before.classes} classes: give 1 to {before.classes}.")
        return replace(before, top=min(self.k, before.top or self.k))

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`; the label stays."""
        return change_scores(answer, lambda scores: highest(scores, answer.label, self.k))


def highest(scores: Any, label: Any, k: int) -> Any:
    """The k highest scores of each query, where they tie that of its label first and then the lower class; NaN in place of the others.

    Scores that were rounded before tie often, and a label whose own score is withheld is an answer that no service gives.
    """
    xp = scores.__array_namespace__()
    finite = xp.where(xp.isnan(scores), -xp.inf, scores)
    least = xp.partition(finite, finite.shape[1] - k, axis=1)[:, -k, None]
    above, tied = finite > least, finite == least
    own = tied & (xp.arange(finite.shape[1])[None] == xp.asarray(label)[:, None])
    others = tied & ~own
    room = k - (above | own).sum(axis=1, keepdims=True)
    return xp.where(above | own | (others & (others.cumsum(axis=1) <= room)), scores, xp.nan)
