"""A search for one record, and the same mapped over records, counted and frozen where they are through."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Key


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
