"""Active learning from a pool."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.labelled import agreement, linear
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.active import Active, farthest
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.types import ExtractionAttack, InputError

POOL = np.random.default_rng(7).uniform(-1, 1, (250, 4))
SMALL = Substitute(ridge=1e-6)
STRATEGIES = ["random", "uncertainty", "margin", "k-center", "deepfool", "deepfool+k-center", "adversarial"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_steals_and_asks_nothing_twice(strategy):
    attack = Active(strategy=strategy, budget=60, rounds=2, start=0.3, substitute=SMALL)
    assert isinstance(attack, ExtractionAttack)
    victim = linear(0, 4, 3)
    stolen = attack.steal(victim, seed=0, pool=POOL)
    assert stolen.converged, stolen.stop
    assert stolen.cost.queries == 60
    assert [snapshot.queries for snapshot in stolen.snapshots] == [18, 39, 60]
    assert agreement(stolen.answer, victim) > 0.8
    assert len(np.unique(victim.asked, axis=0)) == 60
    known = (victim.asked[:, None] == POOL[None]).all(axis=2).any(axis=1)
    assert known.all() == (strategy != "adversarial")
    again = linear(0, 4, 3)
    attack.steal(again, seed=0, pool=POOL)
    assert (again.asked == victim.asked).all()


def test_the_uncertain_records_are_asked_first():
    victim = linear(0, 4, 2)
    stolen = Active(strategy="margin", budget=40, rounds=1, start=0.5, substitute=SMALL).steal(
        victim, seed=0, pool=POOL
    )
    left = POOL[~(POOL[:, None] == victim.batches[0][None]).all(axis=2).any(axis=1)]

    def margin(x):
        probability = stolen.snapshots[0].answer(x).probability
        assert probability is not None
        return np.abs(probability[:, 0] - probability[:, 1])

    assert np.allclose(np.sort(margin(victim.batches[1])), np.sort(margin(left))[:20])


def test_active_learning_beats_chance():
    found = {}
    for strategy in ("random", "margin"):
        shares = []
        for seed in range(3):
            victim = linear(seed, 4, 3)
            attack = Active(strategy=strategy, budget=80, rounds=3, substitute=SMALL)
            shares.append(agreement(attack.steal(victim, seed=seed, pool=POOL).answer, victim))
        found[strategy] = np.mean(shares)
    assert found["margin"] > found["random"]


@given(st.integers(0, 10**6), st.integers(1, 30))
def test_k_center_is_the_greedy_choice(seed, count):
    rng = np.random.default_rng(seed)
    x, centre = rng.standard_normal((12, 3)), rng.standard_normal((4, 3))
    wanted, centres = [], list(centre)
    for _ in range(min(count, 12)):
        gaps = [-1 if i in wanted else min(np.linalg.norm(one - c) for c in centres) for i, one in enumerate(x)]
        wanted.append(int(np.argmax(gaps)))
        centres.append(x[wanted[-1]])
    assert farthest(x, centre, count).tolist() == wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "best"}, "strategy is 'best'"),
        ({"strategy": "k-center+margin"}, "the first of"),
        ({"rounds": 0}, "rounds is 0"),
        ({"start": 1.0}, "start is 1"),
        ({"budget": 10}, "budget is 10"),
    ],
)
def test_bad_configurations_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Active(**settings)
