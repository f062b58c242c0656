"""Balanced accuracy at a threshold that was chosen on other records than those it is judged on.

The best of all thresholds, judged where it was chosen, is above one half even for scores that know nothing: by about
.015 to .02 for a target of 1,000 records. So the records are parted in two halves, the same for every target; each half
is judged at the threshold that is best on the other, and the two are averaged.
"""

from __future__ import annotations

from functools import cache

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
    record = (ranked.order % ranked.shape[1])[None, ::-1]
    pooled = TargetCurves.of(record, ranked.ascending[None, ::-1], ranked.member[None, ::-1])
    return float(cross_fitted_accuracies(pooled, ranked.shape[1])[0])


def cross_fitted_accuracies(curves: TargetCurves, records: int) -> Float[np.ndarray, "target"]:
    """The same for each target alone, of so many records."""
    second = _second_half(records)[curves.record]
    late = np.cumsum(second.astype(np.int32), axis=1, dtype=np.int32)
    late_members = np.cumsum((second & curves.member).astype(np.int32), axis=1, dtype=np.int32)
    late_others = late - late_members
    at = _tried(curves.point)
    gains = [
        _gain(curves.tp - late_members, curves.fp - late_others, at),
        _gain(late_members, late_others, at),
    ]
    best = [gain.argmax(axis=1) for gain in gains]
    row = np.arange(len(at))
    return 0.5 + (gains[0][row, best[1]] + gains[1][row, best[0]]) / 4


def _gain(
    members: Int[np.ndarray, "target score"], others: Int[np.ndarray, "target score"], at: Int[np.ndarray, "target cut"]
) -> Float[np.ndarray, "target cut"]:
    """True-positive less false-positive rate at each threshold, from counts up to each score; 0 where a side is empty."""
    rates = [np.take_along_axis(side, at, axis=1) / np.maximum(side[:, -1:], 1) for side in (members, others)]
    gain = rates[0] - rates[1]
    gain[(members[:, -1] == 0) | (others[:, -1] == 0)] = 0.0
    return gain


def _tried(point: Bool[np.ndarray, "target score"]) -> Int[np.ndarray, "target cut"]:
    """Where the thresholds lie that are tried, from the least on: every one of a curve's, or `THRESHOLDS` of them.

    A curve of fewer than others repeats its highest.
    """
    ends = np.flatnonzero(point)
    count = point.sum(axis=1)
    first = np.cumsum(count) - count
    width = min(THRESHOLDS, int(count.max()))
    number = np.maximum(count[:, None] - np.arange(width), 1)  # of a distinct score, 1 for the highest
    many = count > width
    number[many] = np.linspace(1, count[many], width).astype(int).T[:, ::-1]
    return ends[first[:, None] + number - 1] - np.arange(len(point))[:, None] * point.shape[1]


@cache
def _second_half(records: int) -> Bool[np.ndarray, "record"]:
    """Which records are in the second half: at random, so that no order of the records matters, and always the same."""
    return np.random.default_rng(0).permutation(records) >= records // 2
