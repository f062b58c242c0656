"""What defences of scores share: the terms they need, and answers with their scores changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxattack.types import Access, Answer, InputError


def require_scores(access: Access, change: str) -> Access:
    """The terms, where there are scores.

    Raises:
        InputError: labels alone are answered; ``change`` says what was to be done to scores.
    """
    if access.level == "label":
        raise InputError(f"the victim answers with labels alone: there are no scores to be {change}.")
    return access


def require_all_scores(access: Access, change: str) -> Access:
    """The terms, where there are scores of all classes.

    Raises:
        InputError: labels alone or the top k are answered; ``change`` says what was to be done to scores.
    """
    if require_scores(access, change).top:
        raise InputError(
            f"the victim answers the top {access.top} classes: scores are {change} before they are picked."
        )
    return access


def require_confidences(access: Access, defence: str) -> Access:
    """The terms, where there are confidences of all classes and nothing beside them.

    Raises:
        InputError: labels alone, the top k, or logits are answered; ``defence`` says what was to move confidences.
    """
    if require_all_scores(access, "moved").level == "logit":
        raise InputError(f"the victim answers with logits: {defence} moves confidences; ask it for probabilities.")
    return access


def change_scores(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """An answer with its scores changed and its label as it was."""
    probability, logit = answer.probability, answer.logit
    return Answer(
        answer.label,
        None if probability is None else change(probability),
        None if logit is None else change(logit),
    )
