"""Square: a random search over squares at the corners of the max-norm ball (Andriushchenko et al. 2020).

The first point has vertical stripes of +-size, a sign for each column and channel. Each of the others has one square more,
of side round(sqrt(p h w)) at a random place (the authors' never touch the last row and column; these do), set to +-size with a sign for each channel; it is kept where the margin falls.
A square that would change nothing gets other signs. p falls with the number of the square, as in the authors' code:

    p = p_0 / 2^k,  k the number of 10, 50, 200, 500, 1,000, 2,000, 4,000, 6,000, 8,000 that lie below it

out of 10,000 squares, to which the authors' class rescales the number of fewer. AutoAttack does not.

A record that is no picture has runs of round(p d) features for squares, each feature with a sign of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import picture, share_of_range
from jaxattack.types import at_least, config

SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Squares after which p is halved, of `SQUARES`: the authors'."""

SQUARES = 10_000
"""Squares for which the schedule is made."""

SAME = 1e-7
"""A feature that differs by less does not differ: the authors'."""


class State(NamedTuple):
    """Of one record.

    Attributes:
        point: with the smallest margin until now.
        margin: its.
    """

    point: Float[jax.Array, "*feature"]
    margin: Float[jax.Array, ""]


@config
class SquareSearch:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        size: of the ball, as a share of the range.
        queries: of a record, at most, the one about itself before the search among them.
        p: the share of the features in the first square.
        rescale: whether the schedule is stretched to ``queries``.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.05
    queries: int = 5000
    p: float = 0.8
    rescale: bool = True

    minimises = False
    points = 1

    def __post_init__(self) -> None:
        share_of_range(size=self.size, p=self.p)
        at_least(2, queries=self.queries)

    @property
    def rounds(self) -> int:
        """A question in each, after that about the record."""
        return self.queries - 1

    def begin(self, record: Record) -> State:
        """The record itself, worse than any point."""
        return State(record.x, jnp.asarray(jnp.inf, record.x.dtype))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """Stripes, then a square more."""
        shape = height, width, channels = picture(record.x.shape)
        x, low, high, point = (part.reshape(shape) for part in (record.x, record.low, record.high, state.point))
        signs = (height, 1, 1) if width == 1 else (1, 1, channels)
        stripes = (height, 1, 1) if width == 1 else (1, width, channels)
        draws = jax.random.uniform(jax.random.fold_in(record.key, number), (3 + math.prod(stripes),))
        first = jnp.clip(x + self.size * _signs(draws[3:], stripes), low, high)
        inside = _square(draws[0], draws[1], shape, self.share(number))

        def with_square(signs):
            return jnp.where(inside, jnp.clip(x + self.size * signs, low, high), point)

        sign = _signs(draws[3:], signs)
        square = with_square(sign)
        square = jnp.where((jnp.abs(square - point) < SAME).all(), with_square(_other_signs(draws[2], sign)), square)
        return Query(jnp.where(number == 1, first, square).reshape(1, *record.x.shape), None)

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:  # noqa: ARG002 (as all methods)
        """Keep what lowers the margin."""
        better = reply.margin[0] < state.margin
        return State(jnp.where(better, query.points[0], state.point), jnp.minimum(state.margin, reply.margin[0]))

    def through(self, state: State) -> Bool[jax.Array, ""]:
        """Never."""
        return jnp.zeros_like(state.margin, bool)

    def share(self, number: jax.Array) -> Float[jax.Array, ""]:
        """p of question ``number``; the first square is question 2."""
        # The first square that is rescaled beyond each bound: square * SQUARES would leave 32 bits from 214,749 on.
        beyond = [-(-(bound + 1) * self.queries // SQUARES) if self.rescale else bound + 1 for bound in SCHEDULE]
        return self.p * 0.5 ** (number - 2 >= jnp.asarray(beyond)).sum().astype(jnp.float32)


def _signs(draws: Float[jax.Array, "draw"], shape: tuple[int, int, int]) -> Float[jax.Array, "..."]:
    return jnp.where(draws[: math.prod(shape)] < 0.5, -1.0, 1.0).reshape(shape)


def _square(
    row: jax.Array, column: jax.Array, shape: tuple[int, int, int], share: jax.Array
) -> Bool[jax.Array, "height width one"]:
    """The places of a square, or of a run, with so large a share of the features, by draws from 0 to 1."""
    height, width, _ = shape
    side = jnp.round(share * height if width == 1 else jnp.sqrt(share * height * width))
    return (_run(row, height, side)[:, None] & _run(column, width, side)[None])[:, :, None]


def _run(draw: jax.Array, length: int, side: Float[jax.Array, ""]) -> Bool[jax.Array, "place"]:
    """Neighbouring places, as many as the side, 1 to length - 1, of a square anywhere."""
    side = jnp.clip(side, 1, max(length - 1, 1)).astype(int)
    begin = (draw * (length - side + 1).astype(draw.dtype)).astype(int)
    place = jnp.arange(length)
    return (place >= begin) & (place < begin + side)


def _other_signs(draw: jax.Array, signs: Float[jax.Array, "..."]) -> Float[jax.Array, "..."]:
    """Signs of another choice, each as likely; where every feature has its own, all of them the other way."""
    rows, _, channels = signs.shape
    if rows > 1:
        return -signs
    others = 2**channels - 1
    flip = (1 + (draw * others).astype(int)) >> jnp.arange(channels) & 1
    return jnp.where(flip == 1, -signs, signs)
