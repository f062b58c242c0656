"""Leaks of two reconstructions side by side: the interval of each at the confidence that the comparison takes, by what it follows from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import stdtrit

from jaxattack.audit.comparison import compare
from jaxattack.metrics.comparison import Interval, corrected, interval_difference, mean_interval
from jaxattack.metrics.proportions import paired_limits, unpaired_limits
from jaxattack.types import InputError


def interval_of(value, ends):
    low, high = ends
    return Interval(value=value, low=float(low), high=float(high))


def reconstruction(path, leak, counts, comparisons=1):
    """The report of a reconstruction, as far as comparing reads it."""
    path.mkdir()
    row = {"leak": {"value": leak[0], "low": leak[1], "high": leak[2]}, "counts": counts}
    report = {
        "kind": "reconstruction",
        "title": path.name,
        "comparisons": [row] * comparisons,
        "cost": {},
        "config": {},
    }
    (path / "report.json").write_text(json.dumps(report))
    return path


def paired(path, alone, theirs_alone, trials=60, comparisons=1):
    ends = paired_limits(alone, theirs_alone, trials, corrected(comparisons))
    counts = {"ours_alone": alone, "theirs_alone": theirs_alone, "trials": trials}
    return reconstruction(path, ((alone - theirs_alone) / trials, *ends), counts, comparisons)


def test_leaks_which_may_be_negative_are_no_shares(tmp_path):
    """Their intervals were widened as those of shares: to NaN below 0, which was clear, to 1 above a negative one, and of three to a crash."""
    tables = {"a": (24, 0), "b": (2, 3), "c": (9, 3)}
    first, second, third = (paired(tmp_path / name, *table) for name, table in tables.items())
    few = reconstruction(tmp_path / "few", (0.3, None, None), {"trials": 1})
    (row,) = compare(first, second, third, few).findings.figures
    assert row.values == pytest.approx((0.4, -1 / 60, 0.1, 0.3))
    assert row.contrasts[2] is None
    assert all(np.isfinite(contrast.interval).all() for contrast in row.contrasts[:2])


def test_a_leak_is_at_another_confidence_what_its_counts_say(tmp_path):
    """As normal ones are, the ends of an exact interval of few trials were moved: those of 3 of 12 by .02."""
    tables = {"a": (3, 0), "b": (9, 1), "c": (0, 2)}
    reports = [paired(tmp_path / name, *table, trials=12, comparisons=4) for name, table in tables.items()]
    (row,) = compare(*reports).findings.figures
    exact = [
        interval_of((one - other) / 12, paired_limits(one, other, 12, corrected(2))) for one, other in tables.values()
    ]
    for contrast, one in zip(row.contrasts, exact[1:], strict=True):
        apart = interval_difference(one, exact[0])
        assert contrast.interval == pytest.approx((max(apart.low, -2), min(apart.high, 2)))


def test_a_leak_over_different_targets_and_one_of_means_are_exact_too(tmp_path):
    sides = ((9, 10, 3, 14), (5, 10, 4, 14), (10, 10, 2, 14))
    names = ("ours", "our_trials", "theirs", "their_trials")
    reports, exact = [], []
    for place, (ours, n, theirs, m) in enumerate(sides):
        leak = ours / n - theirs / m, *unpaired_limits(ours, n, theirs, m, 0.95)
        counts = dict(zip(names, sides[place], strict=True))
        reports.append(reconstruction(tmp_path / f"apart{place}", leak, counts))
        exact.append(interval_of(leak[0], unpaired_limits(ours, n, theirs, m, corrected(2))))
    (row,) = compare(*reports).findings.figures
    apart = interval_difference(exact[1], exact[0])
    assert row.contrasts[0].interval == pytest.approx((apart.low, apart.high))
    gains = [np.random.default_rng(seed).normal(0.1, 0.05, 4) for seed in range(3)]
    reports, exact = [], []
    for place, gain in enumerate(gains):
        leak, reach = mean_interval(gain), stdtrit(3, (1 + corrected(2)) / 2) * gain.std(ddof=1) / 2
        reports.append(reconstruction(tmp_path / f"mean{place}", (leak.value, leak.low, leak.high), {"trials": 4}))
        exact.append(interval_of(leak.value, (leak.value - reach, leak.value + reach)))
    (row,) = compare(*reports).findings.figures
    apart = interval_difference(exact[1], exact[0])
    assert row.contrasts[0].interval == pytest.approx((apart.low, apart.high))


def test_counts_of_another_leak_are_no_report(tmp_path):
    first = paired(tmp_path / "a", 24, 0)
    for name, counts in (("lies", {"ours_alone": 2, "theirs_alone": 3, "trials": 60}), ("none", {})):
        other = reconstruction(tmp_path / name, (0.4, 0.3, 0.5), counts)
        with pytest.raises(InputError, match="is no report as this version writes it"):
            compare(first, other)


def test_an_interval_that_allows_for_comparisons_in_its_report_is_no_wider_for_it_beside_another(tmp_path):
    one = [paired(tmp_path / f"one{place}", alone, 2) for place, alone in enumerate((24, 8))]
    six = [paired(tmp_path / f"six{place}", alone, 2, comparisons=6) for place, alone in enumerate((24, 8))]
    (alone,), (together,) = (compare(*pair).findings.figures for pair in (one, six))
    assert together.contrasts[0].interval == pytest.approx(alone.contrasts[0].interval)
