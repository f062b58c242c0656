"""Records' own false-positive rates and thresholds: against loops, and where nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest
from metrics.naive import halves

from jaxattack.audit.per_record import calibration
from jaxattack.data.designs import Exact, Halves, Poisson, Sized
from jaxattack.metrics import calibrated, exposure_p_values, model_clusters, own_rates, roc_curve, tpr_at_fpr


def test_calibrated_scores_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    member = halves(8, 30, rng)
    scores = rng.integers(0, 5, member.shape).astype(float)  # with ties
    twin = np.arange(8)[:, None] ^ 1
    drawn = rng.integers(-1, 8, member.shape)
    drawn[(drawn == twin) | (drawn == np.arange(8)[:, None])] = -1  # each model is left out once
    found = calibrated(scores, member, (twin, drawn))
    for target in range(8):
        for record in range(30):
            absent = {target, target ^ 1, drawn[target, record]}
            others = [m for m in range(8) if m not in absent and not member[m, record]]
            above = sum(scores[m, record] >= scores[target, record] for m in others)
            assert found[target, record] == pytest.approx(-(1 + above) / (1 + len(others)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int8, np.int64, bool])
def test_scores_of_any_numbers_are_calibrated_as_floats_are(dtype):
    """The negative of an unsigned 1 is the largest of them, and of the least int8 itself; a Boolean has none."""
    rng = np.random.default_rng(5)
    scores = rng.permuted(np.arange(-128, 112).reshape(8, 30), axis=None).astype(np.int8).astype(dtype)
    member = halves(8, 30, rng)
    twin = np.arange(8)[:, None] ^ 1
    np.testing.assert_array_equal(
        calibrated(scores, member, (twin,)), calibrated(scores.astype(float), member, (twin,))
    )


def test_a_record_s_own_threshold_keeps_its_rate_and_finds_nothing_where_nothing_leaks():
    """Records differ in level and in spread, models in level, and no score depends on the membership."""
    rng = np.random.default_rng(1)
    member = halves(40, 1000, rng)
    scores = rng.normal(size=1000) + np.exp(rng.normal(size=1000)) * rng.normal(size=member.shape)
    own = calibrated(scores, member, (np.arange(40)[:, None] ^ 1,))
    curve = roc_curve(own.ravel(), member.ravel())
    point = tpr_at_fpr(curve, 0.051)  # one of the 19 other pairs' non-members allows 1 in 20
    assert point.false_positives / curve.negatives == pytest.approx(0.05, abs=0.005)
    assert point.tpr == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("design", [Halves(), Exact(), Poisson(rate=0.5), Sized(members=1000)])
def test_a_threshold_of_each_record_finds_nothing_under_any_design_where_nothing_leaks(design):
    """Counted among all others, a record that is in exactly half of 8 models has an AUC of .5 + 1 / (2 n (n + 1)) = .525 for n = 4."""
    rng = np.random.default_rng(4)
    member = design(models=8, records=3000, seed=0)
    phi = rng.normal(size=3000) + np.exp(rng.normal(size=3000)) * rng.normal(size=member.shape)
    findings = calibration(phi, member, {"0.1": 0.1})
    assert findings.auc == pytest.approx(0.5, abs=0.008)
    assert findings.auc_interval[0] < 0.5 < findings.auc_interval[1]


def test_records_of_one_rate_are_within_chance_and_records_of_their_own_are_not():
    rng = np.random.default_rng(2)
    member = halves(64, 1500, rng)
    alike = rng.normal(size=member.shape) + 0.2 * rng.normal(size=(64, 1))
    threshold = tpr_at_fpr(roc_curve(alike.ravel(), member.ravel()), 0.05).threshold
    found = own_rates(alike, member, threshold)
    assert found.above == pytest.approx(found.chance, abs=0.015)
    assert found.dispersion == pytest.approx(1, abs=0.1)
    assert found.p_value > 0.01
    apart = alike + rng.normal(size=1500)
    found = own_rates(apart, member, tpr_at_fpr(roc_curve(apart.ravel(), member.ravel()), 0.05).threshold)
    assert found.above > found.chance + 0.05
    assert found.dispersion > 3
    assert found.p_value < 1e-9


def test_the_null_of_own_rates_is_refused_as_often_as_it_says():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(200):
        member = halves(16, 200, rng)
        scores = rng.normal(size=member.shape)
        p_values.append(own_rates(scores, member, np.quantile(scores, 0.95)).p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.05)


def test_where_nobody_is_accused_there_is_nothing_to_tell():
    member = halves(4, 20, np.random.default_rng(0))
    assert own_rates(np.zeros(member.shape), member, 1.0).p_value == 1


@pytest.mark.parametrize("models", [4, 16, 64])
def test_chance_exposes_few_records_and_a_leak_many(models):
    """The two models of a pair answer alike, with opposite signs, as complementary halves do."""
    rng = np.random.default_rng(models)
    member = halves(models, 4000, rng)
    shared = np.repeat(rng.normal(size=(models // 2, 4000)), 2, axis=0) * np.tile([[1.0], [-1.0]], (models // 2, 1))
    noise = shared + rng.normal(size=member.shape)
    clusters = model_clusters(member)
    assert np.mean(exposure_p_values(noise, member, clusters) < 0.01) < 0.016
    leak = exposure_p_values(noise + 3 * member, member, clusters)
    assert (leak >= 0.5 ** (models // 2)).all()
    assert models < 64 or np.mean(leak < 0.01) > 0.9
    one = np.zeros((4, 1)), np.ones((4, 1), bool), np.arange(4)
    assert exposure_p_values(*one).tolist() == [1.0]


@pytest.mark.parametrize(("design", "models"), [(Halves(), 32), (Poisson(rate=0.5), 16), (Exact(), 16)])
def test_small_chances_of_an_exposure_come_as_often_as_they_say(design, models):
    """As a plain t-test they came 1.2 times, 1.6 times and 1.6 times as often."""
    member, count = design(models, 60_000, 0), 60_000
    p_values = exposure_p_values(np.random.default_rng(1).normal(size=member.shape), member, model_clusters(member))
    for level in (0.05, 0.01, 0.001):
        assert (p_values <= level).sum() < level * count * 1.02 + 3 * np.sqrt(level * count)


def test_an_exposure_by_few_clusters_has_the_chances_of_their_signs():
    """Of four pairs that lean by 7, 5, 3 and 1 in a column of ties, sums of every sign, counted one by one."""
    pairs, ranks = np.arange(12) // 2, np.array([0, 7, 1, 6, 2, 5, 3, 4, 9, 9, 9, 9.0])
    member = np.stack([np.arange(12) % 2 == 1, np.isin(np.arange(12), (0, 3, 5, 7, 9, 11))], axis=1)
    p_values = exposure_p_values(np.stack([ranks, ranks], axis=1), member, pairs)
    assert p_values[0] == 0.5**4
    assert 1 / 3 < p_values[1] < 0.5  # 7 of 16 sums are at least -7 + 5 + 3 + 1
