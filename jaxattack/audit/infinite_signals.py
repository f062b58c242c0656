"""Signals of other code that are infinite: the evidence of a record that a model is sure of beyond what its numbers hold.

log p - log(1 - p) is infinite where p is rounded to 1, as float32 does for the records that a model knows best, or to 0. Such
a value is put log 2 beyond the largest or the smallest that is finite: where 1 - p is taken for half of the least that the
numbers tell from 0, as `jaxattack.audit.confidences` takes it where all classes are there. So it ranks before all others; beside
the last number of its dtype, beyond which there is none, with that. float16, whose last is 65504, is widened to float32 for it.
Where nothing is finite, as of trees that answer 0 or 1, it is log 2 from 0: 0 is then taken for a third. NaN says nothing and
stays; it is told by its places where it is read.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from jaxattack.types import Observations

BEYOND = float(np.log(2))
"""How far beyond the finite values an infinite one is put."""


def bound_signal(
    where: str, name: str, values: Float[np.ndarray, "model record *query"]
) -> tuple[Float[np.ndarray, "model record *query"], tuple[str, ...]]:
    """A signal with every infinity made finite, and in a sentence what was done.

    Args:
        where: it comes from, for messages.
        name: of the signal.
        values: the signal; a model at a time is looked at, for the memory of a file's.
    """
    if not any(np.isinf(row).any() for row in values):
        return values, ()
    values = values.astype(np.float32) if values.dtype == np.float16 else values
    infinite = np.isinf(values)
    records = int(infinite.reshape(*infinite.shape[:2], -1).any(axis=(0, 2)).sum())
    finite = values[np.isfinite(values)]
    low, high = _beyond(finite, -1), _beyond(finite, 1)
    bounded = np.clip(values, low.astype(values.dtype), high.astype(values.dtype))
    note = (
        f"{where}: {name} is infinite in {int(infinite.sum())} places of {records} records: they are taken for log 2 beyond "
        f"{'what is finite' if finite.size else '0, as nothing is finite'}, {low:.3g} and {high:.3g}."
    )
    return bounded, (note,)


def _beyond(finite: Float[np.ndarray, "value"], side: int) -> np.floating:
    """What is taken for infinity on a side, -1 or 1: log 2 beyond the last finite value there, or the next number if that is farther.

    None is beyond the last number of the dtype.
    """
    if not finite.size:
        return np.float64(side * BEYOND)
    last, end = side * (side * finite).max(), side * np.finfo(finite.dtype).max
    return side * max(side * (last + side * BEYOND), side * np.nextafter(last, end))


def bound_observations(where: str, observations: Observations) -> Observations:
    """Observations without infinite signals, the notes told; those that are finite are left where they are, on the disk too."""
    signals, notes = {}, list(observations.notes)
    for name in observations.signals:
        bounded, more = bound_signal(where, name, observations.signal(name))
        if more:
            signals[name], notes = bounded, [*notes, *more]
    there = ChainMap(signals, observations.signals)  # pyright: ignore[reportArgumentType] (nothing is written to the second)
    return replace(observations, signals=there, notes=tuple(notes))
