"""Every field of every attack, learner and audit with odd values: a result, or one sentence that names the field."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest
from attacks.evasion.linear_victims import leaky, records
from attacks.inversion.white_boxes import digits
from attacks.planted import complementary, observe

from jaxattack import Recipe, load
from jaxattack.attacks import evasion, extraction, inversion, membership, ownership, poisoning
from jaxattack.attacks.inversion import gradient
from jaxattack.attacks.inversion.gradient import gradient_of
from jaxattack.attacks.membership import generators
from jaxattack.audit import (
    Column,
    EvasionAudit,
    ExtractionAudit,
    GeneratorAudit,
    InversionAudit,
    MatrixAudit,
    MembershipAudit,
    OwnershipAudit,
    PoisonAudit,
    open_victim,
)
from jaxattack.cli.membership import Attacking
from jaxattack.cli.terms import Terms
from jaxattack.cli.words import Subject
from jaxattack.data.designs import Exact, Halves, Poisson, Sized
from jaxattack.data.sanitise import Sanitise
from jaxattack.models import Architecture
from jaxattack.oracle import budgeted
from jaxattack.training import Placement, Queries
from jaxattack.training.copies import COPIES
from jaxattack.types import InputError

HUGE = (10**9, 10**30)
ODD = (0, -1, 1.5, math.nan, math.inf, "word", "", True, None, (1, 2), [0.5], object())
MODELS = {"relu-deep": "relu:5-4-3-1", "relu": "relu:6-4-1", "lm-head": "head:6-60", "kernel": "kernel"}
QUICK = {
    "mi-face": {"steps": 3, "restarts": 2},
    "numeric": {"steps": 2},
    "gmi": {"prior": inversion.Prior(kind="gan", steps=2), "steps": 2, "restarts": 2},
    "ppa": {"prior": inversion.Prior(steps=2), "steps": 2, "restarts": 2, "candidates": 8},
    "boundary": {"prior": inversion.Prior(steps=2), "rounds": 2, "first": 64},
    "network": {"steps": 2, "hidden": 8},
    "dlg": {"steps": 2, "restarts": 2},
    "idlg": {"steps": 2, "restarts": 2},
    "inverting-gradients": {"steps": 2, "restarts": 2},
}

AUDIT = MembershipAudit(model=Architecture(), dataset=load("iris"))
CONFIGS = [
    *(
        attack
        for room in (membership, generators, extraction, inversion, gradient, evasion, poisoning, ownership)
        for attack in room.ATTACKS.values()
    ),
    *(
        Recipe(),
        Placement(),
        Queries(),
        AUDIT,
        ExtractionAudit(),
        InversionAudit(),
        GeneratorAudit(dataset=load("iris")),
        EvasionAudit(),
        OwnershipAudit(model=Architecture(), dataset=load("iris")),
        *COPIES.values(),
        MatrixAudit(model=Architecture(), dataset=load("iris")),
        PoisonAudit(model=Architecture(), dataset=load("iris")),
        Sanitise(),
        Column(name="none"),
        Subject(),
        Attacking(),
        Architecture(),
        Terms(),
    ),
    *(Halves(), Exact(), Poisson(), Sized(members=5), inversion.Prior()),
]


def check_sentence(error: InputError) -> None:
    assert str(error).endswith("."), error
    assert "\n" not in str(error)


def variations(config, values=ODD):
    """Every field set to every odd value, where the configuration takes it."""
    for field in dataclasses.fields(config):
        for value in values:
            try:
                yield field.name, dataclasses.replace(config, **{field.name: value})
            except InputError as error:
                check_sentence(error)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: getattr(config, "name", type(config).__name__))
def test_a_field_is_refused_or_is_of_its_type(config):
    hints = {field.name: field for field in dataclasses.fields(config)}
    for name, changed in variations(config, ODD + HUGE):
        value = getattr(changed, name)
        assert not isinstance(value, list)
        assert value == value, f"{name} may be NaN"
        assert isinstance(value, bool) == isinstance(getattr(config, name), bool) or hints[name].default is None


@cache
def observations():
    return observe(complementary(8, 60, seed=0), leak=0.5, queries=2, spread=0.5, seed=1)


@cache
def updates():
    victim = digits()
    return victim.inside, gradient_of(victim.inside, victim.pool[:2][:, None], np.array([[0], [1]]))


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_membership_with_odd_settings_scores_or_refuses(name):
    for _, attack in variations(membership.ATTACKS[name]):
        try:
            assert np.isfinite(attack(observations())).all()
        except InputError as error:
            check_sentence(error)


@pytest.mark.parametrize("name", extraction.ATTACKS)
def test_extraction_with_odd_settings_steals_or_refuses(name):
    victim = open_victim(MODELS.get(name, "logistic"), data="iris" if name not in MODELS else None)
    attack = extraction.ATTACKS[name]
    for _, changed in variations(attack):
        try:
            stolen = changed(budgeted(victim.oracle, 200), pool=victim.pool if attack.pool else None)
            assert stolen.cost.queries <= 200
        except InputError as error:
            check_sentence(error)


@pytest.mark.parametrize("name", evasion.ATTACKS)
def test_evasion_with_odd_settings_makes_examples_or_refuses(name):
    both = leaky()
    x, y = records(both, 3)
    for _, changed in variations(evasion.ATTACKS[name]):
        try:
            made = changed(both.box if changed.white_box else budgeted(both.oracle, 300), x, y, surrogate=both.box)
            assert np.isfinite(made.example).all()
            assert made.cost.queries <= 300
        except InputError as error:
            check_sentence(error)


@pytest.mark.parametrize("name", inversion.ATTACKS)
def test_inversion_with_odd_settings_makes_records_or_refuses(name):
    victim = digits()
    attack = dataclasses.replace(inversion.ATTACKS[name], **QUICK[name])
    for _, changed in variations(attack):
        try:
            made = changed(
                victim.inside if attack.white_box else budgeted(victim.oracle, 2000),
                np.array([1]),
                pool=victim.pool[:40] if attack.pool else None,
            )
            assert made.x.shape[0] == 1
        except InputError as error:
            check_sentence(error)


@pytest.mark.parametrize("name", gradient.ATTACKS)
def test_gradient_inversion_with_odd_settings_makes_records_or_refuses(name):
    victim, update = updates()
    attack = dataclasses.replace(gradient.ATTACKS[name], **QUICK.get(name, {}))
    for _, changed in variations(attack):
        try:
            assert changed(victim, update).x.shape[0] == 2
        except InputError as error:
            check_sentence(error)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("mi-face", "restarts"),
        ("ppa", "candidates"),
        ("boundary", "directions"),
        ("numeric", "directions"),
        ("network", "hidden"),
    ],
)
def test_more_than_memory_holds_is_refused_before_it_is_tried(name, field):
    victim = digits()
    attack = dataclasses.replace(inversion.ATTACKS[name], **(QUICK[name] | {field: 10**9}))
    with pytest.raises(InputError, match=f"{field} is 1,000,000,000.*free"):
        attack(
            victim.inside if attack.white_box else victim.oracle,
            np.array([1]),
            pool=victim.pool[:40] if attack.pool else None,
        )


def test_an_optimizer_that_needs_more_than_gradients_is_refused():
    with pytest.raises(InputError, match="optimizer is 'lbfgs'"):
        inversion.lookup("mi-face?optimizer=lbfgs")
