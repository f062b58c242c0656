"""Asking behind a defence, some of which ask about other inputs than the query's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxattack.types import Answer, AskingDefence, Defence


def answer_to(defence: Defence, state: Any, ask: Callable[[Any], Answer], x: Any) -> Answer:
    """The answer that a defence is handed: to the queries, or to the questions of an `AskingDefence`, ["view query"].

    Args:
        defence: what changes answers.
        state: what it has learnt.
        ask: answers what is before it, all questions in one batch.
        x: ["query *feature"].
    """
    if not isinstance(defence, AskingDefence):
        return ask(x)
    questions = defence.questions(state, x)
    views = len(questions)
    flat = ask(questions.reshape(-1, *questions.shape[2:]))
    return Answer(*(None if part is None else part.reshape(views, -1, *part.shape[1:]) for part in flat))  # type: ignore[arg-type]


def first_view(answer: Answer) -> Answer:
    """Of answers to several questions those to the first of each query."""
    return answer.take(0)
