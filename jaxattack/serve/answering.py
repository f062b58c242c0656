"""Answering requests in the worker thread: reading them, charging for them, asking the oracle once, writing the answers.

Requests without a bias whose queries fit into one request together are one call of the oracle. Where that call fails, each
is asked alone, so that nobody is refused for what another one sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.oracle.remote.wire import check_answer, write_answer
from jaxattack.serve import reading
from jaxattack.serve.batching import Prediction, Reply
from jaxattack.serve.refusal import Refusal
from jaxattack.serve.settings import Settings
from jaxattack.serve.spending import Spent
from jaxattack.types import Answer, Bias, BudgetSpent, InputError, Oracle, OracleError


class Question(NamedTuple):
    """A request that has been read and charged.

    Attributes:
        place: of the request in its batch.
        prediction: the request.
        x: its queries.
        bias: asked for, or None.
        charged: queries; 0 where an earlier server counted them.
    """

    place: int
    prediction: Prediction
    x: Float[np.ndarray, "query *feature"]
    bias: Bias | None
    charged: int


class Answering:
    """What happens to a batch of requests; one batch at a time."""

    def __init__(
        self,
        oracle: Oracle,
        records: int,
        settings: Settings,
        spend: Callable[[Sequence[Spent]], object] | None = None,
    ):
        """Answer by an oracle.

        Args:
            oracle: what is asked.
            records: queries in one request, at most, and in one call for several.
            settings: limits of a request.
            spend: told of the requests that are answered, before the answers are sent; where it raises OSError none is sent, and
                none counted.
        """
        self._oracle, self._access, self._settings = oracle, oracle.access, settings
        self._records, self._spend = records, spend

    def __call__(self, predictions: Sequence[Prediction]) -> list[Reply]:
        """A reply for each request of a batch."""
        replies: dict[int, Reply] = {}
        questions: list[Question] = []
        for place, prediction in enumerate(predictions):
            question = self._read(place, prediction)
            if isinstance(question, Question):
                questions.append(question)
            else:
                replies[place] = question
        for group in self._groups(questions):
            replies |= self._answer(group)
        answered = [one for one in questions if isinstance(replies[one.place], bytes)]
        if refusal := self._keep(answered):
            replies |= {one.place: refusal for one in answered}
        for one in questions:
            one.prediction.account.settle(one.charged, answered=isinstance(replies[one.place], bytes))
        return [replies[place] for place in range(len(predictions))]

    def _keep(self, answered: Sequence[Question]) -> Refusal | None:
        """Keep what was spent; where that cannot be done, nothing may be answered."""
        spent = [
            Spent(one.prediction.account.name, one.charged, one.prediction.receipt) for one in answered if one.charged
        ]
        if self._spend is None or not spent:
            return None
        try:
            self._spend(spent)
        except OSError as error:
            return Refusal(503, f"what keys have spent cannot be kept ({error.strerror or error}): ask again later.")
        return None

    def _read(self, place: int, prediction: Prediction) -> Question | Refusal:
        try:
            x, bias = reading.queries(
                prediction.body, prediction.media, self._access, self._records, self._settings.largest
            )
            if prediction.worked is not None and len(x) > prediction.worked:
                raise Refusal(
                    428,
                    f"the puzzle was for {prediction.worked:,} queries and {len(x):,} are asked: ask GET /puzzle for that many.",
                )
            charged = 0 if prediction.receipt in prediction.account.paid else len(x)
            if charged:
                prediction.account.charge(charged, prediction.coming)
        except Exception as error:  # a body is the caller's, and the server outlives it
            return _refusal(error)
        return Question(place, prediction, x, bias, charged)

    def _groups(self, questions: Sequence[Question]) -> Iterator[list[Question]]:
        """Questions for one call each: those in a row without a bias, as many as one request may hold."""
        group: list[Question] = []
        for question in questions:
            alone = question.bias is not None or (group and group[-1].bias is not None)
            if group and (alone or sum(len(one.x) for one in (*group, question)) > self._records):
                yield group
                group = []
            group.append(question)
        if group:
            yield group

    def _answer(self, group: Sequence[Question]) -> dict[int, Reply]:
        try:
            answers = self._ask(group)
        except Exception as error:  # a model is the caller's code, and the server outlives it
            if len(group) == 1:
                return {group[0].place: _refusal(error)}
            return {place: reply for one in group for place, reply in self._answer([one]).items()}
        return {
            one.place: write_answer(answer, self._access, one.prediction.reply_media)
            for one, answer in zip(group, answers, strict=True)
        }

    def _ask(self, group: Sequence[Question]) -> list[Answer]:
        """The answer to each, of one call."""
        sizes = [len(one.x) for one in group]
        begin = time.perf_counter()
        x = group[0].x if len(group) == 1 else np.concatenate([one.x for one in group])
        answer = self._oracle(x, group[0].bias)
        seconds = time.perf_counter() - begin
        check_answer(answer, self._access, len(x))
        for one, size in zip(group, sizes, strict=True):
            one.prediction.account.seconds += seconds * size / len(x)
        if len(group) == 1:
            return [answer]
        ends = np.cumsum(sizes)
        return [answer.take(slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def _refusal(error: Exception) -> Refusal:
    """The refusal that an error is for the caller."""
    match error:
        case Refusal():
            return error
        case BudgetSpent():
            return Refusal(402, str(error), detail={"left": error.left})
        case OracleError():
            return Refusal(503, f"the model does not answer: {error}")
        case InputError():
            return Refusal(400, str(error))
        case _:
            return Refusal(503, f"the model failed on this batch with {type(error).__name__}.")
