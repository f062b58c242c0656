"""Inputs on which a stolen model is compared with its victim, by the kind of place that they are in.

    uniform         all over the documented range
    neighbourhood   around points at random heights of the range, most of them low, as wide as from all to a thousandth of
                    it: records of raw columns fill little of a box, near its lower end or its middle
    boundary        a pair a step before and after a place where the stolen model changes its label, found by bisecting
                    it, which asks nothing of the victim: between any two of the inputs above and below, on a way
                    along which numbers move evenly and each category jumps at a random place
    record          of the attacker's own pool
    near record     between two records of the pool that are alike, or a record moved by a hundredth of the range

Where a service takes whole numbers all of them are rounded, as it would round them.

A classifier that is wrong anywhere is most often wrong beside its boundaries, and a regression on raw columns answers
one class nearly everywhere that is not near records: neither shows on uniform inputs alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.extraction.asking import as_read, uniform
from jaxattack.attacks.search.bisect import bisect
from jaxattack.types import Inputs

Label = Callable[[np.ndarray], Int[np.ndarray, "query"]]
"""x["query *feature"] -> the stolen model's labels."""

SHARES = {"boundary": 0.4, "neighbourhood": 0.3, "uniform": 0.3}
WITH_RECORDS = {"record": 0.4, "near record": 0.1, "boundary": 0.3, "neighbourhood": 0.1, "uniform": 0.1}
"""Of the trials, by place; a place that is short of inputs leaves its share to the next one.

Of 27 thefts of `scripts/completeness.py` that were not complete, two were told by boundaries alone.
"""

STEPS = (-3.0, -1.0)
"""Powers of ten between which lies the step from a boundary, as a share of the segment that crosses it."""

WIDTHS = (-3.0, 0.0)
"""Powers of ten between which lies the width of a neighbourhood, as a share of the range."""

MOVED = 0.01
"""How far a record is moved, as a share of the range."""


