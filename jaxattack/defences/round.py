"""Answers of so many decimals."""

from __future__ import annotations

from dataclasses import replace

from jaxattack.defences.scores import change_scores, require_scores
from jaxattack.types import Access, Answer, InputError, config


@config
class Round:
    """Confidences and logits rounded, halves to even.

    Attributes:
        decimals: 0 to 17.

    Raises:
        InputError: decimals out of range.

    Example:
        >>> Round(decimals=2).resolution
        0.005
    """

    paper = "Shokri et al. 2017, arXiv 1610.05820"
    fresh = False

    decimals: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.decimals <= 17:
            raise InputError(f"decimals is {self.decimals}: give 0 to 17.")

    @property
    def resolution(self) -> float:
        """The largest confidence that is answered as 0."""
        return 10.0**-self.decimals / 2

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone are answered.
        """
        coarsest = self.decimals if before.decimals is None else min(self.decimals, before.decimals)
        return replace(require_scores(before, "rounded"), decimals=coarsest)

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`; the label stays."""
        return change_scores(answer, lambda scores: scores.round(self.decimals))
