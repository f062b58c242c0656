"""Balanced accuracy at a threshold that was chosen on other records than those it is judged on.

The best of all thresholds, judged where it was chosen, is above one half even for scores that know nothing: by about
.015 to .02 for a target of 1,000 records. So the records are parted in two halves, the same for every target; each half
is judged at the threshold that is best on the other, and the two are averaged.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.metrics.ranked import Ranked, TargetCurves

THRESHOLDS = 1000  # tried, evenly spaced in rank: between two neighbours lies a thousandth of the scores


def cross_fitted_accuracy(ranked: Ranked) -> float:
    """Balanced accuracy, 0 to 1, of thresholds chosen on one half of the records and judged on the other, for all targets
    together.

    One half on average where scores do not depend on membership, and exactly one half where all of them are equal. A half
    without members or without non-members counts as guessed.
    """
    descending, member = ranked.ascending[::-1], ranked.member[::-1]
    at = _tried(np.append(descending[1:] != descending[:-1], True)[None])
    start = np.append(0, at[0, :0:-1] + 1)
    second = ranked.of_records(_second_half(ranked.shape[1]))[::-1]

    def counts(side: Bool[np.ndarray, "score"]) -> Counts:
        up_to = np.cumsum(np.add.reduceat(side, start, dtype=np.int64))
        return Counts(up_to[None, ::-1], np.array([side.sum()]))

    return float(_judged(counts(member), counts(~member), counts(second & member), counts(second & ~member))[0])


def cross_fitted_accuracies(curves: TargetCurves) -> Float[np.ndarray, "target"]:
    """The same for each target alone."""
    second = _second_half(curves.record.shape[1])[curves.record]
    late = np.cumsum(second.astype(np.int32), axis=1, dtype=np.int32)
    late_members = np.cumsum((second & curves.member).astype(np.int32), axis=1, dtype=np.int32)
    at = _tried(curves.point)

    def counts(up_to: Int[np.ndarray, "target score"]) -> Counts:
        return Counts(np.take_along_axis(up_to, at, axis=1), up_to[:, -1])

    return _judged(counts(curves.tp), counts(curves.fp), counts(late_members), counts(late - late_members))


class Counts(NamedTuple):
    """How many scores of some kind there are.

    Attributes:
        up_to: each threshold, from the least on.
        total: in all.
    """

    up_to: Int[np.ndarray, "target cut"]
    total: Int[np.ndarray, "target"]


def _judged(members: Counts, others: Counts, late_members: Counts, late_others: Counts) -> Float[np.ndarray, "target"]:
    """The accuracies, from counts in both halves and in the second."""
    first = _gain(_less(members, late_members), _less(others, late_others))
    second = _gain(late_members, late_others)
    row = np.arange(len(first))
    return 0.5 + (first[row, second.argmax(axis=1)] + second[row, first.argmax(axis=1)]) / 4


def _less(both: Counts, late: Counts) -> Counts:
    return Counts(both.up_to - late.up_to, both.total - late.total)


def _gain(members: Counts, others: Counts) -> Float[np.ndarray, "target cut"]:
    """True-positive less false-positive rate at each threshold; 0 where a side is empty."""
    rates = [side.up_to / np.maximum(side.total, 1)[:, None] for side in (members, others)]
    gain = rates[0] - rates[1]
    gain[(members.total == 0) | (others.total == 0)] = 0.0
    return gain


def _tried(point: Bool[np.ndarray, "target score"]) -> Int[np.ndarray, "target cut"]:
    """Where the thresholds lie that are tried, from the least on: every one of a curve's, or `THRESHOLDS` of them.

    A curve of fewer than others repeats its highest.
    """
    count = point.sum(axis=1)
    width = min(THRESHOLDS, int(count.max()))
    number = np.maximum(count[:, None] - np.arange(width), 1)  # of a distinct score, 1 for the highest
    many = count > width
    number[many] = np.linspace(1, count[many], width).astype(int).T[:, ::-1]
    if point.all():
        return number - 1
    first = np.cumsum(count) - count
    return np.flatnonzero(point)[first[:, None] + number - 1] - np.arange(len(point))[:, None] * point.shape[1]


@cache
def _second_half(records: int) -> Bool[np.ndarray, "record"]:
    """Which records are in the second half: at random, so that no order of the records matters, and always the same."""
    return np.random.default_rng(0).permutation(records) >= records // 2
