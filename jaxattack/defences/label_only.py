"""Answers of the label alone."""

from __future__ import annotations

from dataclasses import replace

from jaxattack.types import Access, Answer, InputError, config


@config
class LabelOnly:
    """The label alone.

    Example:
        >>> terms = ja.Access(level="probability", classes=2, inputs=ja.Inputs.box(0, 1, (2,)))
        >>> LabelOnly().access(terms).level
        'label'
    """

    paper = "Shokri et al. 2017, arXiv 1610.05820"
    resolution = 0.0
    fresh = False

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: a regressor, which has no labels.
        """
        if before.classes == 1:
            raise InputError("the victim has one output, a number, and no labels: leave label_only off.")
        return replace(before, level="label", top=0, decimals=None)

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`."""
        return Answer(answer.label)
