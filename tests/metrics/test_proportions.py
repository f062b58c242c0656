"""Limits of a difference of shares: by hand, by the slow way, and at the levels that a correction for many comparisons asks for."""

from __future__ import annotations

from math import comb
from typing import cast

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, multinomial, norm

from jaxattack.metrics.proportions import Paired, Unpaired, lower_limit, paired_limits, unpaired_limits

TAILS = (0.025, 0.0021, 0.00025)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("trials", [3, 8, 40])
def test_all_to_none_has_a_closed_form(trials, tail):
    """Only that table is as far out, and likeliest where the shares are (1 + d) / 2 and (1 - d) / 2."""
    paired = lower_limit(Paired(ours=trials, theirs=0, trials=trials), tail)
    assert paired == pytest.approx(2 * tail ** (1 / trials) - 1, abs=1e-5)
    unpaired = lower_limit(Unpaired(ours=trials, our_trials=trials, theirs=0, trials=trials), tail)
    assert unpaired == pytest.approx(2 * tail ** (1 / (2 * trials)) - 1, abs=1e-5)


def _restricted(chance, low, high):
    """The share at which a table is likeliest, by looking everywhere."""
    shares = np.linspace(low, high, 100_001)[1:-1]
    return shares[np.argmax(chance(shares))]


def _paired_score(ours, theirs, trials, difference):
    def log_chance(q):
        parts = (ours, q + difference), (theirs, q), (trials - ours - theirs, 1 - 2 * q - difference)
        return sum(count * np.log(share) for count, share in parts if count)

    q = _restricted(log_chance, max(0, -difference), (1 - difference) / 2)
    return (ours - theirs - trials * difference) / (trials * (2 * q + difference - difference**2)) ** 0.5


def _unpaired_score(ours, our_trials, theirs, trials, difference):
    def log_chance(q):
        return binom.logpmf(ours, our_trials, q + difference) + binom.logpmf(theirs, trials, q)

    q = _restricted(log_chance, max(0, -difference), min(1, 1 - difference))
    p = q + difference
    variance = p * (1 - p) / our_trials + q * (1 - q) / trials
    return (ours / our_trials - theirs / trials - difference) / variance**0.5


@pytest.mark.parametrize("difference", [-0.4, 0.0, 0.3])
def test_the_scores_are_those_of_the_likeliest_shares(difference):
    for ours, theirs in ((0, 2), (3, 1), (4, 4)):
        made = Paired(ours=0, theirs=0, trials=9).score(difference, np.array(ours), np.array(theirs))
        assert float(made) == pytest.approx(_paired_score(ours, theirs, 9, difference), abs=1e-3)
        made = Unpaired(ours=0, our_trials=9, theirs=0, trials=5).score(difference, np.array(ours), np.array(theirs))
        assert float(made) == pytest.approx(_unpaired_score(ours, 9, theirs, 5, difference), abs=1e-3)


def _score_limit(tables, ours, theirs, tail):
    score = lambda d: float(tables.score(d, np.array(ours), np.array(theirs))) - norm.isf(tail)  # noqa: E731
    difference = type(tables)(**vars(tables) | {"ours": ours, "theirs": theirs}).difference
    if difference <= -1 or score(-1 + 1e-9) <= 0:
        return -1.0
    return float(cast(float, brentq(score, -1 + 1e-9, difference, xtol=1e-12)))


PLACES = np.linspace(0, 1, 81)[:, np.newaxis]
DIFFERENCES = np.linspace(-1, 1, 401)


def _unpaired_chance(ours, our_trials, theirs, trials):
    """Of a table, by the place of their share between its ends, and by the difference."""
    low, high = np.maximum(0, -DIFFERENCES), np.minimum(1, 1 - DIFFERENCES)
    q = low + PLACES * (high - low)
    p = (q + DIFFERENCES).clip(0, 1)
    ways = comb(our_trials, ours) * comb(trials, theirs)
    return ways * p**ours * (1 - p) ** (our_trials - ours) * q**theirs * (1 - q) ** (trials - theirs)


def _paired_chance(ours, theirs, trials):
    low, high = np.maximum(0, -DIFFERENCES), (1 - DIFFERENCES) / 2
    q = low + PLACES * (high - low)
    p, rest = (q + DIFFERENCES).clip(0, 1), trials - ours - theirs
    return comb(trials, ours) * comb(trials - ours, theirs) * p**ours * q**theirs * (1 - p - q).clip(0, 1) ** rest


