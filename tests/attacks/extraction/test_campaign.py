"""Rounds in lockstep, budgets that end early, and grids."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.labelled import Victim, agreement, linear

from jaxattack.attacks.extraction import fitting
from jaxattack.attacks.extraction.active import Active
from jaxattack.attacks.extraction.campaign import grid
from jaxattack.attacks.extraction.jacobian import Jacobian
from jaxattack.attacks.extraction.knockoff import Knockoff
from jaxattack.attacks.extraction.retraining import Retraining
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.oracle import budgeted
from jaxattack.types import InputError, Inputs, Ledger


@pytest.mark.parametrize("strategy", ["uniform", "adaptive"])
def test_a_grid_gives_what_each_budget_and_seed_gives_alone(strategy):
    attack = Retraining(strategy=strategy, rounds=2)
    victim = linear(0, 4, 3)
    drafts = grid(attack, victim, budgets=[60, 200], seeds=[0, 1])
    assert victim.ledger.queries == 2 * (60 + 200)
    probe = np.random.default_rng(0).uniform(-1, 1, (500, 4))
    for budget, row in zip([60, 200], drafts, strict=True):
        for seed, draft in zip([0, 1], row, strict=True):
            alone = Retraining(strategy=strategy, rounds=2, budget=budget).steal(linear(0, 4, 3), seed=seed)
            assert draft.cost.queries == budget
            assert np.mean(alone.answer(probe).label == draft.answer(probe).label) > 0.99
    few, many = (np.mean([agreement(draft.answer, victim) for draft in row]) for row in drafts)
    assert many > few


def test_a_grid_asks_all_members_of_a_round_in_one_call_and_their_costs_add_up():
    victim = linear(0, 4, 2)
    costs = [row[0].cost for row in grid(Retraining(rounds=2), victim, budgets=[60, 100], seeds=[0])]
    assert victim.ledger.calls == 2
    assert [cost.calls for cost in costs] == [2, 2]  # what each takes alone
    whole = sum(costs, Ledger())
    assert (whole.queries, whole.bytes) == (victim.ledger.queries, victim.ledger.bytes)
    assert (whole.seconds, whole.price) == pytest.approx((victim.ledger.seconds, victim.ledger.price))


def test_of_a_budget_that_ends_in_a_call_of_a_grid_the_first_members_get_what_is_left():
    victim = linear(0, 4, 2, budget=130)
    (few,), (many,) = grid(Retraining(rounds=2), victim, budgets=[60, 100], seeds=[0])
    assert (few.cost.queries, many.cost.queries) == (60, 70)
    assert few.converged
    assert not many.converged


def test_a_grid_trains_all_substitutes_of_a_round_in_one_program(monkeypatch):
    calls = []
    fit = fitting.fit
    monkeypatch.setattr("jaxattack.attacks.extraction.campaign.fit", lambda *a: calls.append(len(a[4])) or fit(*a))
    grid(Retraining(strategy="uniform", rounds=3), linear(0, 4, 2), budgets=[60, 90], seeds=[0, 1])
    assert calls == [2 * 2] * 3


def test_a_program_is_traced_once_for_sizes_that_are_near(monkeypatch):
    traces = []
    one = fitting.multinomial
    monkeypatch.setattr(fitting, "multinomial", lambda *a: traces.append(a[0].shape) or one(*a))
    fitting._softmax_program.cache_clear()
    for budget, seed in ((60, 0), (60, 1), (90, 2)):
        Retraining(strategy="uniform", rounds=1, budget=budget).steal(linear(0, 3, 2), seed=seed)
    fitting._softmax_program.cache_clear()
    assert len(traces) == 1


def test_a_budget_that_ends_early_returns_what_was_learnt():
    victim = linear(0, 4, 2, budget=130)
    stolen = Retraining(budget=200, rounds=5).steal(victim, seed=0)
    assert stolen.cost.queries == victim.ledger.queries == 130
    assert not stolen.converged
    assert "needs at least" in stolen.stop
    assert [snapshot.queries for snapshot in stolen.snapshots] == [40, 80, 120, 130]
    assert agreement(stolen.answer, victim) > 0.8


def test_a_budget_that_ends_between_rounds_trains_nothing_twice():
    stolen = Retraining(budget=200, rounds=5).steal(linear(0, 4, 2, budget=80), seed=0)
    assert [snapshot.queries for snapshot in stolen.snapshots] == [40, 80]
    assert not stolen.converged


def test_an_empty_budget_says_what_is_needed():
    with pytest.raises(InputError, match="needs at least 10 queries"):
        Retraining(budget=200).steal(linear(0, 4, 2, budget=0), seed=0)


def test_progress_tells_queries():
    told = []
    Retraining(budget=100, rounds=2).steal(linear(0, 4, 2), seed=0, progress=lambda *now: told.append(now))
    assert told == [("queries", 50, 100), ("queries", 100, 100)]


def test_confidences_are_learnt_where_they_are_answered():
    pool = np.random.default_rng(0).uniform(-1, 1, (400, 6))
    agreements = []
    for level in ("label", "probability"):
        victim = linear(0, 6, 3, level=level)
        stolen = Knockoff(budget=60, rounds=2, substitute=Substitute()).steal(victim, seed=0, pool=pool)
        agreements.append(agreement(stolen.answer, victim))
    assert agreements[1] > 0.999
    assert agreements[1] > agreements[0]


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="budgets has 0"):
        grid(Retraining(), linear(0, 2, 2), budgets=[], seeds=[0])
    with pytest.raises(InputError, match="regressor"):
        Retraining().steal(Victim(lambda x: x[:, :1], Inputs.box(0, 1, (2,)), 1))
    with pytest.raises(InputError, match="give a pool"):
        Knockoff().steal(linear(0, 2, 2))
    with pytest.raises(InputError, match="pool has 3 records"):
        Knockoff().steal(linear(0, 2, 2), pool=np.zeros((3, 2)))
    with pytest.raises(InputError, match="seed is 4294967296"):
        Retraining().steal(linear(0, 2, 2), seed=2**32)


SHORT = {
    "knockoff": Knockoff(budget=400, rounds=4, substitute=Substitute()),
    "active": Active(strategy="random", budget=400, rounds=4, substitute=Substitute()),
    "jacobian": Jacobian(budget=64 * 8, rounds=3, substitute=Substitute()),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_budget_smaller_than_the_pool_is_what_a_pool_has_to_hold(name):
    attack, pool = SHORT[name], np.random.default_rng(0).uniform(-1, 1, (30, 4))
    victim = linear(0, 4, 3)
    with pytest.raises(InputError, match="pool has 30 records and .* are to be asked"):
        attack.steal(victim, pool=pool)
    assert victim.ledger.queries == 0
    stolen = attack.steal(budgeted(victim, 24), pool=pool)
    assert stolen.cost.queries == victim.ledger.queries == 24
    with pytest.raises(InputError, match=rf"budget has 5 queries left: {attack.name} needs at least \d+ queries"):
        attack.steal(budgeted(victim, 5), pool=pool)
