"""Which bounds an experiment allows, and that the one which is quoted is above the truth no oftener than it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jaxattack.audit import EpsilonAudit, coins, epsilon, read_canary_scores
from jaxattack.audit.epsilon import calibrated
from jaxattack.audit.epsilon_methods import METHODS
from jaxattack.data.designs import Exact, Halves, Poisson
from jaxattack.metrics import epsilon as bounds
from jaxattack.types import InputError


def game(mu: float, models: int, canaries: int, seed: int = 0):
    """Fair coins, each canary with a place of its own, and scores of the Gaussian mechanism."""
    rng = np.random.default_rng(seed)
    member = rng.random((models, canaries)) < 0.5
    return mu * member + 5 * rng.normal(size=canaries) + rng.normal(size=member.shape), member


def allowed(findings):
    return {row.name for row in findings.bounds if row.epsilon is not None}


def why(findings, name):
    return next(row.why for row in findings.bounds if row.name == name)


def test_one_run_of_canaries_allows_the_bounds_of_one_run():
    scores, member = game(1.0, 1, 1001)
    findings = epsilon(scores[0] * 0 + member[0], member[0])
    assert allowed(findings) == {"one_run", "one_run_fdp"}
    assert "Independent runs: 1" in why(findings, "many_runs")
    assert "declare it" in why(findings, "gaussian")
    assert findings.headline.name == "one_run"
    assert findings.headline.alpha == 0.05


def test_several_runs_allow_all_and_pay_for_the_choice():
    scores, member = game(1.5, 64, 40)
    findings = epsilon(scores, member, audit=EpsilonAudit(losses_independent=True))
    assert allowed(findings) == {*METHODS}
    assert findings.headline.tried == ("many_runs", "one_run")
    assert findings.headline.alpha == 0.025
    alone = next(row for row in findings.bounds if row.name == findings.headline.name)
    assert 0 < findings.headline.epsilon < alone.epsilon


def test_a_bound_that_is_declared_beforehand_does_not_pay():
    scores, member = game(1.5, 64, 40)
    findings = epsilon(scores, member, audit=EpsilonAudit(declare="one_run"))
    alone = next(row for row in findings.bounds if row.name == "one_run")
    assert findings.headline.epsilon == alone.epsilon
    assert findings.headline.declared
    with pytest.raises(InputError, match="declare is many_runs, which these scores do not allow. Independent runs: 1"):
        epsilon(scores[0], member[0], audit=EpsilonAudit(declare="many_runs", coins_independent=True))


def test_one_canary_in_many_runs():
    scores, member = game(2.0, 400, 1)
    findings = epsilon(scores, member)
    assert allowed(findings) == {"many_runs", "many_runs_gdp", "one_run", "one_run_fdp"}
    assert 1 < findings.headline.epsilon < bounds.gaussian_epsilon(2.0, 1e-5)


@pytest.mark.parametrize(
    ("design", "reason"), [(Halves(), "exactly 30 of 60 canaries"), (Exact(), "exactly 24 of 48 runs")]
)
def test_designs_whose_coins_are_tied_are_refused_by_the_bounds_of_one_run(design, reason):
    member = design(48, 60, 0)
    findings = epsilon(
        np.random.default_rng(0).normal(size=member.shape), member, audit=EpsilonAudit(coins_independent=True)
    )
    assert "one_run" not in allowed(findings)
    assert reason in why(findings, "one_run")
    assert findings.headline.name == "many_runs"


def test_tied_pairs_within_one_run_are_refused_and_would_read_too_much():
    rng = np.random.default_rng(0)
    member = np.repeat(rng.random(500) < 0.5, 2)
    member[1::2] ^= True
    findings = epsilon(rng.normal(size=1000), member)
    assert allowed(findings) == set()
    assert findings.headline is None
    assert "1.86 for a true 1" in why(findings, "one_run")


def test_halves_speak_of_records_that_replace_one_another_and_count_one_run_of_a_pair():
    member = Halves()(96, 20, 0)
    scores = 4.0 * member + np.random.default_rng(0).normal(size=member.shape)
    findings = epsilon(scores, member)
    row = next(row for row in findings.bounds if row.name == "many_runs")
    assert row.trials == 24  # half of 48 pairs choose, half count
    assert "replace one another" in row.claim
    assert any("one of each pair" in note for note in findings.notes)


def test_coins_that_happen_to_balance_may_be_declared_independent():
    member = np.arange(200) % 2 == 0
    scores = np.random.default_rng(0).permutation(200).astype(float)
    assert allowed(epsilon(scores, member)) == set()
    assert allowed(epsilon(scores, member, audit=EpsilonAudit(coins_independent=True))) == {"one_run", "one_run_fdp"}


def test_canaries_or_runs_that_share_coins_are_refused():
    scores, member = game(1.0, 80, 60)
    twins = member.copy()
    twins[:, 7] = ~twins[:, 3]
    assert "Canaries 3 and 7 share one coin" in why(epsilon(scores, twins), "many_runs")
    again = member.copy()
    again[5] = again[2]
    findings = epsilon(scores, again)
    assert "coins of runs 2 and 5" in why(findings, "one_run")
    assert "many_runs" in allowed(findings)


def test_coins_that_are_not_fair_are_refused():
    rng = np.random.default_rng(0)
    member = rng.random(500) < 0.8
    assert "a fair coin" in why(epsilon(rng.normal(size=500), member), "one_run")
    assert coins.unfair(Poisson()(20, 100, 0)) is None


@pytest.mark.parametrize("shape", [(16, 25), (100, 4)])
def test_pooled_runs_without_a_leak_are_refuted_no_oftener_than_stated(shape):
    repeats, above = 150, 0
    for seed in range(repeats):
        scores, member = game(0.0, *shape, seed=seed)
        above += bounds.one_run(calibrated(scores).ravel(), member.ravel(), delta=1e-6).epsilon > 0
    assert above <= repeats * 0.05 + 3 * math.sqrt(repeats * 0.05 * 0.95)


def test_calibration_knows_no_coin_and_finds_what_places_of_canaries_hide():
    scores, member = game(2.0, 64, 50)
    flat = calibrated(scores)
    assert np.allclose(flat.mean(axis=0), 0)
    assert np.allclose(flat.std(axis=0), 1)
    pooled = lambda values: bounds.one_run(values.ravel(), member.ravel(), delta=1e-6).epsilon  # noqa: E731
    assert pooled(flat) > pooled(scores) + 0.5
    assert np.array_equal(calibrated(scores[:7]), scores[:7])


def test_files_say_the_same_in_either_form(tmp_path):
    scores, member = game(1.0, 30, 20)
    path = tmp_path / "scores.npz"
    np.savez(path, score=scores, member=member)
    square = read_canary_scores(path)
    order = np.random.default_rng(1).permutation(scores.size)
    model, canary = (axis.ravel()[order] for axis in np.indices(scores.shape))
    np.savez(
        path, score=scores.ravel()[order], member=member.ravel()[order].astype(np.uint8), model=model,
        canary=np.char.add("c", np.char.zfill(canary.astype(str), 2)),
    )  # fmt: skip
    flat = read_canary_scores(path)
    assert np.array_equal(flat.score, square.score)
    assert np.array_equal(flat.member, square.member)
    np.savez(path, score=scores[:, 0], member=member[:, 0], model=np.arange(30))
    assert read_canary_scores(path).score.shape == (30, 1)
    np.savez(path, score=scores[0], member=member[0])
    assert read_canary_scores(path).score.shape == (1, 20)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"score": np.zeros(3)}, "no member"),
        ({"score": np.zeros(3), "member": np.array([0, 1, 2])}, "0 or 1"),
        ({"score": np.zeros((2, 2, 2)), "member": np.zeros((2, 2, 2))}, "give numbers"),
        ({"score": np.zeros((2, 2)), "member": np.zeros((2, 2)), "model": np.zeros(2)}, "leave it out"),
        ({"score": np.zeros(3), "member": np.zeros(3), "model": np.array([0, 0, 1])}, "exactly one score"),
        ({"score": np.zeros(3), "member": np.zeros(3), "model": np.array([0.5, 1, 2])}, "whole number"),
        ({"score": np.zeros(3), "member": np.zeros(3), "canary": np.array([1, 1, 2])}, "exactly one score"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "scores.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_canary_scores(tmp_path / "scores.npz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delta": 0.0}, "delta is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"declare": "best"}, "declare is 'best'"),
        ({"declare": "gaussian"}, "losses_independent"),
        ({"upper": -1.0}, "upper is -1"),
    ],
)
def test_claims_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        EpsilonAudit(**settings)


@pytest.mark.parametrize(
    ("scores", "member", "settings", "message"),
    [
        (["0.5"] * 40, [1, 0] * 20, {}, "scores have dtype <U3: give numbers"),
        ([[1.0, 2.0], [3.0]], [[1, 0], [1]], {}, "scores is no array"),
        ([0.0] * 40, [1, -1] * 20, {}, "member holds -1"),
        ([], [], {}, "give some canaries"),
        ([0.0] * 40, [1, 0] * 20, {"audit": "many_runs"}, "audit is 'many_runs': give an EpsilonAudit"),
    ],
)
def test_what_is_no_experiment_is_refused_in_a_sentence(scores, member, settings, message):
    with pytest.raises(InputError, match=message):
        epsilon(scores, member, **settings)
