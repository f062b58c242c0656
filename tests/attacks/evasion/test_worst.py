"""A series of attacks: each on what is left, as strong as the union of all, and its warnings."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.evasion.linear_victims import CLASSES, FEATURES, leaky, records, victim

from jaxattack.attacks.evasion import (
    APGD,
    DLR,
    FGSM,
    PGD,
    AutoAttack,
    DeepFool,
    HopSkipJump,
    Square,
    Transfer,
    Worst,
    worst,
)
from jaxattack.attacks.evasion.white_box import Draw
from jaxattack.oracle import budgeted, from_function
from jaxattack.types import InputError, Model

SMALL = FGSM(size=0.01), PGD(size=0.01, steps=5), APGD(size=0.01, steps=10, loss=DLR(), targets=3)


def test_it_fools_about_every_record_that_one_of_its_attacks_fools():
    both = leaky()
    x, y = records(both, 100, wrong=4)
    alone = np.any([attack(both.box, x, y).success for attack in SMALL], axis=0)
    together = worst(*SMALL)(both.box, x, y)
    np.testing.assert_array_equal(together.success, alone)
    assert 0.1 < together.among_right < 0.9
    shares = [share for name, share in together.notes.items() if name.startswith("right after")]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(1 - together.among_all)
    assert not together.warnings


def test_a_later_attack_costs_what_is_left_and_draws_as_it_would_alone():
    both = leaky()
    x, y = records(both, 40)
    second = PGD(size=0.03, steps=5)
    first = FGSM(size=0.03)(both.box, x, y)
    left = np.flatnonzero(~first.success)
    series = worst(FGSM(size=0.03), second)(both.box, x, y)
    alone = second.craft(both.box, x, y, Draw()).x
    np.testing.assert_allclose(series.example[left], alone[left], atol=1e-5)
    assert series.gradients == len(x) + second.craft(both.box, x[left], y[left], Draw(0, left)).gradients


def test_autoattack_leaves_out_what_a_victim_has_too_few_classes_for():
    two = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2))
    evasion = AutoAttack(steps=5, size=0.001, queries=5)(two.box, *records(two, 4))
    assert [*evasion.notes][:3] == ["right after 1, apgd-ce", "right after 2, fab", "right after 3, square"]
    assert evasion.warnings == ("the victim has 2 classes: apgd-t needs 4 and is left out.",)
    assert "max norm alone" in AutoAttack(norm="l2").series(10)[1][0]
    assert [attack.name for attack in AutoAttack().series(10)[0]] == ["apgd-ce", "apgd-t", "fab", "square"]
    assert AutoAttack(targets=9).series(CLASSES)[0][1].targets == CLASSES - 1


def test_autoattack_costs_the_sum_of_its_parts():
    both = leaky()
    x, y = records(both, 12)
    series = AutoAttack(steps=3, size=0.004, queries=20)
    together = series(both.box, x, y)
    *on_weights, square = series.series(CLASSES)[0]
    left, gradients = np.arange(len(x)), 0
    for part in on_weights:
        examples = part.craft(both.box, x[left], y[left], Draw(0, left))
        gradients, left = gradients + examples.gradients, left[both.label(examples.x) == y[left]]
    last = square(both.box, x[left], y[left])
    assert 0 < len(left) < len(x)
    assert together.gradients == gradients
    assert together.notes["questions to the model at hand"] == last.questions.sum()
    np.testing.assert_array_equal(np.flatnonzero(~together.success), left[~last.success])


def test_confidences_in_place_of_logits_are_told():
    both = leaky()
    soft = Model(both.box.model.init, lambda variables, x: jax.nn.softmax(both.box.model.apply(variables, x)), None)
    evasion = worst(FGSM())(replace(both.box, model=soft), *records(both, 8))
    assert "attack the numbers before the softmax" in evasion.warnings[0]


def test_records_without_a_gradient_are_told():
    both = leaky()
    sure = victim(1e4 * both.weight, 1e4 * both.bias)
    evasion = worst(PGD(steps=3))(sure.box, *records(both, 8))
    assert "records have no gradient at their start" in evasion.warnings[0]


def test_a_victim_that_answers_differently_is_told():
    both, coin = leaky(), np.random.default_rng(0)
    noisy = from_function(lambda x: both.label(x + coin.normal(0, 2, x.shape)), both.oracle.access)
    x, y = records(both, 40)
    evasion = worst(HopSkipJump(queries=60))(noisy, x, y)
    assert "differently when it is asked again" in evasion.warnings[0]
    steady = worst(HopSkipJump(queries=60))(both.oracle, x, y)
    assert not steady.warnings
    assert steady.cost.queries == both.oracle.ledger.queries == steady.questions.sum()


def test_a_record_that_is_refused_before_it_is_changed_was_never_right():
    both = leaky(level="probability")
    x, y = records(both, 20)

    def guarded(queries):
        p = both.oracle(queries).probability
        return np.where(np.isin(queries[:, :1], x[:5, :1]), 1 / CLASSES, p)

    oracle = from_function(guarded, replace(both.oracle.access, refuses=True))
    assert oracle(x).refusal.sum() == 5
    attack = HopSkipJump(queries=60)
    alone, series = attack(oracle, x, y), worst(attack)(oracle, x, y)
    np.testing.assert_array_equal(series.right, np.arange(20) >= 5)
    np.testing.assert_array_equal(series.right, alone.right)
    assert series.among_right == alone.among_right


def test_a_budget_that_ends_between_two_attacks_leaves_what_the_first_found():
    x, y = records(leaky(), 40)
    first, second = HopSkipJump(queries=60), Square(size=1e-6, queries=5)
    for spare in (1, 3):
        both = leaky(level="logit")
        alone = worst(second)(both.oracle, x, y)
        oracle = budgeted(leaky(level="logit").oracle, alone.cost.queries + spare)
        series = worst(second, first)(oracle, x, y)
        np.testing.assert_array_equal(series.success, alone.success)
        assert not alone.success.all()
        assert alone.converged
        assert not series.converged
        assert not series.complete
        assert "the budget ended before hopskipjump began" in series.reason
        assert series.questions.sum() == series.cost.queries == oracle.ledger.queries == alone.cost.queries


def test_asking_that_beats_weights_is_told():
    # Rounded logits have no slope anywhere: their labels lead where their gradients do not.
    both = leaky()
    flat = Model(both.box.model.init, lambda variables, x: jnp.round(4 * both.box.model.apply(variables, x)), None)
    evasion = worst(PGD(steps=3), HopSkipJump(queries=60))(replace(both.box, model=flat), *records(both, 20))
    assert "gradients are masked" in evasion.warnings[-1]
    farther = worst(FGSM(size=1e-4), HopSkipJump(queries=60))(both.box, *records(both, 20))
    assert farther.among_right > 0.9
    assert not farther.warnings
    assert evasion.cost.queries == evasion.questions.sum() == 0 < evasion.notes["questions to the model at hand"]


def test_it_transfers_as_any_attack_on_weights():
    both = leaky()
    x, y = records(both, 20)
    evasion = Transfer(craft=worst(FGSM(), DeepFool()))(both.oracle, x, y, surrogate=both.box)
    assert evasion.attack == "transfer-worst"
    assert evasion.among_right > 0.9


def test_what_is_no_series_is_refused():
    with pytest.raises(InputError, match="give at least one"):
        Worst(attacks=())
    with pytest.raises(InputError, match="transfer-fgsm makes its examples on another model"):
        worst(Transfer())
    with pytest.raises(InputError, match="targets is 0"):
        AutoAttack(targets=0)
    assert worst(FGSM(), HopSkipJump()).white_box
    assert not worst(HopSkipJump()).white_box
