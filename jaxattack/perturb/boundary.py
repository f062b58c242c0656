"""The boundary attack: a walk along the boundary towards the record, from labels alone (Brendel, Rauber and Bethge 2018).

From a point outside, at distance r from the record x, a candidate is made in two parts:

    sideways    a normal step, without its share along x - point, of length d r; then back to the sphere of radius r
    inwards     e r along the way to x, less what the first part came nearer by itself

It becomes the point where it is outside and nearer. Every tenth question asks about the sideways part alone. Where more
than half of those are outside, d and e grow by half, where fewer than a fifth are, they shrink as much; e follows the share of
candidates that are outside in the same way, between a quarter and a tenth. The walk ends where e falls below 1e-7. Shares are of the
last 10 questions of the first kind and the last 30 of the second, as foolbox counts them within its longer queue.

The start is that of `jaxattack.perturb.hop_skip_jump`: noise, ever larger, then a record of another label, then a bisection.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import share_of_range
from jaxattack.perturb.hop_skip_jump.plan import FINEST, TRIES
from jaxattack.perturb.hop_skip_jump.steps import TINY, Region, attempt
from jaxattack.types import above_zero, at_least, config

EVERY = 10
"""Questions from one about the sideways part to the next: foolbox's."""

GROWTH = 1.5
"""Of a step that is too short: foolbox's."""

SIDEWAYS, SIDEWAYS_SHARES = 10, (0.2, 0.5)
"""Questions that are looked back at, and the shares of them outside between which nothing changes."""

INWARDS, INWARDS_SHARES = 30, (0.1, 0.25)
"""The same of candidates."""


class State(NamedTuple):
    """Of one record.

    Attributes:
        point: the nearest outside; the last try while there is none.
        inside: the other end of the bisection.
        adversarial: whether the point is outside.
        lost: whether no try was.
        spherical: d.
        source: e.
        sideways: the last answers to the first kind of question; NaN for none.
        inwards: to the second.
    """

    point: Float[jax.Array, "*feature"]
    inside: Float[jax.Array, "*feature"]
    adversarial: Bool[jax.Array, ""]
    lost: Bool[jax.Array, ""]
    spherical: Float[jax.Array, ""]
    source: Float[jax.Array, ""]
    sideways: Float[jax.Array, "last"]
    inwards: Float[jax.Array, "last"]


@config
class Walk:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        queries: of a record, at most, the one about itself before the search among them.
        spherical: the first d.
        source: the first e.
        least: the e at which a walk ends.

    Raises:
        InputError: a value out of range.
    """

    queries: int = 5000
    spherical: float = 0.01
    source: float = 0.01
    least: float = 1e-7

    minimises = True
    points = 1

    def __post_init__(self) -> None:
        at_least(2, queries=self.queries)
        share_of_range(spherical=self.spherical, source=self.source)
        above_zero(least=self.least)

    @property
    def rounds(self) -> int:
        """A question in each, after that about the record."""
        return self.queries - 1

    def begin(self, record: Record) -> State:
        """No point outside is known."""
        no = jnp.zeros((), bool)
        steps = jnp.asarray(self.spherical), jnp.asarray(self.source)
        return State(record.x, record.x, no, no, *steps, jnp.full(SIDEWAYS, jnp.nan), jnp.full(INWARDS, jnp.nan))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """A try, the middle of the bracket, or a step."""
        key = jax.random.fold_in(record.key, number)
        aside, candidate = _step(key, state, record)
        step = jnp.where(_asks_aside(number), aside, candidate)
        middle = (state.point + state.inside) / 2
        bisects = number <= TRIES + FINEST
        point = jnp.where(state.adversarial, jnp.where(bisects, middle, step), _try(record, number))
        return Query(jnp.clip(point, record.low, record.high)[None], None)

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:
        """Narrow the bracket, or walk on."""
        point, outside = query.points[0], reply.outside[0]
        bisects = number <= TRIES + FINEST
        narrower = state._replace(
            point=jnp.where(outside | ~state.adversarial, point, state.point),
            inside=jnp.where(outside | ~state.adversarial, state.inside, point),
            adversarial=state.adversarial | outside,
            lost=~state.adversarial & ~outside & (number >= TRIES),
        )
        further = self._walk(state, record, number, point, outside)
        return jax.tree.map(lambda ours, theirs: jnp.where(bisects, ours, theirs), narrower, further)

    def through(self, state: State) -> Bool[jax.Array, ""]:
        """Without a start, or at the end of the walk."""
        return state.lost | (state.source < self.least)

    def _walk(self, state: State, record: Record, number: jax.Array, point: jax.Array, outside: jax.Array) -> State:
        aside = _asks_aside(number)
        sideways = jnp.where(aside, _later(state.sideways, outside), state.sideways)
        inwards = jnp.where(aside, state.inwards, _later(state.inwards, outside))
        both = _growth(sideways, SIDEWAYS_SHARES, aside)
        alone = _growth(inwards, INWARDS_SHARES, ~aside)
        nearer = _length(point - record.x) < _length(state.point - record.x)
        return state._replace(
            point=jnp.where(outside & ~aside & nearer, point, state.point),
            spherical=state.spherical * both,
            source=state.source * both * alone,
            sideways=jnp.where(both == 1, sideways, jnp.nan),
            inwards=jnp.where(alone == 1, inwards, jnp.nan),
        )


def _asks_aside(number: jax.Array) -> Bool[jax.Array, ""]:
    return number % EVERY == 0


def _try(record: Record, number: jax.Array) -> Float[jax.Array, "*feature"]:
    """The tries of HopSkipJump; the last one is the other record, where there is one."""
    region = Region(record.low[None], record.high[None], 1.0)
    noisy = attempt(record.key[None], number, record.x[None], region)[0]
    known = (record.other != record.x).any()
    return jnp.where(known & (number == TRIES), record.other, noisy)


def _step(key: jax.Array, state: State, record: Record) -> tuple[jax.Array, jax.Array]:
    """The sideways part of a step, and all of it."""
    source = record.x - state.point
    far = _length(source)
    towards = source / jnp.maximum(far, TINY)
    draw = jax.random.normal(key, record.x.shape)
    draw = draw - (draw * towards).sum() * towards
    draw = draw * state.spherical * far / jnp.maximum(_length(draw), TINY)
    aside = jnp.clip(record.x + (draw - source) / jnp.sqrt(1 + state.spherical**2), record.low, record.high)
    rest = record.x - aside
    length = jnp.maximum(state.source * far + _length(rest) - far, 0)
    return aside, aside + length * rest / jnp.maximum(_length(rest), TINY)


def _later(answers: Float[jax.Array, "last"], outside: jax.Array) -> Float[jax.Array, "last"]:
    return jnp.append(answers[1:], outside.astype(answers.dtype))


def _growth(answers: Float[jax.Array, "last"], shares: tuple[float, float], now: jax.Array) -> Float[jax.Array, ""]:
    """By how much a step changes, once so many answers are there."""
    low, high = shares
    share = answers.mean()
    factor = jnp.where(share > high, GROWTH, jnp.where(share < low, 1 / GROWTH, 1.0))
    return jnp.where(now & ~jnp.isnan(share), factor, 1.0)


def _length(x: jax.Array) -> Float[jax.Array, ""]:
    return jnp.sqrt((x**2).sum())
