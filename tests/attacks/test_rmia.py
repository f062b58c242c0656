"""RMIA against pairwise comparison with the target really deleted."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask, scattered
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxattack.attacks.membership import RMIA, dominance
from jaxattack.attacks.membership.references import PROTOCOLS
from jaxattack.attacks.membership.rmia import OFFSETS, tune_offset
from jaxattack.metrics import auc, roc_curve
from jaxattack.signals import TaylorConfidence
from jaxattack.types import InputError, Observations

halves = arrays(np.float64, st.integers(1, 40), elements=st.integers(-8, 8).map(lambda i: i / 2))


@given(halves, halves, st.sampled_from([1.0, 2.0, 0.5, np.exp(0.5)]))
def test_dominance_equals_every_pair_compared_with_ties(x, z, gamma):
    pairs = (x - np.log(gamma))[:, None] > z[None, :]
    np.testing.assert_array_equal(dominance(x, z, gamma), pairs.mean(axis=1))


@given(halves, halves)
def test_a_monotone_transform_of_ratios_keeps_the_share_dominated_at_gamma_one(x, z):
    np.testing.assert_array_equal(dominance(x, z, 1.0), dominance(np.exp(3 * x) + 1, np.exp(3 * z) + 1, 1.0))


@given(halves)
def test_counting_orders_records_as_their_ratio_does(x):
    assert (np.diff(dominance(np.sort(x), x, 2.0)) >= 0).all()


def test_float32_ratios_are_counted_as_they_are():
    x = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    pairs = (x - np.float32(np.log(2)))[:, None] > x[None, :]
    np.testing.assert_array_equal(dominance(x, x, 2.0), pairs.mean(axis=1))


def ratios(observations: Observations, attack: RMIA, target: int, a: float) -> np.ndarray:
    """r [record, query] in plain probabilities."""
    own = np.exp(observations.signals[attack.signals[0].name][target].astype(np.float64))
    p, member = np.exp(observations.signals[attack.signals[0].name].astype(np.float64)), observations.member
    mask = reference_mask(member, target, attack.protocol)
    ins, out = (
        np.stack([p[mask[:, r] & side[:, r], r].mean(axis=0) for r in range(observations.records)])
        for side in (member, ~member)
    )
    return own / ((ins + out) / 2 if attack.online else ((1 + a) * out + (1 - a)) / 2)


designs = pytest.mark.parametrize("design", [*DESIGNS, "leave-one-out"])


def planted(design: str, records: int, queries: int) -> tuple[Observations, str]:
    """Observations of a design, and the protocol that is tested on it."""
    if design in DESIGNS:
        return observe(DESIGNS[design](8, records, seed=1), leak=1.0, queries=queries, seed=2), "independent"
    return observe(scattered(8, records, 3, seed=1), leak=1.0, queries=queries, seed=2), design


@designs
@pytest.mark.parametrize("confidence", ["softmax", "taylor"])
@pytest.mark.parametrize("queries", [1, 2, 5])
@pytest.mark.parametrize("online", [True, False])
def test_scores_equal_a_majority_of_pairwise_comparisons(design, online, queries, confidence):
    observations, protocol = planted(design, 60, queries)
    attack = RMIA(
        online=online, gamma=1.2, a=0.4, confidence=confidence, population=23, join="median", protocol=protocol
    )
    scores = attack(observations)
    z = np.round(np.linspace(0, 59, 23)).astype(int)
    for target in (0, 5, 7):
        r = ratios(observations, attack, target, 0.4)
        votes = (r[:, None, :] / r[None, z, :1] > 1.2).sum(axis=2)
        np.testing.assert_array_equal(scores[target], (votes > queries / 2).mean(axis=1))


@designs
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
def test_the_continuous_score_is_the_mean_log_ratio(design, online, a):
    observations, protocol = planted(design, 40, 3)
    attack = RMIA(online=online, counting=False, a=a, join="mean", protocol=protocol)
    scores = attack(observations)
    for target in range(8):
        naive = np.log(ratios(observations, attack, target, a)).mean(axis=1)
        np.testing.assert_allclose(scores[target], naive, atol=1e-12)


def test_confidences_that_underflow_keep_their_order():
    observations = observe(complementary(6, 30, seed=0), leak=1.0)
    tiny = observations.signals["softmax_t2"] * 1000 - 5000
    low = Observations(signals={"softmax_t2": tiny}, member=observations.member, label=observations.label)
    for online in (True, False):
        scores = RMIA(online=online, counting=False, a=1.0)(low)
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) == scores.size


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_tuned_offset_is_the_best_on_the_reference_that_plays_the_target(protocol):
    observations = observe(complementary(8, 80, seed=0), leak=0.7, seed=1)
    member = observations.member
    p = np.exp(observations.signals["softmax_t2"][:, :, 0].astype(np.float64))
    found = tune_offset(observations.signals["softmax_t2"][:, :, 0], member, protocol)
    for t in range(8):
        u = (t + 2) % 8
        neither = {t, u} if protocol == "leave-one-out" else {t, t ^ 1, u, u ^ 1}
        rest = np.delete(np.arange(8), list(neither))
        out = np.nanmean(np.where(member[rest], np.nan, p[rest]), axis=0)
        areas = [auc(roc_curve(p[u] / ((1 + a) * out + 1 - a), member[u])) for a in OFFSETS]
        assert areas[np.flatnonzero(found[t] == OFFSETS)[0]] == pytest.approx(max(areas), abs=1e-12)


def test_a_tuned_attack_equals_the_one_given_its_offset_and_ignores_the_targets_membership():
    observations = observe(complementary(8, 80, seed=0), leak=0.7, seed=1)
    found = tune_offset(observations.signals["softmax_t2"][:, :, 0], observations.member, "independent")
    scores = RMIA(online=False, a="tuned")(observations, [3])
    np.testing.assert_array_equal(scores, RMIA(online=False, a=float(found[3]))(observations, [3]))
    flipped = observations.member.copy()
    flipped[3] = ~flipped[3]
    turned = Observations(signals=observations.signals, member=flipped, label=observations.label)
    np.testing.assert_array_equal(scores, RMIA(online=False, a="tuned")(turned, [3]))


@pytest.mark.parametrize(
    "settings",
    [
        {"gamma": 0.0},
        {"a": 1.5},
        {"a": "best"},
        {"confidence": "linear"},
        {"temperature": -1.0},
        {"population": 0},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        RMIA(online=False, **settings)


def test_a_population_larger_than_the_records_is_refused():
    with pytest.raises(InputError, match="population is 31"):
        RMIA(online=True, population=31)(observe(complementary(4, 30, seed=0), leak=1.0))


def test_the_signal_read_is_named_by_confidence_and_temperature():
    assert RMIA(online=True, confidence="taylor", temperature=1.5).signals == (TaylorConfidence(temperature=1.5),)
    with pytest.raises(InputError, match="softmax_t3"):
        RMIA(online=True, temperature=3)(observe(complementary(4, 30, seed=0), leak=1.0))
