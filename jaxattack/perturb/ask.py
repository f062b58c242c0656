"""Searches that only ask: pure functions of named state, and the one loop that drives them.

A `Method` says of one record which points it asks about (`Method.ask`) and what it makes of the answers (`Method.tell`).
Here they are mapped over records, and counted:

    every point lies where the record may go, so that any that is labelled otherwise is an example
    the example of a record is its first, or the nearest of all where the method goes on after it (``minimises``)
    a record that is through is frozen: nothing of it changes, it is asked no more, and it drops out of the batch
    all others are at the same round of the same plan, so that a round is one batch

`drive` is the loop. What a round does is handed to it: `local` asks a model at hand within one program of many rounds,
`outside` somebody else, such as a service, a round at a time. Both take the same points of the same keys.

Points are shares of each feature's range.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Key, Shaped

from jaxattack.perturb.box import Box
from jaxattack.types import Model, Variables

NUMBERS = 1 << 23
"""Numbers that the points of one round may hold: more records are searched one block after the other."""

FEWEST = 8
"""Records in a batch, at least."""

TOGETHER = 64
"""Rounds between two looks at who is through, where a model at hand is asked."""


class Record(NamedTuple):
    """One record; with a leading axis, several.

    Attributes:
        key: of everything random.
        x: the record.
        label: the class that its example is not to have.
        low: the least that its points may be.
        high: the most.
        other: a record of another label, where one is known; else the record itself.
    """

    key: Key[jax.Array, "..."]
    x: Float[jax.Array, "*feature"]
    label: Int[jax.Array, "..."]
    low: Float[jax.Array, "*feature"]
    high: Float[jax.Array, "*feature"]
    other: Float[jax.Array, "*feature"]


class Query(NamedTuple):
    """What is asked about one record in one round.

    Attributes:
        points: to be answered.
        draws: what the method drew for them and wants again with the answers.
    """

    points: Float[jax.Array, "point *feature"]
    draws: Any


class Reply(NamedTuple):
    """What is known of the points of a round.

    Attributes:
        outside: whether a point is labelled otherwise than the record.
        margin: the logit of the record's label less the largest other; -1 and 1 where labels alone are answered.
        log_p: the logarithm of the confidence in the record's label; 0 where labels alone are answered.
    """

    outside: Bool[Any, "... point"]
    margin: Float[Any, "... point"]
    log_p: Float[Any, "... point"]


class Method(Protocol):
    """A search for one record, as pure functions; a frozen value, so that its program is traced once.

    Attributes:
        rounds: at most.
        points: asked about in each.
        minimises: whether it looks for nearer examples after the first.
    """

    @property
    def rounds(self) -> int: ...

    @property
    def points(self) -> int: ...

    @property
    def minimises(self) -> bool: ...

    def begin(self, record: Record) -> Any:
        """The state before the first round."""
        ...

    def ask(self, state: Any, record: Record, number: jax.Array) -> Query:
        """The points of round ``number`` = 1, 2, ..."""
        ...

    def tell(self, state: Any, record: Record, number: jax.Array, query: Query, reply: Reply) -> Any:
        """The state after their answers."""
        ...

    def through(self, state: Any) -> Bool[jax.Array, "..."]:
        """Whether the method itself has no more to ask."""
        ...


class Search(NamedTuple):
    """Where the search of one record stands; with a leading axis, of several.

    Attributes:
        state: of the method.
        example: the best until now; the record where there is none.
        distance: of the example in the 2-norm; infinite where there is none.
        questions: points asked about.
        first: questions when the first example was met; all of them where there is none.
        active: whether anything is asked about it at all.
    """

    state: Any
    example: Float[jax.Array, "*feature"]
    distance: Float[jax.Array, "..."]
    questions: Int[jax.Array, "..."]
    first: Int[jax.Array, "..."]
    active: Bool[jax.Array, "..."]

    @property
    def success(self) -> Bool[Any, "..."]:
        """Whether there is an example."""
        return self.distance < jnp.inf


def reply_of(scores: Any, label: Any, outside: Any = None, xp: Any = jnp) -> Reply:
    """What logits, or logarithms of confidences, say.

    Args:
        scores: Float["... point cls"].
        label: of the records, broadcast to the points.
        outside: whether points are labelled otherwise, where labels were answered too; else as the largest score says.
        xp: ``numpy`` for answers in float64, ``jax.numpy`` within a program.
    """
    own = xp.take_along_axis(scores, label[..., None], axis=-1)
    classes = xp.arange(scores.shape[-1]).reshape(*[1] * label.ndim, -1)
    others = xp.where(classes == label[..., None], -xp.inf, scores)
    largest = scores.max(axis=-1)
    log_p = own[..., 0] - largest - xp.log(xp.exp(scores - largest[..., None]).sum(axis=-1))
    outside = scores.argmax(axis=-1) != label if outside is None else outside
    return Reply(outside, own[..., 0] - others.max(axis=-1), log_p)


@partial(jax.jit, static_argnames="method")
def start(method: Method, records: Record, active: Bool[Any, "record"]) -> Search:
    """Nothing is known but the records, and which of them are searched."""
    zero = jnp.zeros(len(active), jnp.int32)
    return Search(
        jax.vmap(method.begin)(records), records.x, jnp.full(len(active), jnp.inf), zero, zero, jnp.asarray(active)
    )


def pending(method: Method, search: Search) -> Bool[jax.Array, "record"]:
    """Which records are still asked about."""
    on = search.active & ~jax.vmap(method.through)(search.state)
    return on if method.minimises else on & ~search.success


_pending = jax.jit(pending, static_argnames="method")


def ask(method: Method, search: Search, records: Record, number: Any) -> Query:
    """The points of a round, of every record."""
    return jax.vmap(partial(method.ask, number=number))(search.state, records)


def tell(method: Method, search: Search, records: Record, number: Any, query: Query, reply: Reply) -> Search:
    """The search after a round; that of a record that is through is as it was."""
    after = jax.vmap(partial(_tell, method, number))(search, records, query, reply)
    on = pending(method, search)
    return jax.tree.map(lambda new, old: jnp.where(on.reshape(-1, *[1] * (new.ndim - 1)), new, old), after, search)


def _tell(method: Method, number: Any, search: Search, record: Record, query: Query, reply: Reply) -> Search:
    state = method.tell(search.state, record, number, query, reply)
    shift = (query.points - record.x[None]).reshape(len(query.points), -1)
    far = jnp.where(reply.outside, jnp.sqrt((shift**2).sum(axis=1)), jnp.inf)
    nearest = far.argmin()
    questions = search.questions + len(far)
    return Search(
        state,
        jnp.where(far[nearest] < search.distance, query.points[nearest], search.example),
        jnp.minimum(far[nearest], search.distance),
        questions,
        jnp.where(search.success, search.first, questions),
        search.active,
    )


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
