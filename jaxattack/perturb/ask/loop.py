"""The loop over rounds, and the two ways to answer one: a model at hand, within a program, and somebody outside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.perturb.ask.search import Method, Query, Record, Reply, Search, ask, pending, reply_of, start, tell
from jaxattack.perturb.box import Box
from jaxattack.types import Model, Variables

NUMBERS = 1 << 23
"""Numbers that the points of one round may hold: more records are searched one block after the other."""

FEWEST = 8
"""Records in a batch, at least."""

TOGETHER = 64
"""Rounds between two looks at who is through, where a model at hand is asked."""


class Round(Protocol):
    """What one turn of the loop does with the records of a block."""

    def __call__(
        self, search: Search, records: Record, number: int, rows: Int[np.ndarray, "record"]
    ) -> tuple[Search, int]:
        """The search after some rounds, and the number of the next.

        Args:
            search: before them.
            records: that are searched, those that are through among them.
            number: of the first of the rounds.
            rows: the places of the records among all; -1 for those that nothing is asked about.
        """
        ...


def drive(
    method: Method,
    records: Record,
    advance: Round,
    report: Callable[[int], None] | None = None,
    stopping: tuple[type[Exception], ...] = (),
) -> tuple[Search, str]:
    """The search of all records to its end.

    Args:
        method: of the search.
        records: all of them.
        advance: asks and tells, some rounds in a turn.
        report: called after each turn with the questions until then.
        stopping: what ``advance`` raises where nothing more is answered.

    Returns:
        The search, and why it stopped before its end; empty where it did not.
    """
    count, size = len(records.label), max(NUMBERS // (method.points * records.x[0].size), 1)
    search = jax.tree.map(np.array, start(method, records, np.ones(count, bool)))
    try:
        for begin in range(0, count, size):
            _block(method, records, np.arange(begin, min(begin + size, count)), advance, search, report)
    except stopping as error:
        return search, str(error)
    return search, ""


def _block(
    method: Method,
    records: Record,
    rows: Int[np.ndarray, "record"],
    advance: Round,
    search: Search,
    report: Callable[[int], None] | None,
) -> None:
    """Search some records to their end, and write into the search of all where theirs stands; half of them through, they leave.

    A batch is filled up to a power of two, so that few programs are compiled: at first by records that nothing is asked about
    (-1 among the rows), and then by some that are through.
    """
    rows = np.concatenate([rows, np.full(_length(len(rows)) - len(rows), -1)])
    batch, number = _take(records, np.maximum(rows, rows[0])), 1
    part = start(method, batch, rows >= 0)
    try:
        while number <= method.rounds and (on := np.asarray(_pending(method, part))).any():
            if (length := _length(on.sum())) < len(rows):
                _put(search, rows, part)
                places = np.argsort(~on, kind="stable")[:length]
                part, batch, rows = _take(part, places), _take(batch, places), rows[places]
            part, number = advance(part, batch, number, rows)
            if report:
                _put(search.questions, rows, part.questions)
                report(int(search.questions.sum()))
    finally:
        _put(search, rows, part)


def _length(count: int) -> int:
    """Of a batch for so many records."""
    return max(1 << (int(count) - 1).bit_length(), FEWEST)


def _take(tree: Any, places: np.ndarray) -> Any:
    return jax.tree.map(lambda leaf: leaf[places], tree)


def _put(tree: Any, rows: np.ndarray, part: Any) -> None:
    for leaf, new in zip(jax.tree.leaves(tree), jax.tree.leaves(part), strict=True):
        leaf[rows[rows >= 0]] = np.asarray(new)[rows >= 0]


_pending = jax.jit(pending, static_argnames="method")


def local(method: Method, model: Model, variables: Variables, box: Box) -> Round:
    """Rounds that ask a model at hand, `TOGETHER` in one program.

    Args:
        method: of the search.
        model: takes records in its own units.
        variables: of the model.
        box: the range of each feature in those units.
    """

    def advance(search: Search, records: Record, number: int, rows: np.ndarray) -> tuple[Search, int]:  # noqa: ARG001 (a model takes points alone)
        end = min(number + TOGETHER, method.rounds + 1)
        return _rounds(method, model, variables, box, search, records, number, end), end

    return advance


@partial(jax.jit, static_argnames=("method", "model"))
def _rounds(
    method: Method, model: Model, variables: Variables, box: Box, search: Search, records: Record, number: Any, end: Any
) -> Search:
    low, span = jnp.asarray(box[0])[None], jnp.asarray(box[2])[None]

    def step(turn):
        number, search = turn
        query = ask(method, search, records, number)
        points = query.points.reshape(-1, *query.points.shape[2:])
        scores = model.apply(variables, low + span * points)
        label = jnp.broadcast_to(records.label[:, None], query.points.shape[:2])
        reply = reply_of(scores.reshape(*query.points.shape[:2], -1), label)
        return number + 1, tell(method, search, records, number, query, reply)

    def on(turn):
        return (turn[0] < end) & pending(method, turn[1]).any()

    return jax.lax.while_loop(on, step, (jnp.asarray(number, jnp.int32), search))[1]


Answers = Callable[[Shaped[np.ndarray, "query *feature"], Int[np.ndarray, "query"]], Reply]
"""What somebody outside says of points, each of the record at a place: a `Reply` of all of them."""


def outside(method: Method, answers: Answers) -> Round:
    """Rounds that ask somebody outside, about nobody who is through.

    Args:
        method: of the search.
        answers: to a batch; what it raises, the search raises.
    """

    def advance(search: Search, records: Record, number: int, rows: np.ndarray) -> tuple[Search, int]:
        query, on = _ask(method, search, records, number)
        on = np.flatnonzero(np.asarray(on))
        points = np.asarray(query.points)[on]
        reply = answers(points.reshape(-1, *points.shape[2:]), np.repeat(rows[on], method.points))
        return _tell_all(
            method, search, records, number, query, _spread(reply, on, len(rows), method.points)
        ), number + 1

    return advance


def _spread(reply: Reply, on: np.ndarray, count: int, points: int) -> Reply:
    """The answers of a round, a row a record; nothing for those that were not asked about."""
    table = Reply(np.zeros((count, points), bool), *(np.zeros((count, points), np.float32) for _ in range(2)))
    for part, values in zip(table, reply, strict=True):
        part[on] = np.asarray(values).reshape(-1, points)
    return table


@partial(jax.jit, static_argnames="method")
def _ask(method: Method, search: Search, records: Record, number: Any) -> tuple[Query, jax.Array]:
    return ask(method, search, records, number), pending(method, search)


@partial(jax.jit, static_argnames="method")
def _tell_all(method: Method, search: Search, records: Record, number: Any, query: Query, reply: Reply) -> Search:
    return tell(method, search, records, number, query, reply)
