"""Every inversion attack by name, through the same checks, on a small victim."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from attacks.inversion.white_boxes import digits

from jaxattack.attacks.inversion import ATTACKS, Boundary, Gmi, MiFace, Network, Numeric, Ppa, Prior
from jaxattack.types import InputError, Inversion, InversionAttack

# Smaller than they would be used; one for every name of the registry.
CASES: dict[str, InversionAttack] = {
    "mi-face": MiFace(restarts=2, steps=200),
    "numeric": Numeric(steps=20),
    "gmi": Gmi(prior=Prior(kind="gan", steps=30), restarts=2, steps=30),
    "ppa": Ppa(prior=Prior(steps=100), candidates=50, restarts=2, steps=20),
    "boundary": Boundary(prior=Prior(steps=200), rounds=10, directions=8),
    "network": Network(steps=100),
}
TARGETS = np.array([1, 4])


def made(case: str, seed: int = 0) -> Inversion:
    attack, victim = CASES[case], digits()
    target = victim.inside if attack.white_box else victim.oracle
    return attack(target, TARGETS, seed=seed, pool=victim.pool if attack.pool else None)


@cache
def once(case: str) -> Inversion:
    return made(case)


def test_every_kind_of_attack_of_the_registry_has_a_case():
    assert CASES.keys() == ATTACKS.keys()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_called_as_it_is_registered(name):
    attack = ATTACKS[name]
    assert isinstance(attack, InversionAttack)
    assert attack.name == name
    assert attack.white_box != bool(attack.levels)


@pytest.mark.parametrize("case", CASES)
def test_a_record_of_each_target_within_what_the_victim_takes(case):
    found, restarts = once(case), once(case).restarts.shape[1]
    np.testing.assert_array_equal(found.target, TARGETS)
    assert found.x.shape == (2, 8, 8, 1)
    assert found.restarts.shape == (2, restarts, 8, 8, 1)
    assert found.score.shape == found.steps.shape == (2, restarts)
    assert np.isfinite(found.x).all()
    assert found.x.min() >= 0
    assert found.x.max() <= 255
    assert any((found.x[0] == restart).all() for restart in found.restarts[0])


@pytest.mark.parametrize("case", CASES)
def test_its_cost_is_gradients_or_queries(case):
    found = once(case)
    assert (found.gradients > 0) == CASES[case].white_box
    assert (found.cost.queries > 0) != CASES[case].white_box


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_makes_the_same_records(case):
    np.testing.assert_array_equal(made(case).restarts, once(case).restarts)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("targets", [[10], [-1], [], [0.5]])
def test_a_class_that_the_victim_does_not_have_is_refused(case, targets):
    attack, victim = CASES[case], digits()
    with pytest.raises(InputError, match="targets? is"):
        attack(victim.inside if attack.white_box else victim.oracle, np.array(targets), pool=victim.pool)
