"""Augmentation along the substitute's Jacobian."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.labelled import agreement, linear

from jaxattack.attacks.extraction.jacobian import Jacobian
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.perturb.signs import sign_of_gradient, sign_steps
from jaxattack.types import ExtractionAttack, InputError, Variables

POOL = np.random.default_rng(7).uniform(-0.5, 0.5, (40, 4))
SMALL = Substitute(ridge=1e-4)


def test_every_query_is_new_and_asked_once():
    attack = Jacobian(budget=16 * 8, rounds=3, substitute=SMALL)
    assert isinstance(attack, ExtractionAttack)
    victim = linear(0, 4, 3)
    stolen = attack.steal(victim, seed=1, pool=POOL)
    assert stolen.converged, stolen.stop
    assert stolen.cost.queries == victim.ledger.queries == 128
    assert [len(batch) for batch in victim.batches] == [16, 16, 32, 64]
    assert [snapshot.queries for snapshot in stolen.snapshots] == [16, 32, 64, 128]
    assert (victim.batches[0][:, None] == POOL[None]).all(axis=2).any(axis=1).all()
    assert agreement(stolen.answer, victim) > 0.8


@pytest.mark.parametrize("step", [0.1, -0.1])
def test_a_round_moves_every_query_along_the_sign_of_the_jacobian(step):
    victim = linear(0, 4, 3)
    stolen = Jacobian(budget=40, rounds=1, step=step, substitute=SMALL).steal(victim, seed=1, pool=POOL)
    first, second = victim.batches
    again = Jacobian(budget=40, rounds=1, step=step, substitute=SMALL).steal(
        linear(0, 4, 3, budget=20), seed=1, pool=POOL
    )
    assert again.model is not None
    label = victim.logits(first).argmax(axis=1)
    sign = sign_of_gradient(again.model, Variables(again.parameters, {}), first, label)
    assert np.allclose(second, np.clip(first + step * 2 * sign, -1, 1), atol=1e-6)
    assert stolen.converged
    assert not again.converged


def test_its_examples_fool_the_victim():
    victim = linear(0, 4, 3)
    stolen = Jacobian(budget=16 * 8, rounds=3, step=-0.1, substitute=SMALL).steal(victim, seed=1, pool=POOL)
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (100, 4))
    y = victim.logits(x).argmax(axis=1)
    example = sign_steps(stolen.model, Variables(stolen.parameters, {}), x, y, victim.access.inputs, size=0.2)
    assert (victim.logits(example).argmax(axis=1) != y).mean() > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"budget": 63}, "budget is 63"),
        ({"step": 0.0}, "step is 0"),
        ({"step": 2.0}, "step is 2"),
    ],
)
def test_bad_configurations_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Jacobian(**settings)
