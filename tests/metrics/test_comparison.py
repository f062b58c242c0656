"""Differences of two guessers: published examples, coverage, and edges."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binomtest as proportion

from jaxattack.metrics import Estimate
from jaxattack.metrics.comparison import (
    Interval,
    corrected,
    difference,
    interval_difference,
    mean_interval,
    paired_difference,
    share_interval,
    widened,
)


def trials(both, ours, theirs, neither):
    """Two guessers over the same trials, by how many each has right."""
    a = np.repeat([True, True, False, False], (both, ours, theirs, neither))
    b = np.repeat([True, False, True, False], (both, ours, theirs, neither))
    return a, b


def test_four_trials_of_fifty_that_differ_are_no_difference():
    """All four one way is as likely as 1 in 8 where nobody is better (McNemar's exact test)."""
    assert paired_difference(*trials(25, 4, 0, 21)).low <= 0 < paired_difference(*trials(25, 8, 0, 17)).low


@pytest.mark.parametrize(("trials_", "apart"), [(50, 0.1), (50, 0.2), (20, 0.4)])
def test_nobody_better_is_called_better_no_oftener_than_stated(trials_, apart):
    rng, repeats = np.random.default_rng(0), 4000
    tables = rng.multinomial(trials_, [0.5 - apart / 2, apart / 2, apart / 2, 0.5 - apart / 2], size=repeats)
    seen, times = np.unique(tables[tables[:, 1] > tables[:, 2]], axis=0, return_counts=True)
    better = sum(count for table, count in zip(seen, times, strict=True) if paired_difference(*trials(*table)).low > 0)
    assert better / repeats <= 0.025 + 2 * (0.025 * 0.975 / repeats) ** 0.5


def test_paired_intervals_cover_in_19_of_20():
    rng, covered = np.random.default_rng(0), 0
    interval = cache(lambda *table: paired_difference(*trials(*table)))
    for _ in range(1000):
        a = rng.random(80) < 0.7
        b = np.where(rng.random(80) < 0.5, a, rng.random(80) < 0.6)  # correlated; the shares differ by .05
        made = interval(0, int((a & ~b).sum()), int((~a & b).sum()), int((a == b).sum()))
        covered += made.low <= 0.05 <= made.high
    assert 0.94 < covered / 1000 < 0.98


def test_certainty_is_not_claimed_from_few_trials():
    everything = paired_difference(np.ones(6, bool), np.zeros(6, bool))
    assert everything.value == 1
    assert 0 < everything.low < 0.6
    assert everything.high == pytest.approx(1)
    assert paired_difference(np.ones(5, bool), np.zeros(5, bool)).low < 0  # that is 1 in 32 where nobody is better
    nothing = paired_difference(np.zeros(5, bool), np.zeros(5, bool))
    assert nothing.low < 0 < nothing.high


def test_no_trial_says_nothing():
    nothing = np.zeros(0, bool)
    assert np.isnan(paired_difference(nothing, nothing).value)
    assert not difference(nothing, nothing).low > 0
    assert (share_interval(nothing).low, share_interval(nothing).high) == (0, 1)
    assert np.isinf(mean_interval(np.zeros(1)).high)


def test_the_interval_of_a_mean_is_students():
    made = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (made.value, made.low, made.high) == pytest.approx(
        (2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5
    )


def test_intervals_of_several_comparisons_hold_together():
    rng = np.random.default_rng(7)
    interval = cache(lambda a, b: difference(np.arange(40) < a, np.arange(40) < b, confidence=corrected(6)))
    wrong = 0
    for _ in range(400):
        leaks = [interval(*rng.binomial(40, 0.4, 2).tolist()) for _ in range(6)]  # nobody is better
        wrong += any(leak.low > 0 or leak.high < 0 for leak in leaks)
    assert wrong <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05 * 0.95)
    ours, theirs = np.arange(40) < 25, np.arange(40) < 12
    alone, leak = difference(ours, theirs), difference(ours, theirs, confidence=corrected(6))
    assert corrected(1) == pytest.approx(0.95)
    assert leak.low < alone.low < alone.high < leak.high


def test_the_difference_of_two_wilson_intervals_is_newcombes():
    # Newcombe 1998, Interval estimation for the difference between independent proportions, table II (a), method 10:
    # 56/70 - 48/80 has the interval .0524 to .3339.
    made = interval_difference(*(interval_of(*wilson(*share)) for share in ((56, 70), (48, 80))))
    assert (made.value, made.low, made.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def interval_of(value, low, high):
    return Interval(value=value, low=low, high=high)


def wilson(hits, trials):
    ends = proportion(hits, trials).proportion_ci(0.95, method="wilson")
    return hits / trials, ends.low, ends.high


def test_a_widened_interval_is_that_of_the_other_confidence():
    estimate = Estimate(value=0.03, variance=0.01**2, freedom=7.0, trials=100)
    usual = interval_of(0.03, *estimate.interval())
    told = widened(usual, 0.999, 7.0)
    assert (told.low, told.high) == pytest.approx(estimate.interval(0.999))
    for hits in (0, 40):
        exact = [proportion(hits, 40).proportion_ci(level, method="exact") for level in (0.95, 0.99)]
        told = widened(interval_of(hits / 40, exact[0].low, exact[0].high), 0.99)
        assert (told.low, told.high) == pytest.approx((exact[1].low, exact[1].high))
    exact = [proportion(130, 400).proportion_ci(level, method="exact") for level in (0.95, 0.999)]
    told = widened(interval_of(130 / 400, exact[0].low, exact[0].high), 0.999)  # near enough where it is no tail
    assert (told.low, told.high) == pytest.approx((exact[1].low, exact[1].high), rel=0.01)
