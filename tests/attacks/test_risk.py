"""The risk score against the authors' rule, a class and a bin at a time."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.membership import RiskScore
from jaxattack.attacks.membership.risk import risk
from jaxattack.types import InputError, Observations


def losses_of(observations, model):
    phi = observations.signals["phi"][model, :, 0].astype(np.float64)
    return np.maximum(np.logaddexp(0, -phi), 1e-10)


def naive(value, shadow, member, bins):
    """One record's risk, by `numpy.histogram`, whose last bin is closed, and a search for a bin that has something."""
    edges = np.logspace(np.log10(shadow.min()), np.log10(shadow.max()), bins + 1)
    edges[0], edges[-1] = shadow.min(), shadow.max()
    inside = np.histogram(shadow[member], edges)[0] / member.sum()
    outside = np.histogram(shadow[~member], edges)[0] / (~member).sum()
    at = bins - 1 if value >= edges[-1] else max(int(np.sum(edges <= value)) - 1, 0)
    lower_first = [*range(at, -1, -1), *range(at + 1, bins)]
    at = next(number for number in lower_first if inside[number] + outside[number] > 0)
    return inside[at] / (inside[at] + outside[at])


@given(seed=st.integers(0, 2**20), bins=st.integers(1, 8))
def test_a_risk_is_the_share_of_members_in_its_bin(seed, bins):
    rng = np.random.default_rng(seed)
    shadow, member = np.exp(rng.normal(0, 3, 12)), np.arange(12) < rng.integers(1, 12)
    values = np.exp(rng.normal(0, 5, 30))
    np.testing.assert_allclose(risk(values, shadow, member, bins), [naive(v, shadow, member, bins) for v in values])


def test_every_record_is_scored_within_its_class():
    observed = observe(complementary(6, 200, seed=0), leak=4.0)
    observations = Observations(signals=observed.signals, member=observed.member, label=np.arange(200) % 3)
    # By leave-one-out the shadow is model t + 2, and all of its records are read.
    scores = RiskScore(protocol="leave-one-out")(observations)
    for target in range(6):
        shadow = (target + 2) % 6
        for cls in range(3):
            own = observations.label == cls
            expected = risk(
                losses_of(observations, target)[own],
                losses_of(observations, shadow)[own],
                observations.member[shadow, own],
                5,
            )
            np.testing.assert_array_equal(scores[target, own], expected)


def test_a_score_is_the_probability_of_membership():
    observations = observe(complementary(4, 20000, seed=1), leak=1.0)
    scores = RiskScore()(observations)[0]
    for score in np.unique(scores):
        among = scores == score
        if among.sum() > 500:
            assert observations.member[0, among].mean() == pytest.approx(score, abs=0.05)


def test_without_a_leak_every_score_is_a_half():
    losses, member = np.exp(np.random.default_rng(0).normal(size=2000)), np.arange(2000) < 1000
    losses[1000:] = losses[:1000]
    np.testing.assert_allclose(risk(losses, losses, member, 5), 0.5)
    np.testing.assert_array_equal(risk(losses, np.ones(2000), member, 5), 0.5)  # one value: no bins to tell apart


def test_a_class_with_one_side_alone_takes_the_bins_of_all():
    observed = observe(complementary(6, 200, seed=0), leak=4.0)
    label = np.where(observed.member[2], 0, 1)  # of target 0 the shadow is model 2
    observations = Observations(signals=observed.signals, member=observed.member, label=label)
    scores = RiskScore(protocol="leave-one-out")(observations, [0])[0]
    expected = risk(losses_of(observations, 0), losses_of(observations, 2), observed.member[2], 5)
    np.testing.assert_array_equal(scores, expected)


def test_a_shadow_without_one_of_the_sides_and_no_bins_are_refused():
    member = np.ones((4, 20), bool)
    member[0, :10] = False
    observations = Observations(
        signals={"phi": np.zeros((4, 20, 1), np.float32)}, member=member, label=np.zeros(20, int)
    )
    with pytest.raises(InputError, match=r"risk-score: the shadow model has \d+ members among \d+ records"):
        RiskScore(protocol="leave-one-out")(observations, [0])
    with pytest.raises(InputError, match="bins is 0"):
        RiskScore(bins=0)
