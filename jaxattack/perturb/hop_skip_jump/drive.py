"""Two ways to go through the plan: within a program, and with answers from outside."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Key

from jaxattack.perturb.hop_skip_jump.plan import Plan
from jaxattack.perturb.hop_skip_jump.steps import (
    Region,
    Search,
    Tally,
    attempt,
    begin,
    by_record,
    candidate,
    count,
    halve,
    middle,
    no_probes,
    open_bracket,
    probe,
    start,
)
from jaxattack.perturb.norms import Norm

NUMBERS = 1 << 23
"""Numbers that the probes of one round outside may hold."""

TOGETHER = 32
"""Probes of each record that are computed at once, so that iterations of all lengths take one program."""


def traced(
    outside: Callable[[jax.Array, Any], jax.Array],
    keys: Key[jax.Array, "record"],
    x: Float[jax.Array, "record *feature"],
    region: Region,
    plan: Plan,
    last: Float[jax.Array, "record *feature"] | None = None,
) -> Search:
    """The whole plan within a program: a probe of each record is in memory at a time.

    Args:
        outside: (a point of each record, the number of the query) -> which are labelled otherwise.
        keys: of each record.
        x: the records.
        region: where points may lie.
        plan: what is asked, after the record itself.
        last: what the last try is, instead of noise.
    """

    def adversarial(search, point, number):
        return outside(point, number) & search.adversarial

    def trial(number, search):
        point = attempt(keys, number, x, region)
        if last is not None:
            point = jnp.where(number == plan.tries, jnp.clip(last, region.low, region.high), point)
        return start(search, point, outside(point, number), number)

    def bisect(first, search):
        def narrow(number, search):
            point = middle(search, plan.within)
            return halve(search, point, adversarial(search, point, first + number))

        return jax.lax.fori_loop(0, plan.bisections, narrow, search)

    def iterate(search, place):
        iteration, probes, first = place

        def sound(number, tally):
            point = probe(keys, first + number, search, region, plan.within)
            return count(tally, search, point, adversarial(search, point, first + number), plan.within)

        def shorten(halving, state):
            point, accepted = state
            nearer = candidate(search, tally, probes, iteration, halving, region, plan.within)
            now = adversarial(search, nearer, first + probes + halving) & ~accepted
            return jnp.where(by_record(now, point), nearer, point), accepted | now

        tally = jax.lax.fori_loop(0, probes, sound, no_probes(search))
        point, _ = jax.lax.fori_loop(0, plan.halvings, shorten, (search.point, jnp.zeros(len(x), bool)))
        return bisect(first + probes + plan.halvings, open_bracket(search, point)), None

    search = jax.lax.fori_loop(1, 1 + plan.tries, trial, begin(x))
    search = bisect(1 + plan.tries, open_bracket(search, search.point))
    places = jnp.arange(1, 1 + len(plan.probes)), jnp.asarray(plan.probes), jnp.asarray(plan.begins)
    return jax.lax.scan(iterate, search, places)[0]


class Round(NamedTuple):
    """A batch that somebody outside is asked.

    Attributes:
        record: of each query.
        points: the queries.
        search: where the search stands.
    """

    record: Int[np.ndarray, "query"]
    points: Float[np.ndarray, "query *feature"]
    search: Search


Rounds = Generator[Round, Bool[np.ndarray, "query"], Search]
"""Yields what is to be asked, is sent which of it are outside, and returns where the search ended."""


def rounds(
    keys: Key[jax.Array, "record"],
    x: Float[jax.Array, "record *feature"],
    region: Region,
    plan: Plan,
    last: Float[jax.Array, "record *feature"] | None = None,
) -> Rounds:
    """The plan of `traced`, whose answers come from outside; a record is asked no more than its search needs.

    Not asked are tries after the first that is outside, halvings of a step that is, and whatever comes after for a record
    without a start.

    Args:
        keys: of each record.
        x: the records.
        region: where points may lie.
        plan: what is asked, after the record itself.
        last: what the last try is, instead of noise.
    """

    def ask(search, point, active):
        record = np.flatnonzero(active)
        outside = np.zeros(len(x), bool)
        if len(record):
            outside[record] = yield Round(record, np.asarray(point)[record], search)
        return jnp.asarray(outside)

    def bisect(search):
        for _ in range(plan.bisections):
            point = _middle(search, plan.within)
            search = _halve(search, point, (yield from ask(search, point, search.adversarial)))
        return search

    search = begin(x)
    for number in range(1, 1 + plan.tries):
        if number == plan.tries and last is not None:
            point = jnp.clip(last, region.low, region.high)
        else:
            point = _attempt(keys, number, x, region)
        search = start(search, point, (yield from ask(search, point, ~search.adversarial)), number)
    search = yield from bisect(open_bracket(search, search.point))
    for iteration, (probes, first) in enumerate(zip(plan.probes, plan.begins, strict=True), start=1):
        tally = yield from _probed(keys, search, region, probes, first, plan.within)
        point, pending = search.point, search.adversarial
        for halving in range(plan.halvings):
            nearer = _candidate(search, tally, probes, iteration, halving, region, plan.within)
            now = yield from ask(search, nearer, pending)
            point, pending = jnp.where(by_record(now, point), nearer, point), pending & ~now
        search = yield from bisect(open_bracket(search, point))
    return search


def _probed(
    keys, search: Search, region: Region, probes: int, first: int, within: Norm
) -> Generator[Round, np.ndarray, Tally]:
    """The tally of an iteration, asked in as few batches as memory allows."""
    record, most = np.flatnonzero(search.adversarial), max(NUMBERS // search.x.size, 1)
    size = min(TOGETHER, 1 << (most.bit_length() - 1))
    tally = no_probes(search)
    for number in range(0, probes, most // size * size):
        end = min(number + most // size * size, probes)
        begins = range(number, end, size)
        points = [_probes(keys, first + at + jnp.arange(size), search, region, within) for at in begins]
        outside = np.zeros((len(begins) * size, len(search.x)), bool)
        if len(record):
            batch = np.concatenate([np.asarray(part)[:, record] for part in points])[: end - number]
            answers = yield Round(np.tile(record, end - number), batch.reshape(-1, *search.x.shape[1:]), search)
            outside[: end - number, record] = answers.reshape(end - number, -1)
        for at, part in zip(begins, points, strict=True):
            block = outside[at - number : at - number + size]
            tally = _count_block(tally, search, part, block, min(size, end - at), within)
    return tally


_attempt, _halve = jax.jit(attempt), jax.jit(halve)
_middle, _candidate = (jax.jit(step, static_argnames="within") for step in (middle, candidate))


@partial(jax.jit, static_argnames="within")
def _probes(
    keys: Key[jax.Array, "record"], numbers: jax.Array, search: Search, region: Region, within: Norm
) -> jax.Array:
    return jax.lax.map(lambda number: probe(keys, number, search, region, within), numbers)


@partial(jax.jit, static_argnames="within")
def _count_block(tally: Tally, search: Search, points: jax.Array, outside: jax.Array, size: Any, within: Norm) -> Tally:
    """The first so many probes more, one after the other as `traced` adds them."""

    def add(number, tally):
        return count(tally, search, points[number], outside[number], within)

    return jax.lax.fori_loop(0, size, add, tally)
