"""What every evasion that only asks does around its search: the victim's answers in, the examples and what they cost out.

The victim is an `Oracle`, which counts, or a `WhiteBox`: a model at hand, which is asked within one program of many rounds and
where every question is counted as an oracle counts it.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.evasion.outcome import fools, labels_and_right, outcome, still_fools, take_records
from jaxattack.attacks.evasion.shares import bounds_of, keys_of, nearest_others, share_of, units_of
from jaxattack.perturb.ask import Method, Record, Reply, Round, drive, local, outside, reply_of
from jaxattack.perturb.box import box_of
from jaxattack.types import (
    NUMBERS,
    Answer,
    BudgetSpent,
    Evasion,
    InputError,
    Inputs,
    Ledger,
    Level,
    Oracle,
    Progress,
    WhiteBox,
)

TINY = 1e-300
"""In place of a confidence of 0, which has no logarithm."""


class QuestionAttack:
    """An evasion that is a `jaxattack.perturb.ask.Method` itself."""

    white_box = False
    levels: tuple[Level, ...] = NUMBERS
    surrogate = False
    name: str

    def on_records(self, shape: tuple[int, ...]) -> Method:  # noqa: ARG002 (most take records of any shape)
        """The search on records of a shape."""
        return cast(Method, self)

    def __call__(
        self,
        victim: Oracle | WhiteBox,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,  # noqa: ARG002 (answers are enough)
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`; a budget that ends on the way leaves the best until then.

        Raises:
            InputError: a victim that answers labels alone, where the attack needs confidences.
            BudgetSpent: the victim does not answer as many queries as there are records.
        """
        inputs, classes = terms_of(victim, self.name, self.levels)
        x, y = take_records(inputs, classes, x, y)
        before = _ledger(victim)
        label, right = labels_and_right(victim, x, y)
        rows = np.flatnonzero(right)
        questions, example, success, stopped = np.ones(len(x), int), x.copy(), ~right, ""
        first = questions.copy()
        if len(rows):
            records = _records(seed, rows, x, y, label, inputs)
            method = self.on_records(inputs.shape)
            search, stopped = drive(
                method,
                records,
                _round(method, victim, inputs, x[rows], y[rows]),
                None if progress is None else partial(_tell, progress, method, len(rows)),
                stopping=(BudgetSpent,),
            )
            example[rows] = units_of(np.asarray(search.example), x[rows], inputs)
            success[rows] = np.asarray(search.success) & still_fools(victim, inputs, example[rows], y[rows])
            questions[rows] += np.asarray(search.questions)
            first[rows] += np.asarray(search.first)
        return outcome(
            self.name, inputs, x, example, right=right, success=success, questions=questions, first=first,
            cost=_ledger(victim) - before, stopped=stopped and f"the budget ended before the search did: {stopped}",
        )  # fmt: skip


class RoundsAttack(QuestionAttack):
    """One that is set by its rounds and the points of each, and not by its queries."""

    rounds: int
    points: int

    @property
    def queries(self) -> int:
        """About a record, at most: itself, and the points of every round."""
        return 1 + self.rounds * self.points


def terms_of(victim: Oracle | WhiteBox, name: str, levels: tuple[Level, ...]) -> tuple[Inputs, int]:
    """What a victim takes, and how many classes it has.

    Raises:
        InputError: it answers less than the attack needs.
    """
    if isinstance(victim, WhiteBox):
        return victim.inputs, victim.classes
    if victim.access.level not in levels:
        raise InputError(
            f"{name} needs confidences and the victim answers labels alone: give hopskipjump or boundary, which ask for labels."
        )
    return victim.access.inputs, victim.access.classes


def _ledger(victim: Oracle | WhiteBox) -> Ledger:
    return Ledger() if isinstance(victim, WhiteBox) else victim.ledger


def _records(
    seed: int, rows: Int[np.ndarray, "record"], x: np.ndarray, y: np.ndarray, label: np.ndarray, inputs: Inputs
) -> Record:
    share = share_of(x[rows], inputs)
    other = share_of(nearest_others(x[rows], y[rows], x, label, inputs), inputs)
    return Record(keys_of(seed, rows), share, jnp.asarray(y[rows], jnp.int32), *bounds_of(share, inputs), other)


def _round(method: Method, victim: Oracle | WhiteBox, inputs: Inputs, x: np.ndarray, y: np.ndarray) -> Round:
    """What a round asks of a victim."""
    if isinstance(victim, WhiteBox):
        return local(method, victim.model, victim.variables, box_of(inputs))

    def answers(points: Float[np.ndarray, "query *feature"], record: Int[np.ndarray, "query"]) -> Reply:
        return _reply(victim, victim(units_of(points, x[record], inputs)), y[record])

    return outside(method, answers)


def _reply(victim: Oracle, answer: Answer, label: Int[np.ndarray, "query"]) -> Reply:
    """What an answer says of points; a class below the top k has at most the least confidence that was answered."""
    away = fools(victim, answer, label)
    scores = answer.logit
    if scores is None and answer.probability is not None:
        scores = np.log(np.maximum(answer.probability, TINY))
    if scores is None:
        return Reply(away, np.where(away, -1.0, 1.0), np.zeros(len(away)))
    scores = np.where(np.isnan(scores), np.nanmin(scores, axis=1, keepdims=True), scores)
    # A class that is masked out has the logit -inf: two such margins have no difference.
    finite = np.where(np.isneginf(scores), np.inf, scores).min(axis=1, keepdims=True)
    least = np.minimum(finite, scores.max(axis=1, keepdims=True) + np.log(TINY))
    scores = np.where(np.isneginf(scores), least, scores)
    return reply_of(scores, label, away, np)


def _tell(progress: Progress, method: Method, records: int, questions: int) -> None:
    progress("questions", questions, records * method.rounds * method.points)
