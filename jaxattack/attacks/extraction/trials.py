"""Inputs on which a stolen model is compared with its victim, by the kind of place that they are in.

    uniform         all over the documented range
    low             at random heights of the range, most of them low: records of raw columns fill little of a box, near its
                    lower end
    boundary        a pair a step before and after a place where the stolen model changes its label, or, where its numbers
                    repeat, its numbers, found by bisecting it, which asks nothing of the victim: between any two of the
                    inputs above and below, on a way along which numbers move evenly and each category jumps somewhere
    record          of the attacker's own pool
    near record     between two records of the pool, or a record moved by a tenth of the range

Where a service takes whole numbers all of them are rounded, as it would round them.

A classifier that is wrong anywhere is most often wrong beside its boundaries, and a regression on raw columns answers
one class nearly everywhere that is not near records: neither shows on uniform inputs alone. Pairs begin in every class, and
in every leaf of a tree whose leaves answer differently, as often as in the others, however small it is.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.attacks.extraction.asking import as_read, uniform
from jaxattack.attacks.extraction.segments import Label, Segments
from jaxattack.types import Access, Answer, Inputs

BOUNDARY = 0.7
"""Of the trials; the other places share the rest evenly, and one that is short of inputs leaves its share to the others.

Of 588 mistakes planted in copies of 84 trees, forests, networks and regressions (a leaf, a cut, a neuron, a weight), two sets, labels of
500 trials tell 62% and 64%, and 65% and 66% with a pool. With .5 they tell 1% fewer, with .9 as many, and with all 3% fewer of trees.
"""

FINE, COARSE = 1e-5, 1e-3
"""The least step from a boundary of float64 and of coarser answers, as a share of the segment that crosses it; the largest is COARSE / FINE
times as large.

Steps of float64 as coarse tell 57% and 60%. Copies of 32 linear victims by their labels pass all of 96 comparisons; with a hundredth in
float64 36 of 48, with a tenth in float32 41 of 48.
"""

POWER = 5
"""Of even heights, at most, for low ones. Of 224 mistakes in regression trees 250 inputs tell 40% even, 44% with 4, 41% with 6 and 36% with
10; of 189 in classifiers boundaries tell 57% between even inputs alone and 65% between low ones too.
"""

MOVED = 0.1
"""How far a record is moved, as a share of the range: of 224 mistakes in regression trees such records tell 60%, a tenth as far 49%."""


def draw(
    answer: Callable[[np.ndarray], Answer],
    exact: bool,
    access: Access,
    count: int,
    pool: Shaped[np.ndarray, "record *feature"] | None,
    fresh: Callable[[np.ndarray], Bool[np.ndarray, "query"]],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "query *feature"], Shaped[np.ndarray, "query"]]:
    """About ``count`` inputs to compare on, in random order, so that any first ones of them are of every kind; and their places.

    The answers are the stolen model's, ``exact`` where its numbers count. The pool's records are the attacker's own, and
    ``fresh`` tells which inputs were not asked.
    """
    inputs = access.inputs
    records = np.zeros((0, *inputs.shape)) if pool is None else np.asarray(pool, np.float64)
    flat = records.reshape(len(records), inputs.low.size)
    flat = flat[np.isfinite(flat).all(axis=1)]
    flat = flat[fresh(flat)]
    even = uniform(inputs, 2 * count, rng).reshape(2 * count, -1)
    places = {
        "record": flat[rng.permutation(len(flat))[:count]],
        "near record": near_records(inputs, flat, count, rng),
        "low": low(inputs, 2 * count, rng),
        "uniform": even,
    }
    some = {"boundary": even[:0]}
    kind = _kind(answer, exact, access, even)
    if kind is not None:
        ends = np.concatenate([places["record"], even, places["low"]])
        sources = [flat, ends] if len(flat) else [ends]
        least = FINE if access.precision == "float64" and access.decimals is None else COARSE
        pairs = round(BOUNDARY * count) // (2 * len(sources))
        beside = [boundaries(kind, inputs, one, pairs, least, rng) for one in sources]
        some["boundary"] = np.concatenate(beside)
    for others, (name, x) in zip(range(len(places), 0, -1), places.items(), strict=True):
        some[name] = x[: (count - sum(map(len, some.values()))) // others]
    x, place = as_read(inputs, np.concatenate([*some.values()])), np.repeat([*some], [*map(len, some.values())])
    order = rng.permutation(np.flatnonzero(fresh(x)))
    return x[order].reshape(len(order), *inputs.shape), place[order]


def _kind(answer: Callable[[np.ndarray], Answer], exact: bool, access: Access, some: np.ndarray) -> Label | None:
    """What changes at boundaries: numbers that count where most of some inputs share theirs, else the label of a classifier."""

    def number(x: np.ndarray) -> np.ndarray:
        own = answer(x)
        value = own.logit if own.probability is None else own.probability
        # Python's own hash of bytes is another one in each process, and pairs of classes are drawn in its order.
        return own.label if value is None else np.array([crc32(row.tobytes()) for row in value])

    if exact and 2 * len(np.unique(number(some.reshape(-1, *access.inputs.shape)))) < len(some):
        return number
    return (lambda x: answer(x).label) if access.classes > 1 else None


def low(inputs: Inputs, count: int, rng: np.random.Generator) -> Float[np.ndarray, "query feature"]:
    """Points at heights u^k of the range, u even, k of each point's own between 1 and `POWER`; categories are even."""
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    share = rng.random((count, low.size))
    height = low + share ** rng.uniform(1, POWER, (count, 1)) * (high - low)
    return np.where(categories > 0, np.floor(share * categories), height)


def near_records(
    inputs: Inputs, records: Float[np.ndarray, "record feature"], count: int, rng: np.random.Generator
) -> Float[np.ndarray, "query feature"]:
    """Half of them between two records, half a record that is moved a little; categories are the first record's."""
    if not len(records):
        return records[:0]
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    own, other = records[rng.integers(len(records), size=(2, count))]
    between = own + rng.random((count, 1)) * (other - own)
    jitter = np.clip(own + MOVED * (high - low) * rng.standard_normal(own.shape), low, high)
    mixed = np.where((np.arange(count) % 2 == 0)[:, None], between, jitter)
    return np.where(categories > 0, own, mixed)


def boundaries(
    label: Label,
    inputs: Inputs,
    ends: Float[np.ndarray, "end feature"],
    pairs: int,
    least: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "query feature"]:
    """Points just before and just after a change of the stolen model's label, in pairs; none where it never changes."""

    def of(x: np.ndarray) -> np.ndarray:
        return label(x.reshape(len(x), *inputs.shape))

    labels = of(ends)
    classes = np.unique(labels)
    if len(classes) < 2 or not pairs:
        return ends[:0]
    # Every class is on one side as often as the others, however seldom it is answered.
    side = [np.flatnonzero(labels == cls) for cls in np.resize(rng.permutation(classes), pairs)]
    first = np.array([rng.choice(one) for one in side])
    second = np.array([rng.choice(np.flatnonzero(labels != cls)) for cls in labels[first]])
    segments = Segments.between(inputs, ends[first], ends[second], rng)
    change = segments.crossings(of, labels[first], labels[second])
    step = least * (COARSE / FINE) ** rng.random(pairs)
    if inputs.whole:  # nearer the two are rounded to one
        step = np.maximum(step, 1 / np.abs(segments.end - segments.start).max(axis=1))
    return np.concatenate([segments.at(np.clip(share, 0.0, 1.0)) for share in (change.low - step, change.high + step)])