def _slow_limit(tables, chances, tail):
    """Of all tables whose score limit is no lower, the first difference at which they are together as likely as the tail."""
    least = _score_limit(tables, tables.ours, tables.theirs, tail)
    no_lower = [chance for (a, b), chance in chances.items() if _score_limit(tables, a, b, tail) >= least - 1e-6]
    likely = np.sum(no_lower, axis=0)
    return DIFFERENCES[np.argmax(likely.max(axis=0) >= tail)]


@pytest.mark.parametrize("tail", [0.025, 0.001])
def test_limits_are_those_of_the_slow_way(tail):
    chances = {(a, b): _unpaired_chance(a, 5, b, 7) for a in range(6) for b in range(8)}
    for ours, theirs in ((3, 1), (5, 3)):
        tables = Unpaired(ours=ours, our_trials=5, theirs=theirs, trials=7)
        assert lower_limit(tables, tail) == pytest.approx(_slow_limit(tables, chances, tail), abs=0.006)
    chances = {(a, b): _paired_chance(a, b, 6) for a in range(7) for b in range(7 - a)}
    for ours, theirs in ((2, 0), (4, 1)):
        tables = Paired(ours=ours, theirs=theirs, trials=6)
        assert lower_limit(tables, tail) == pytest.approx(_slow_limit(tables, chances, tail), abs=0.006)


SHARES = (0.002, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.998)


@pytest.mark.parametrize("tail", TAILS)
def test_no_limit_of_different_trials_is_above_the_truth_oftener_than_stated(tail):
    n, m = 10, 15
    limits = np.array(
        [[lower_limit(Unpaired(ours=a, our_trials=n, theirs=b, trials=m), tail) for b in range(m + 1)] for a in range(n + 1)]
    )  # fmt: skip
    ours, theirs = (binom.pmf(np.arange(count + 1), count, np.array(SHARES)[:, None]) for count in (n, m))
    wrong = [ours[i] @ (limits > p - q + 1e-9) @ theirs[j] for i, p in enumerate(SHARES) for j, q in enumerate(SHARES)]
    assert 0.5 * tail < max(wrong) <= tail


@pytest.mark.parametrize("tail", TAILS)
def test_no_limit_of_the_same_trials_is_above_the_truth_oftener_than_stated(tail):
    n = 16
    tables = np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)])
    limits = np.array([paired_limits(a, b, n, 1 - 2 * tail)[0] for a, b, _ in tables.tolist()])
    rng = np.random.default_rng(0)
    shares = [*rng.dirichlet([0.5] * 3, 60), *(np.array([d, d, 1 - 2 * d]) for d in (0.01, 0.05, 0.2, 0.45))]
    wrong = [multinomial.pmf(tables, n, share) @ (limits > share[0] - share[1] + 1e-9) for share in shares]
    assert 0.2 * tail < max(wrong) <= tail


def test_the_interval_is_near_the_approximate_one_where_that_is_good():
    # Newcombe 1998, table II (a), method 10: 56/70 - 48/80 has the interval .0524 to .3339.
    assert unpaired_limits(56, 70, 48, 80, 0.95) == pytest.approx((0.0524, 0.3339), abs=0.012)


def test_sides_that_change_places_change_the_sign():
    assert paired_limits(7, 3, 30, 0.99) == pytest.approx([-end for end in reversed(paired_limits(3, 7, 30, 0.99))])
    assert unpaired_limits(7, 9, 3, 30, 0.99) == pytest.approx(
        [-end for end in reversed(unpaired_limits(3, 30, 7, 9, 0.99))]
    )


def test_nobody_is_better_whom_the_test_of_the_trials_that_differ_does_not_call_so():
    assert lower_limit(Paired(ours=4, theirs=0, trials=50), 0.025) > 0  # none of all shares gives that oftener
    assert paired_limits(4, 0, 50, 0.95)[0] == 0
    assert paired_limits(0, 4, 50, 0.95)[1] == 0
    assert paired_limits(6, 0, 50, 0.95)[0] > 0


def test_no_trial_says_nothing():
    assert (
        paired_limits(0, 0, 0, 0.95)
        == unpaired_limits(0, 0, 3, 5, 0.95)
        == unpaired_limits(3, 5, 0, 0, 0.95)
        == (-1, 1)
    )
    assert unpaired_limits(0, 5, 5, 5, 0.95)[0] == paired_limits(0, 5, 5, 0.95)[0] == -1
