"""The steps of HopSkipJump: pure functions of where the search stands, in the order in which they are taken."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Key

from jaxattack.perturb.hop_skip_jump.plan import FIRST, GROWTH
from jaxattack.perturb.norms import Norm

TINY = 1e-30
"""Keeps a direction of length 0 from dividing by it."""

TABLE = 0
"""The seed of the directions that all records share."""


class Region(NamedTuple):
    """Where points may lie; each broadcasts to the records.

    Attributes:
        low: smallest values; minus infinity for no bound.
        high: largest.
        scale: the size of noise that makes anything of a record.
    """

    low: Any
    high: Any
    scale: Any


class Search(NamedTuple):
    """Where the search stands; in which norm it is, the steps are told.

    Attributes:
        x: the records.
        point: the last point outside that was asked about; the last try where there is none.
        inside: the other end of the bisection.
        adversarial: whether a point outside is known.
        first: the number of the try that was the first one; 0 while there is none.
    """

    x: Float[jax.Array, "record *feature"]
    point: Float[jax.Array, "record *feature"]
    inside: Float[jax.Array, "record *feature"]
    adversarial: Bool[jax.Array, "record"]
    first: Int[jax.Array, "record"]


class Tally(NamedTuple):
    """What the probes of an iteration said: sums over them.

    Attributes:
        signed: of +-u_b.
        plain: of u_b.
        outside: of how many are outside.
    """

    signed: Float[jax.Array, "record *feature"]
    plain: Float[jax.Array, "record *feature"]
    outside: Float[jax.Array, "record"]


def begin(x: Float[jax.Array, "record *feature"]) -> Search:
    """Nothing is known but the records."""
    return Search(x, x, x, jnp.zeros(len(x), bool), jnp.zeros(len(x), jnp.int32))


def noise(keys: Key[jax.Array, "record"], number: Any, shape: tuple[int, ...]) -> Float[jax.Array, "record *feature"]:
    """Normal numbers for each record, of its own key and the number of the query."""
    return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, number), shape))(keys)


def attempt(
    keys: Key[jax.Array, "record"], number: Any, x: jax.Array, region: Region
) -> Float[jax.Array, "record *feature"]:
    """The start that query ``number`` = 1, 2, ... tries: the record plus noise, then less the same noise, then larger noise.

    Of a large pair a linear model labels one otherwise.
    """
    pair, second = (number - 1) // 2, (number - 1) % 2
    size = region.scale * FIRST * GROWTH**pair * (1 - 2 * second)
    return jnp.clip(x + size * noise(keys, pair, x.shape[1:]), region.low, region.high)


def start(search: Search, point: jax.Array, outside: jax.Array, number: Any) -> Search:
    """Take try ``number`` where it is the first one outside."""
    place = jnp.where(by_record(search.adversarial, point), search.point, point)
    first = jnp.where(outside & ~search.adversarial, jnp.asarray(number, jnp.int32), search.first)
    return search._replace(point=place, adversarial=search.adversarial | outside, first=first)


def radius(search: Search, within: Norm) -> Float[jax.Array, "record"]:
    """How far from its point a record is probed: sqrt(d) theta times its distance, theta = d^(-3/2), or d^(-2) in the max norm."""
    features = search.x[0].size
    return distance(search, within) / (features if within == "l2" else features**1.5)


def directions(iteration: Any, probes: int, features: int) -> Float[jax.Array, "probe feature"]:
    """The directions of an iteration, the same for all records: each uniform on the sphere, each ``features`` of them orthogonal.

    They are the columns of Q in the QR decomposition of normal numbers, where R's diagonal is above 0 (Stewart 1980).

    Args:
        iteration: its number.
        probes: how many; the first ones are orthogonal too.
        features: of a record.
    """
    key, size = jax.random.fold_in(jax.random.key(TABLE), iteration), min(probes, features)
    columns, upper = jnp.linalg.qr(jax.random.normal(key, (-(-probes // features), features, size)))
    diagonal = jnp.diagonal(upper, axis1=1, axis2=2)[:, None]
    columns = jnp.where(diagonal < 0, -columns, columns)
    return columns.swapaxes(1, 2).reshape(-1, features)[:probes]


def signs(keys: Key[jax.Array, "record"], number: Any, shape: tuple[int, ...]) -> Float[jax.Array, "record *feature"]:
    """-1 and 1 for each record and feature, of its own key and the number of the iteration's first query."""
    return jax.vmap(lambda key: jax.random.rademacher(jax.random.fold_in(key, number), shape, jnp.float32))(keys)


