"""Label-only retraining."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.labelled import Victim, agreement, linear

from jaxattack.attacks.extraction.campaign import even
from jaxattack.attacks.extraction.retraining import DEPTH, Retraining, pairs
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.types import ExtractionAttack, InputError, Inputs

STRATEGIES = ["uniform", "line-search", "adaptive"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_steals_and_counts(strategy):
    attack = Retraining(strategy=strategy, budget=251, rounds=5)
    assert isinstance(attack, ExtractionAttack)
    victim = linear(0, 5, 3)
    stolen = attack.steal(victim, seed=2)
    assert stolen.converged, stolen.stop
    assert stolen.cost == victim.ledger
    assert stolen.cost.queries == 251
    assert [snapshot.queries for snapshot in stolen.snapshots] == [51, 101, 151, 201, 251]
    assert agreement(stolen.answer, victim) > 0.9
    assert agreement(stolen.answer, victim) >= agreement(stolen.snapshots[0].answer, victim)
    assert np.abs(victim.asked).max() <= 1


def test_adaptive_beats_uniform_and_reaches_the_published_agreement():
    victims = [linear(3, 2, 3), linear(3, 2, 3)]
    budget = 100 * 3 * 3
    found = [
        agreement(Retraining(strategy=strategy, budget=budget, rounds=4).steal(victim, seed=0).answer, victim)
        for strategy, victim in zip(("uniform", "adaptive"), victims, strict=True)
    ]
    assert found[1] >= 0.999
    assert found[1] >= found[0]


def test_three_quarters_of_an_adaptive_round_lie_on_the_local_boundary():
    victim = linear(1, 4, 3)
    stolen = Retraining(budget=200, rounds=2).steal(victim, seed=0)
    near = stolen.snapshots[0].answer(victim.batches[1])
    assert near.probability is not None
    two = np.sort(near.probability, axis=1)[:, -2:]
    assert (np.ptp(two, axis=1) < 1e-3).sum() == 75


def test_line_search_narrows_towards_the_victims_boundary():
    victim = linear(1, 4, 2)
    Retraining(strategy="line-search", budget=20 * DEPTH, rounds=2).steal(victim, seed=0)
    gaps = [np.abs(np.ptp(victim.logits(batch), axis=1)).mean() for batch in victim.batches[1:]]
    assert len(gaps) == DEPTH
    assert gaps[-1] < 0.05 * gaps[0]


def test_the_same_seed_asks_the_same_queries():
    for strategy in STRATEGIES:
        asked = []
        for _ in range(2):
            victim = linear(0, 4, 3)
            Retraining(strategy=strategy, budget=150, rounds=3).steal(victim, seed=5)
            asked.append(victim.asked)
        assert (asked[0] == asked[1]).all()


def test_a_kernel_steals_a_victim_with_curved_boundaries():
    def logits(x):
        return np.stack([0.5 + 0 * x[:, 0], np.sum(x**2, axis=1)], axis=1)

    victim = Victim(logits, Inputs.box(-1, 1, (2,)), 2)
    stolen = Retraining(budget=250, rounds=2, substitute=Substitute(architecture="rbf:40")).steal(victim, seed=0)
    assert agreement(stolen.answer, victim) > 0.98


def test_a_pool_is_asked_first():
    pool = np.full((6, 4), 0.25)
    victim = linear(0, 4, 2)
    Retraining(strategy="uniform", budget=100, rounds=2).steal(victim, seed=0, pool=pool)
    assert (victim.asked[:6] == pool).all()


def test_a_victim_of_one_class_is_told():
    victim = Victim(lambda x: np.stack([1 + 0 * x[:, 0], 0 * x[:, 0]], axis=1), Inputs.box(0, 1, (2,)), 2)
    for strategy in STRATEGIES:
        stolen = Retraining(strategy=strategy, budget=100, rounds=2).steal(victim, seed=0)
        assert not stolen.converged
        assert "class 0" in stolen.stop


def test_the_default_budget_is_the_papers():
    victim = linear(0, 2, 2)
    assert sum(Retraining().plan(victim.access)) == 100 * 2 * 3


def test_random_pairs_have_different_labels():
    label = np.array([0] * 50 + [1])
    first, second = pairs(label, 40, np.random.default_rng(0))
    assert (label[first] != label[second]).all()
    assert even(10, 4) == [3, 3, 2, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"strategy": "best"}, "strategy is 'best'"), ({"rounds": 0}, "rounds is 0"), ({"budget": 40}, "budget is 40")],
)
def test_bad_configurations_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Retraining(**settings)