def draw(
    label: Label | None,
    inputs: Inputs,
    count: int,
    pool: Shaped[np.ndarray, "record *feature"] | None,
    fresh: Callable[[np.ndarray], Bool[np.ndarray, "query"]],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "query *feature"], Shaped[np.ndarray, "query"]]:
    """About ``count`` inputs to compare on, in random order, so that any first ones of them are of every kind; and their places.

    The label is of the stolen model; None for a regressor, which has no boundaries. The pool's records are the
    attacker's own, and ``fresh`` tells which inputs were not asked.
    """
    records = np.zeros((0, *inputs.shape)) if pool is None else np.asarray(pool, np.float64)
    flat = records.reshape(len(records), inputs.low.size)
    flat = flat[np.isfinite(flat).all(axis=1)]
    flat = flat[fresh(flat)]
    shares = WITH_RECORDS if len(flat) else SHARES
    counts = {place: round(share * count) for place, share in shares.items()}
    some = {
        "record": flat[rng.permutation(len(flat))[: counts.get("record", 0)]],
        "near record": near_records(inputs, flat, count, rng),
        "uniform": uniform(inputs, 2 * count, rng).reshape(2 * count, -1),
        "neighbourhood": neighbourhoods(inputs, 2 * count, rng),
    }
    ends = np.concatenate([flat[rng.permutation(len(flat))[:count]], some["uniform"], some["neighbourhood"]])
    if label is not None:
        sources = [flat, ends] if len(flat) else [ends]
        pairs = [boundaries(label, inputs, one, counts["boundary"] // (2 * len(sources)), rng) for one in sources]
        some["boundary"] = np.concatenate(pairs)
    parts: list[np.ndarray] = []
    missing = 0
    for place in shares:
        parts.append(some.get(place, ends[:0])[: counts[place] + missing])
        missing += counts[place] - len(parts[-1])
    x, place = as_read(inputs, np.concatenate(parts)), np.repeat([*shares], [len(part) for part in parts])
    order = rng.permutation(np.flatnonzero(fresh(x)))
    return x[order].reshape(len(order), *inputs.shape), place[order]


def neighbourhoods(inputs: Inputs, count: int, rng: np.random.Generator) -> Float[np.ndarray, "query feature"]:
    """Points around random centres, in widths of every size; a category of the centre changes as often as that is wide."""
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    # Heights u^k of the range, k from 1 (even) to 19 (a mean of a twentieth), one in eight upside down.
    height = rng.random((count, low.size)) ** rng.uniform(1, 19, (count, 1))
    height = np.where(rng.random((count, 1)) < 0.125, 1 - height, height)
    # A quarter are around a level that all features share: the origin of the range, its middle, or between.
    level = rng.choice([0.0, 0.25, 0.5], (count, 1))
    height = np.where(rng.random((count, 1)) < 0.25, level, height)
    width = 10.0 ** rng.uniform(*WIDTHS, (count, 1))
    share = np.clip(height + width * rng.uniform(-0.5, 0.5, (count, low.size)), 0.0, 1.0)
    centre, fresh = (np.floor(rng.random((count, low.size)) * categories) for _ in range(2))
    code = np.where(rng.random((count, low.size)) < width, fresh, centre)
    return np.where(categories > 0, code, low + share * (high - low))


def near_records(
    inputs: Inputs, records: Float[np.ndarray, "record feature"], count: int, rng: np.random.Generator
) -> Float[np.ndarray, "query feature"]:
    """Half of them between a record and its nearest of a few others, half a record that is moved a little."""
    if not len(records):
        return records[:0]
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    span = np.where(high > low, high - low, 1.0)
    own = records[rng.integers(len(records), size=count)]
    others = records[rng.integers(len(records), size=(count, 8))]
    apart = np.linalg.norm((others - own[:, None]) / span, axis=2)
    apart = np.where(apart > 0, apart, np.inf)
    nearest = others[np.arange(count), apart.argmin(axis=1)]
    between = own + rng.random((count, 1)) * (nearest - own)
    jitter = np.clip(own + MOVED * span * rng.standard_normal(own.shape), low, high)
    mixed = np.where((np.arange(count) % 2 == 0)[:, None], between, jitter)
    return np.where(categories > 0, own, mixed)


def boundaries(
    label: Label, inputs: Inputs, ends: Float[np.ndarray, "end feature"], pairs: int, rng: np.random.Generator
) -> Float[np.ndarray, "query feature"]:
    """Points just before and just after a change of the stolen model's label, in pairs; none where it never changes."""

    def of(x: np.ndarray) -> np.ndarray:
        return label(x.reshape(len(x), *inputs.shape))

    labels = of(ends)
    classes = np.unique(labels)
    if len(classes) < 2 or not pairs:
        return ends[:0]
    # Every class is on one side as often as the others, however seldom it is answered.
    side = [np.flatnonzero(labels == cls) for cls in rng.choice(classes, pairs)]
    first = np.array([rng.choice(one) for one in side])
    second = np.array([rng.choice(np.flatnonzero(labels != cls)) for cls in labels[first]])
    a, b, codes = ends[first], ends[second], inputs.categories.ravel() > 0
    jump = rng.random(a.shape) if codes.any() else np.ones(a.shape)

    def at(way: np.ndarray, share: np.ndarray) -> np.ndarray:
        share = share[:, None]
        return np.where(codes, np.where(share < jump[way], a[way], b[way]), a[way] + share * (b[way] - a[way]))

    way = np.arange(pairs)
    # A point of a segment is its way and the share of it.
    start, end = (np.stack([way, np.full(pairs, share)], axis=1) for share in (0.0, 1.0))
    change = bisect(lambda x: of(at(x[:, 0].astype(int), x[:, 1])), start, end, labels[first], label=labels[second])
    step = 10.0 ** rng.uniform(*STEPS, pairs)
    return np.concatenate([at(way, np.clip(share, 0.0, 1.0)) for share in (change.low - step, change.high + step)])
