"""Services that round what they are asked to whole numbers, or take categories: attacks ask what they take, or refuse before they ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.extraction import Active, Jacobian, Kernel, Knockoff, LowdMeek, Mlp, Relu, ReluDeep, Retraining
from jaxattack.attacks.extraction.substitute import SOFTMAX
from jaxattack.oracle import from_function
from jaxattack.types import Access, InputError, Inputs, Ledger, Verification

RNG = np.random.default_rng(0)
INPUTS = replace(Inputs.box(0, 4, (6,)), whole=True)
POOL = RNG.integers(0, 5, (60, 6)).astype(float)
HIDDEN, OUTPUT = RNG.normal(0, 0.3, (6, 3)), RNG.normal(0, 2, (3, 3))


def service(level="probability"):
    """A small network on records that it rounds, and what it was asked."""
    asked = []

    def answer(x):
        asked.append(x)
        p = softmax(np.tanh((np.rint(x) - 2) @ HIDDEN) @ OUTPUT, axis=1)
        return p.argmax(axis=1) if level == "label" else p

    return from_function(answer, Access(level=level, classes=3, inputs=INPUTS)), asked


SUBSTITUTES = pytest.mark.parametrize(
    "attack",
    [
        Retraining(strategy="adaptive", budget=60, rounds=3),
        Retraining(strategy="line-search", budget=60, rounds=3),
        Retraining(strategy="uniform", budget=60, rounds=3),
        Jacobian(budget=64, rounds=2, substitute=SOFTMAX),
        Active(strategy="adversarial", budget=40, rounds=2, substitute=SOFTMAX),
        Knockoff(budget=40, rounds=2, substitute=SOFTMAX),
    ],
    ids=lambda attack: attack.name,
)


@SUBSTITUTES
def test_substitutes_are_trained_on_what_the_service_reads(attack):
    oracle, asked = service("label")
    attack(oracle, pool=POOL, verification=Verification(trials=20))
    x = np.concatenate(asked)
    np.testing.assert_array_equal(x, np.rint(x))


@SUBSTITUTES
def test_a_service_of_categories_is_asked_about_values_that_there_are(attack):
    # Retraining bisected between categories 0 and 4: a service refused the 2.5, and a substitute had no value for it.
    inputs = Inputs(low=np.zeros(6), high=np.full(6, 4.0), categories=np.array([5, 5, 5, 0, 0, 0]))
    asked, effect = [], 3 * RNG.normal(size=(3, 5))

    def answer(x):
        asked.append(x)
        return ((x[:, 3:] - 2).sum(axis=1) + sum(effect[at, x[:, at].astype(int)] for at in range(3)) > 0).astype(int)

    oracle = from_function(answer, Access(level="label", classes=2, inputs=inputs))
    attack(oracle, pool=POOL, verification=Verification(trials=20))
    codes = np.concatenate(asked)[:, :3]
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert (codes >= 0).all()
    assert (codes <= 4).all()


def test_a_step_of_augmentation_is_a_whole_number_at_least():
    oracle, asked = service("label")
    Jacobian(budget=64, rounds=1, substitute=SOFTMAX).steal(oracle, pool=POOL)
    first, moved = np.split(np.concatenate(asked), 2)
    change = np.abs(moved - first)
    assert set(np.unique(change)) == {0.0, 1.0}
    assert (change.max(axis=1) > 0).mean() > 0.7  # a tenth of the range would be rounded away


@pytest.mark.parametrize("attack", [Kernel(), LowdMeek(), Relu(), ReluDeep(hidden=(3, 2))], ids=lambda one: one.name)
def test_attacks_between_whole_numbers_are_refused_before_they_ask(attack):
    oracle, _ = service()
    with pytest.raises(InputError, match="inputs are whole numbers and .* choose adaptive-retraining"):
        attack(oracle)
    assert oracle.ledger == Ledger()


def test_a_smooth_network_is_stolen_on_the_grid():
    oracle, asked = service()
    stolen = Mlp(hidden=3)(oracle)
    assert stolen.complete, stolen.reason
    x = np.concatenate(asked)
    np.testing.assert_array_equal(x, np.rint(x))
