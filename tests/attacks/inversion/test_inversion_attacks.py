"""Every inversion attack by name, through the same checks, on a small victim and on one that says nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.inversion.white_boxes import LEARN, digits, generators_shared
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.inversion import ATTACKS, Boundary, Gmi, MiFace, Network, Numeric, Ppa, Prior
from jaxattack.audit import Victim
from jaxattack.oracle import from_model
from jaxattack.types import InputError, Inversion, InversionAttack

# Smaller than they would be used; one for every name of the registry.
CASES: dict[str, InversionAttack] = {
    "mi-face": MiFace(restarts=2, steps=200),
    "numeric": Numeric(steps=20),
    "gmi": Gmi(prior=Prior(kind="gan", steps=150), restarts=2, steps=100),
    "ppa": Ppa(prior=Prior(steps=100), candidates=50, restarts=2, steps=20),
    "boundary": Boundary(prior=Prior(steps=200), rounds=10, directions=8),
    "network": Network(steps=100),
}
TARGETS = np.arange(10)


# For what does not depend on how good they are.
ROUGH = CASES | {
    "gmi": Gmi(prior=Prior(kind="gan", steps=10), restarts=2, steps=10),
    "ppa": Ppa(prior=Prior(steps=10), candidates=50, restarts=2, steps=5),
    "boundary": Boundary(prior=Prior(steps=10), rounds=3, directions=8),
}


def made(case: str, seed: int = 0, victim: Victim | None = None, cases=CASES) -> Inversion:
    attack, victim = cases[case], victim or digits()
    target = victim.inside if attack.white_box else victim.oracle
    return attack(target, TARGETS, seed=seed, pool=victim.pool if attack.pool else None)


@cache
def recogniser() -> LogisticRegression:
    """Somebody who knows digits and has never met the victim nor a record that it was trained on."""
    victim = digits()
    x = victim.dataset.x[~victim.member].reshape(-1, 64) / 255
    return LogisticRegression(max_iter=300).fit(x, victim.dataset.y[~victim.member])


def recognised(inversion: Inversion) -> int:
    return int((recogniser().predict(inversion.x.reshape(-1, 64) / 255) == inversion.target).sum())


@cache
def indifferent() -> Victim:
    """A network that answers every record alike."""
    victim = digits()
    inside = replace(victim.inside, variables=jax.tree.map(jnp.zeros_like, victim.inside.variables))
    oracle = from_model(inside.model, inside.variables, inputs=inside.inputs, classes=10)
    return replace(victim, inside=inside, oracle=oracle, twin=None)


@cache
def once(case: str) -> Inversion:
    return made(case)


@pytest.fixture(scope="module", autouse=True)
def _shared():
    with generators_shared():
        yield


def test_every_kind_of_attack_of_the_registry_has_a_case():
    assert CASES.keys() == ATTACKS.keys()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_called_as_it_is_registered(name):
    attack = ATTACKS[name]
    assert isinstance(attack, InversionAttack)
    assert attack.name == name
    assert attack.white_box != bool(attack.levels)


@pytest.mark.parametrize("case", CASES)
def test_what_it_makes_is_recognised_by_another_than_the_victim(case):
    assert recognised(once(case)) >= 7  # chance is 1; 7 or more of 10 come by it once in 100,000


@pytest.mark.parametrize("case", CASES)
def test_of_a_victim_that_says_nothing_it_makes_nothing_that_is_recognised(case):
    try:
        inversion = made(case, victim=indifferent())
    except InputError as error:
        assert case == "network", error  # noqa: PT017 - the others have a way on, if only from where they start
        assert "there is nothing to invert" in str(error)  # noqa: PT017
        return
    assert recognised(inversion) <= 4  # 5 or more come by chance once in 600


@pytest.mark.parametrize("case", CASES)
def test_a_record_of_each_target_within_what_the_victim_takes(case):
    found, restarts = once(case), once(case).restarts.shape[1]
    np.testing.assert_array_equal(found.target, TARGETS)
    assert found.x.shape == (10, 8, 8, 1)
    assert found.restarts.shape == (10, restarts, 8, 8, 1)
    assert found.score.shape == found.steps.shape == (10, restarts)
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
def test_the_same_seed_makes_the_same_records(case, monkeypatch):
    monkeypatch.setattr(Prior, "learn", LEARN)
    np.testing.assert_array_equal(*(made(case, cases=ROUGH).restarts for _ in range(2)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("targets", [[10], [-1], [], [0.5]])
def test_a_class_that_the_victim_does_not_have_is_refused(case, targets):
    attack, victim = CASES[case], digits()
    with pytest.raises(InputError, match="targets? is"):
        attack(victim.inside if attack.white_box else victim.oracle, np.array(targets), pool=victim.pool)
