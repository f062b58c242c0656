"""Students of kept models, observed after each of their passes, and the attack that reads them."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.membership import LossTrajectory, SeqMIA, lookup
from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.audit import MembershipAudit, run_observations
from jaxattack.audit.asking import of_plan
from jaxattack.audit.optimising import read_variables, work_of
from jaxattack.audit.plan import planned
from jaxattack.audit.sweep import run_membership
from jaxattack.data import random_labels
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import Architecture
from jaxattack.signals import METRICS, Trajectory
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.training.learners.answers import learn_answers
from jaxattack.types import InputError

DATA = random_labels(records=90, features=8, classes=3)
PASSES, ASIDE = 3, 30
ATTACK = LossTrajectory(passes=PASSES, network=AttackNetwork(joint=(16,), epochs=60, learning_rate=0.01), shadows=3)
AUDIT = MembershipAudit(
    model=Architecture(name="mlp:32"),
    dataset=DATA,
    standardise="none",
    learner=Standard(recipe=Recipe(epochs=100, batch=10, learning_rate=0.01)),
    models=6,
    attacks=(ATTACK,),
    reserve=1 / 3,
)
PLACEMENT = Placement(chunk=6, vmap=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trajectories") / "run"
    return folder, run_membership(folder, AUDIT, placement=PLACEMENT).findings


def test_a_run_with_records_set_aside_is_attacked_by_its_students(finished):
    (found,) = finished[1].attacks
    assert found.name.partition("?")[0] == "loss-trajectory"
    assert found.auc > 0.7  # random labels are remembered or guessed
    assert found.roc.negatives == 6 * 30


def test_a_sequence_is_read_in_the_order_of_time_and_finds_the_leak(finished):
    attack = SeqMIA(passes=PASSES, network=replace(SeqMIA().network, recurrent=8, epochs=40), shadows=3)
    observations = run_observations(finished[0], AUDIT).only(attack.signals).take_records(np.arange(60))
    scores = attack(observations, [0, 1])
    assert auc(roc_curve(scores.ravel(), observations.member[:2].ravel())) > 0.7
    np.testing.assert_array_equal(attack(observations, [1])[0], scores[1])


def test_values_are_those_of_students_trained_alone(finished):
    plan = planned(finished[0], AUDIT)
    observations = of_plan(plan)
    values = observations.of(Trajectory(passes=PASSES)).reshape(6, 90, PASSES + 1, len(METRICS))
    (chunk, models), *_ = plan.folder.chunks().items()
    variables = read_variables(plan, work_of(plan, ()), models, plan.folder.weights_of(chunk))
    model, x = plan.sweep.model, jnp.asarray(plan.records.x)
    own = jax.tree.map(lambda leaf: leaf[2], variables)
    index = jnp.arange(60, 90)
    taught = jax.nn.softmax(model.apply(own, x[index]))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(AUDIT.seed), 2), 5)
    for passes in (1, PASSES):
        recipe = replace(AUDIT.learner.recipe, epochs=passes)
        student = jax.jit(lambda recipe=recipe: learn_answers(model, recipe, x, index, jnp.ones(ASIDE), taught, key))()
        p = softmax(np.asarray(model.apply(student, x), np.float64), axis=1)
        check(values[2, :, passes - 1], p, plan.records.y)
    check(values[2, :, -1], softmax(np.asarray(model.apply(own, x), np.float64), axis=1), plan.records.y)


def check(values, p, y):
    """One answer's numbers by their definitions."""
    own = p[np.arange(len(y)), y]
    wrong = np.where(np.eye(p.shape[1])[y] > 0, 0, p * np.log1p(-np.minimum(p, 1 - 1e-12))).sum(axis=1)
    expected = (
        -np.log(own),
        p.max(axis=1),
        p.std(axis=1),
        -(p * np.log(p)).sum(axis=1),
        -(1 - own) * np.log(own) - wrong,
    )
    for name, measured, each in zip(METRICS, values.T, expected, strict=True):
        np.testing.assert_allclose(measured, each, rtol=2e-3, atol=2e-4, err_msg=name)


def test_members_of_nobody_teach_and_are_not_scored(finished):
    observations = run_observations(finished[0], AUDIT)
    assert not observations.member[:, 60:].any()
    scores = ATTACK(observations.only(ATTACK.signals).take_records(np.arange(60)))
    member = observations.member[:, :60]
    assert scores.shape == member.shape
    assert auc(roc_curve(scores.ravel(), member.ravel())) == pytest.approx(finished[1].attacks[0].auc)


def test_without_records_set_aside_there_is_no_student(tmp_path):
    bare = replace(AUDIT, reserve=0.0, learner=Standard(recipe=Recipe(epochs=1, batch=10)), attacks=(lookup("loss"),))
    run_membership(tmp_path, bare, placement=PLACEMENT)
    with pytest.raises(
        InputError, match="teaches students on records that are members of no model, and none are set aside"
    ):
        run_observations(tmp_path, bare).of(Trajectory())
    with pytest.raises(InputError, match="none are set aside: give reserve"):
        planned(tmp_path / "other", replace(bare, attacks=(ATTACK,)))


def test_values_of_another_number_of_passes_are_refused(finished):
    observations = run_observations(finished[0], AUDIT)
    wrong = replace(observations, signals={"trajectory_7": observations.of(Trajectory(passes=PASSES))}, ask=None)
    with pytest.raises(InputError, match="trajectory_7 has 20 values a record: give 5 of the model"):
        LossTrajectory(passes=7)(wrong)
    with pytest.raises(InputError, match="passes is 0"):
        LossTrajectory(passes=0)
