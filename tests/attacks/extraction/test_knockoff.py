"""Knockoff Nets and their bandit."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.labelled import agreement, linear

from jaxattack.attacks.extraction.knockoff import Knockoff, draw, learn, rewards
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.types import ExtractionAttack, InputError

POOL = np.random.default_rng(7).uniform(-0.6, 0.6, (250, 4))
SMALL = Substitute(ridge=1e-6)


@pytest.mark.parametrize("strategy", ["random", "adaptive"])
def test_every_strategy_steals_with_records_of_another_distribution(strategy):
    attack = Knockoff(strategy=strategy, budget=120, rounds=3, clusters=5, substitute=SMALL)
    assert isinstance(attack, ExtractionAttack)
    asked = []
    for _ in range(2):
        victim = linear(0, 4, 3, level="probability")
        stolen = attack.steal(victim, seed=3, pool=POOL)
        asked.append(victim.asked)
    assert stolen.converged, stolen.stop
    assert stolen.cost.queries == 120
    assert [snapshot.queries for snapshot in stolen.snapshots] == [40, 80, 120]
    assert agreement(stolen.answer, victim) > 0.99
    assert len(np.unique(victim.asked, axis=0)) == 120
    assert (victim.asked[:, None] == POOL[None]).all(axis=2).any(axis=1).all()
    assert (asked[0] == asked[1]).all()


def test_the_bandit_turns_to_the_cluster_that_pays():
    sure, unsure = np.array([0.98, 0.01, 0.01]), np.array([0.34, 0.33, 0.33])
    seen = rewards(np.stack([sure, unsure, sure, unsure]), 4, None)
    preference, draws = np.zeros(3), np.zeros(3, int)
    learn(preference, draws, np.array([0, 1, 0, 1]), seen.mean(axis=1))
    assert preference[0] > preference[1]
    assert draws.tolist() == [2, 2, 0]
    assert np.isclose(preference.sum(), 0)


def test_a_policys_gradient_is_the_papers():
    total, wanted, draws = np.array([0.3, 0.9, 0.2, 0.7]), np.zeros(2), [0, 0]
    for place, cluster in enumerate([1, 0, 1], start=1):  # one was learnt from before
        policy = np.exp(wanted) / np.exp(wanted).sum()
        draws[cluster] += 1
        gain = (total[place] - total[: place + 1].mean()) / draws[cluster]
        wanted += [gain * ((1 - policy[z]) if z == cluster else -policy[z]) for z in range(2)]
    preference = np.zeros(2)
    learn(preference, np.zeros(2, int), np.array([1, 0, 1]), total)
    assert np.allclose(preference, wanted)


def test_rewards_by_hand():
    known = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    guess = np.array([[0.5, 0.5], [0.1, 0.9]])
    found = rewards(known, 2, guess)
    assert np.allclose(found[:, 0], [1, 0.5])
    assert np.allclose(found[:, 1], [1.0, 0.25])
    assert np.allclose(found[:, 2], [np.log(2), -0.25 * np.log(0.1) - 0.75 * np.log(0.9)])


def test_a_cluster_that_is_used_up_passes_its_turn():
    cluster, left, preference = np.arange(20) % 2, np.ones(20, bool), np.array([50.0, -50.0])
    chosen = draw(cluster, left, preference, 14, np.random.default_rng(0))
    assert len(np.unique(chosen)) == 14
    assert (cluster[chosen] == 0).sum() == 10
    assert len(draw(cluster, left, preference, 30, np.random.default_rng(0))) == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "best"}, "strategy is 'best'"),
        ({"rounds": 0}, "rounds is 0"),
        ({"budget": 5}, "budget is 5"),
        ({"clusters": 1}, "clusters is 1"),
    ],
)
def test_bad_configurations_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Knockoff(**settings)
