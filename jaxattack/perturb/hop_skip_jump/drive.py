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
    directions,
    halve,
    middle,
    no_probes,
    open_bracket,
    probe,
    signs,
    start,
)
from jaxattack.perturb.norms import Norm

NUMBERS = 1 << 23
"""Numbers that the probes of one round outside may hold."""

TOGETHER = 32
"""Probes of each record that are computed at once, at most, so that iterations of all lengths take one program."""

CACHED = 1 << 20
"""Numbers that those may hold, where that is more than one probe of each record. Processor seconds of 2,304 probes of 256 records of 64
features, of which the network's own products take .08: .20 by 4 probes, .17 by 8, .12 by 16, .11 by 32."""


def traced(
    outside: Callable[[jax.Array, Any], jax.Array],
    keys: Key[jax.Array, "record"],
    x: Float[jax.Array, "record *feature"],
    region: Region,
    plan: Plan,
    last: Float[jax.Array, "record *feature"] | None = None,
) -> Search:
    """The whole plan within a program: up to `TOGETHER` probes of each record are in memory at a time.

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

    features, most = x[0].size, max(plan.probes)
    size = min(together(x.size, CACHED), 1 << (most.bit_length() - 1))

    def iterate(search, place):
        iteration, probes, first = place
        table, own = directions(iteration, most, features), signs(keys, first, x.shape[1:])

        def sound(size, block, tally):
            begin = block * size
            rows = jax.lax.dynamic_slice_in_dim(table, begin, size)
            points = probe(search, rows, own, region, plan.within)
            answers = jax.vmap(partial(adversarial, search))(points, first + begin + jnp.arange(size))
            return count(tally, search, points, answers, size, plan.within)

        def shorten(halving, state):
            point, accepted = state
            nearer = candidate(search, tally, probes, iteration, halving, region, plan.within)
            now = adversarial(search, nearer, first + probes + halving) & ~accepted
            return jnp.where(by_record(now, point), nearer, point), accepted | now

        tally = jax.lax.fori_loop(0, probes // size, partial(sound, size), no_probes(search))
        tally = jax.lax.fori_loop(probes // size * size, probes, partial(sound, 1), tally)
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
        table = _directions(iteration, max(plan.probes), x[0].size)[:probes]
        tally = yield from _probed(search, region, table, _signs(keys, first, x.shape[1:]), plan.within)
        point, pending = search.point, search.adversarial
        for halving in range(plan.halvings):
            nearer = _candidate(search, tally, probes, iteration, halving, region, plan.within)
            now = yield from ask(search, nearer, pending)
            point, pending = jnp.where(by_record(now, point), nearer, point), pending & ~now
        search = yield from bisect(open_bracket(search, point))
    return search


def together(numbers: int, most: int) -> int:
    """Probes that are computed at once, a power of two: of so many numbers each, no more than ``most`` in all."""
    return min(TOGETHER, 1 << (max(most // numbers, 1).bit_length() - 1))


def _probed(
    search: Search,
    region: Region,
    table: Float[jax.Array, "probe feature"],
    own: Float[jax.Array, "record *feature"],
    within: Norm,
) -> Generator[Round, np.ndarray, Tally]:
    """The tally of an iteration, asked in as few batches as memory allows."""
    record, probes, size = np.flatnonzero(search.adversarial), len(table), together(search.x.size, NUMBERS)
    table = jnp.concatenate([table, jnp.zeros((-probes % size, table.shape[1]), table.dtype)])
    tally, step = no_probes(search), max(NUMBERS // search.x.size, 1) // size * size
    for number in range(0, probes, step):
        end = min(number + step, probes)
        begins = range(number, end, size)
        points = [_probe(search, table[first : first + size], own, region, within) for first in begins]
        outside = np.zeros((len(begins) * size, len(search.x)), bool)
        if len(record):
            batch = np.concatenate([np.asarray(part)[:, record] for part in points])[: end - number]
            answers = yield Round(np.tile(record, end - number), batch.reshape(-1, *search.x.shape[1:]), search)
            outside[: end - number, record] = answers.reshape(end - number, -1)
        for first, part in zip(begins, points, strict=True):
            block = outside[first - number : first - number + size]
            tally = _count(tally, search, part, block, end - first, within)
    return tally


_attempt, _halve = jax.jit(attempt), jax.jit(halve)
_directions, _signs = jax.jit(directions, static_argnums=(1, 2)), jax.jit(signs, static_argnums=2)
_middle, _candidate, _probe, _count = (
    jax.jit(step, static_argnames="within") for step in (middle, candidate, probe, count)
)
