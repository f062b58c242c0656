"""A sweep of a learner that needs records set aside: they are in no model, are not scored, and are found again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit.membership import membership
from jaxattack.audit.plan import MembershipAudit, planned
from jaxattack.audit.poisoning import Poisoning, poison
from jaxattack.audit.records import set_aside
from jaxattack.audit.scoring import rescore
from jaxattack.audit.train import train_victim
from jaxattack.data import load, random_labels
from jaxattack.defences import MemGuard
from jaxattack.models import Architecture
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import DMP, PATE
from jaxattack.types import InputError

DATA = random_labels(records=90, features=8, classes=3)
SETTINGS = {"model": Architecture(name="mlp:16"), "models": 4}
LEARNER = DMP(recipe=Recipe(epochs=60, batch=10, learning_rate=0.02), reserve=0.2)


def test_records_are_set_aside_at_random_and_lie_behind_the_others():
    digits = load("digits")
    records = set_aside(digits, 500, 3)
    at = np.sort(np.random.default_rng(np.random.SeedSequence(3, spawn_key=(0, 1))).permutation(1797)[:500])
    np.testing.assert_array_equal(records.x[-500:], digits.x[at])
    np.testing.assert_array_equal(records.x[:-500], np.delete(digits.x, at, axis=0))
    assert set_aside(digits, 0, 3) is digits


def test_a_plan_leaves_the_reserve_out_of_every_model(tmp_path):
    plan = planned(tmp_path, MembershipAudit(dataset=DATA, learner=LEARNER, attacks=(ATTACKS["loss"],), **SETTINGS))
    assert plan.sweep.reserve == plan.folder.identity["reserve"] == 18
    assert not plan.member[:, -18:].any()
    assert plan.member[:, :-18].sum() == 4 * 36
    assert plan.slots == 36


def test_a_defence_has_records_set_aside_and_so_has_its_undefended_twin(tmp_path):
    guarded = MembershipAudit(dataset=DATA, defences=(MemGuard(reserve=0.2),), attacks=(ATTACKS["loss"],), **SETTINGS)
    bare = dataclasses.replace(guarded, defences=(), reserve=0.2)
    plans = [planned(tmp_path / name, audit) for name, audit in (("guarded", guarded), ("bare", bare))]
    assert [plan.sweep.reserve for plan in plans] == [18, 18]
    np.testing.assert_array_equal(plans[0].member, plans[1].member)
    np.testing.assert_array_equal(plans[0].records.x, plans[1].records.x)
    with pytest.raises(InputError, match="background is 3 and reserve 0.2: give one of them"):
        MembershipAudit(dataset=DATA, background=3, reserve=0.2, **SETTINGS)


def test_a_sweep_of_students_who_are_told_nothing_scores_the_other_records_and_finds_nothing(tmp_path):
    learner = PATE(recipe=LEARNER.recipe, teachers=2, noise=1e6, reserve=0.2)
    attacks = (ATTACKS["loss"], ATTACKS["entropy"])
    named = dataclasses.replace(DATA, ids=tuple(f"r{record}" for record in range(90)))
    result = membership(
        tmp_path, dataset=named, learner=learner, attacks=attacks, placement=Placement(chunk=4), **SETTINGS
    )
    assert result.records.ids == set_aside(named, 18, 0).ids[:72]
    findings = result.findings
    assert findings.cost.queries == 4 * 72
    assert findings.cost.gradient_steps == 4 * 60 * (2 * 1 + 1)
    by_name = {one.name: one for one in findings.attacks}
    # Four standard errors of an area of 144 members and 144 others.
    assert by_name["loss"].auc == pytest.approx(0.5, abs=4 * np.sqrt(289 / (12 * 144 * 144)))
    again = rescore(tmp_path, attacks).findings
    assert {one.name: one.auc for one in again.attacks} == {name: one.auc for name, one in by_name.items()}


def test_one_victim_is_refused_before_what_is_there_is_touched(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match="DMP needs records set aside, which a sweep does"):
        train_victim(tmp_path, model=SETTINGS["model"], dataset=DATA, learner=LEARNER)
    assert (tmp_path / "model.json").read_text() == "{}"


def test_a_reserve_beside_poison_is_refused(tmp_path):
    with pytest.raises(InputError, match="background is 3 and DMP has records set aside"):
        MembershipAudit(dataset=DATA, learner=LEARNER, background=3, **SETTINGS)
    audit = MembershipAudit(dataset=DATA, learner=LEARNER, **SETTINGS)
    with pytest.raises(InputError, match="DMP has records set aside, beside which none are poisoned"):
        poison(tmp_path, audit, Poisoning())
