"""Ways to join queries, against loops and where the answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from attacks.planted import complementary, observe
from scipy import stats

from jaxattack.attacks.membership import RMIA, LiRA
from jaxattack.attacks.membership.joining import RATIOS, TAILS, VOTES
from jaxattack.attacks.membership.predictive import Predictive, log_cdf, log_sf, z_score
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations

OBSERVATIONS = observe(complementary(10, 50, seed=0), leak=1.0, queries=4, seed=1)


def test_the_tails_are_those_of_the_distributions_and_accurate_far_out():
    x = np.linspace(-6, 6, 13).reshape(1, -1, 1)
    location, variance = np.full(x.shape, 0.5), np.full(x.shape, 4.0)
    for freedom, fit in ((None, stats.norm(0.5, 2)), (np.full(x.shape, 5.0), stats.t(5, 0.5, 2))):
        predictive = Predictive(location, variance, freedom)
        np.testing.assert_allclose(log_sf(x, predictive), fit.logsf(x), rtol=1e-9)
        np.testing.assert_allclose(z_score(x, predictive), stats.norm.ppf(fit.cdf(x)), rtol=1e-7, atol=1e-9)
    far = np.array([-1e3, 1e3]).reshape(1, 2, 1)
    there = Predictive(np.zeros(far.shape), np.ones(far.shape), np.full(far.shape, 30.0))
    low, high = z_score(far, there)[0, :, 0]
    assert low == -high < -10
    assert np.isfinite(log_cdf(far, there)).all()


def alone(query: int) -> Observations:
    signals = {
        name: values[:, :, [query]] if values.shape[2] > 1 else values for name, values in OBSERVATIONS.signals.items()
    }
    return dataclasses.replace(OBSERVATIONS, signals=signals)


@pytest.mark.parametrize("join", TAILS)
def test_offline_lira_joins_what_each_query_says_alone(join):
    scores = LiRA(online=False, join=join)(OBSERVATIONS)
    each = np.stack([LiRA(online=False, join=join)(alone(query)) for query in range(4)])
    np.testing.assert_allclose(scores, each.max(axis=0) if join == "max" else each.mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("join", RATIOS)
def test_online_lira_joins_what_each_query_says_alone(join):
    scores = LiRA(online=True, join=join)(OBSERVATIONS)
    each = np.stack([LiRA(online=True)(alone(query)) for query in range(4)])
    np.testing.assert_allclose(scores, each.max(axis=0) if join == "max" else each.mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("join", VOTES)
@pytest.mark.parametrize("online", [True, False])
def test_rmia_joins_the_log_ratios_of_the_queries(online, join):
    scores = RMIA(online=online, counting=False, join=join)(OBSERVATIONS)
    each = np.stack([RMIA(online=online, counting=False)(alone(query)) for query in range(4)])
    naive = {"mean": each.mean(axis=0), "max": each.max(axis=0), "median": np.sort(each, axis=0)[1]}[join]
    np.testing.assert_allclose(scores, naive, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("variance", ["record", "global", "bayes"])
def test_one_query_ranks_records_alike_whatever_the_way(variance):
    orders = [
        np.argsort(LiRA(online=False, variance=variance, join=join)(alone(0))[0], kind="stable") for join in TAILS
    ]
    assert all(np.array_equal(order, orders[0]) for order in orders)


def test_a_query_that_knows_nothing_hides_less_of_a_leak_than_as_the_text_reads():
    member = complementary(16, 3000, seed=2)
    sure, strange = observe(member, leak=2.0, seed=3), observe(member, leak=0.0, seed=4)
    signals = {name: np.concatenate([values, strange.signals[name]], axis=2) for name, values in sure.signals.items()}
    both = dataclasses.replace(sure, signals=signals)

    def area(attack) -> float:
        return auc(roc_curve(attack(both).ravel(), member.ravel()))

    assert area(LiRA(online=False)) > area(LiRA(online=False, join="log-cdf")) + 0.03
    assert area(RMIA(online=False, counting=False)) > 0.7


def test_the_published_protocol_joins_as_published():
    for attack, join in (
        (LiRA(online=False, protocol="leave-one-out"), "log-cdf"),
        (RMIA(online=False, protocol="leave-one-out"), "median"),
        (RMIA(online=True, counting=False, protocol="leave-one-out"), "mean"),
    ):
        np.testing.assert_array_equal(attack(OBSERVATIONS), dataclasses.replace(attack, join=join)(OBSERVATIONS))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"online": True, "join": "log-cdf"}, "join is 'log-cdf': for lira-online choose from auto, mean, max"),
        ({"online": False, "join": "median"}, "choose from auto, mean, max, log-cdf, log-sf"),
        ({"online": False, "join": "mean", "formula": "reference_code"}, "the reference code takes means"),
    ],
)
def test_ways_that_an_attack_has_not_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        LiRA(**settings)
    with pytest.raises(InputError, match="for rmia-online choose from auto, mean, max, median"):
        RMIA(online=True, join="log-sf")