def probe(
    search: Search,
    directions: Float[jax.Array, "probe feature"],
    signs: Float[jax.Array, "record *feature"],
    region: Region,
    within: Norm,
) -> Float[jax.Array, "probe record *feature"]:
    """Points on the sphere around each record's point, clipped: the directions with the record's signs."""
    length = by_record(radius(search, within), signs) * signs

    def along(direction: jax.Array) -> jax.Array:
        return jnp.clip(search.point + length * direction[None], region.low, region.high)

    return jax.vmap(along)(directions.reshape(-1, *search.x.shape[1:]))


def no_probes(search: Search) -> Tally:
    """Before the first."""
    return Tally(jnp.zeros_like(search.x), jnp.zeros_like(search.x), jnp.zeros(len(search.x)))


def count(
    tally: Tally,
    search: Search,
    points: Float[jax.Array, "probe record *feature"],
    outside: Bool[jax.Array, "probe record"],
    size: Any,
    within: Norm,
) -> Tally:
    """The first ``size`` of some probes more, added one after another: how many are handed over at once changes no sum."""
    far = by_record(jnp.maximum(radius(search, within), TINY), search.x)
    signed, plain, outsiders = tally
    for number in range(len(points)):
        unit = jnp.where(number < size, (points[number] - search.point) / far, 0.0)
        signed = signed + jnp.where(by_record(outside[number], unit), unit, -unit)
        plain = plain + unit
        outsiders = outsiders + (outside[number] & (number < size)).astype(outsiders.dtype)
    return Tally(signed, plain, outsiders)


def candidate(
    search: Search, tally: Tally, probes: Any, iteration: Any, halving: Any, region: Region, within: Norm
) -> Float[jax.Array, "record *feature"]:
    """A step along the estimated direction, or its signs in the max norm, halved so many times.

    Args:
        search: before the step.
        tally: of all probes.
        probes: how many those are.
        iteration: its number, from 1.
        halving: how often the step was halved.
        region: where points may lie.
        within: the norm.
    """
    mean = 2 * tally.outside / jnp.asarray(probes, tally.outside.dtype) - 1
    agree = jnp.abs(mean) == 1
    baseline = by_record(jnp.where(agree, 0.0, mean), tally.plain)
    direction = tally.signed - baseline * tally.plain
    unit = direction / by_record(jnp.maximum(norm(direction), TINY), direction)
    unit = unit if within == "l2" else jnp.sign(direction)
    length = distance(search, within) / jnp.sqrt(iteration) * 2.0**-halving
    return jnp.clip(search.point + by_record(length, unit) * unit, region.low, region.high)


def open_bracket(search: Search, point: jax.Array) -> Search:
    """Before a bisection between each record and a point outside."""
    return search._replace(point=point, inside=search.x)


def middle(search: Search, within: Norm) -> Float[jax.Array, "record *feature"]:
    """Between the ends of the bisection; in the max norm the point outside, as far from the record as halfway between both."""
    if within == "l2":
        return (search.point + search.inside) / 2
    far = by_record((distance(search, within) + largest(search.inside - search.x)) / 2, search.x)
    return search.x + jnp.clip(search.point - search.x, -far, far)


def halve(search: Search, point: jax.Array, outside: jax.Array) -> Search:
    """The half of the bisection in which the boundary is."""
    side = by_record(outside, point)
    return search._replace(point=jnp.where(side, point, search.point), inside=jnp.where(side, search.inside, point))


def distance(search: Search, within: Norm = "l2") -> Float[jax.Array, "record"]:
    """From each record to its point."""
    return (norm if within == "l2" else largest)(search.point - search.x)


def largest(x: jax.Array) -> Float[jax.Array, "record"]:
    """The max norm of each record."""
    return jnp.abs(x.reshape(len(x), -1)).max(axis=1)


def norm(x: jax.Array) -> Float[jax.Array, "record"]:
    """The 2-norm of each record."""
    return jnp.sqrt(jnp.sum(x.reshape(len(x), -1) ** 2, axis=1))


def by_record(value: jax.Array, like: jax.Array) -> jax.Array:
    """One value a record, with as many axes as the records have."""
    return value.reshape(-1, *[1] * (like.ndim - 1))
