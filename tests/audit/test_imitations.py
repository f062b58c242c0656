"""Imitators of kept models, and the attack that reads them."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from jaxattack.attacks.membership import IMIA, PMIA
from jaxattack.audit import MembershipAudit, run_observations
from jaxattack.audit.asking import of_plan, proxy_answers
from jaxattack.audit.optimising import read_variables, work_of
from jaxattack.audit.plan import planned
from jaxattack.audit.sweep import run_membership
from jaxattack.data import Halves, random_labels
from jaxattack.models import Architecture
from jaxattack.signals import Imitation, NearestPhi
from jaxattack.signals.nearest import nearest_records
from jaxattack.training import Placement, Recipe, check_seed
from jaxattack.training.imitations import SEED, imitator_of
from jaxattack.training.learners import Standard
from jaxattack.types import InputError, Membership

DATA = random_labels(records=60, features=8, classes=3)
IMITATORS = 4
RECIPE = Recipe(epochs=40, batch=10, learning_rate=0.01)
MODEL = Architecture(name="mlp:32").build((8,), 3)
ATTACK = IMIA(imitators=IMITATORS, warmup=0.5)
AUDIT = MembershipAudit(
    model=Architecture(name="mlp:32"),
    dataset=DATA,
    standardise="none",
    learner=Standard(recipe=RECIPE),
    models=6,
    attacks=(ATTACK, PMIA(proxies="instance")),
)
PLACEMENT = Placement(chunk=6, vmap=1)


@jax.jit
def imitator(warmup, index, answers, key):
    """Of half of the records."""
    x, y = jnp.asarray(DATA.x), jnp.asarray(DATA.y)
    return imitator_of(MODEL, RECIPE, warmup, x, y, Membership(index, jnp.ones(30)), answers, key)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imitations") / "run"
    return folder, run_membership(folder, AUDIT, placement=PLACEMENT).findings


def variables_of(plan):
    """What the models of the run learnt."""
    (chunk, models), *_ = plan.folder.chunks().items()
    return read_variables(plan, work_of(plan, ()), models, plan.folder.weights_of(chunk))


def test_a_run_is_attacked_by_imitators_and_by_neighbours(finished):
    imia, pmia = finished[1].attacks
    assert imia.name.startswith("imia?")
    assert imia.auc > 0.7  # random labels are remembered or guessed
    assert pmia.name == "pmia-instance"
    assert pmia.auc > 0.7


def test_of_each_two_imitators_the_answer_of_the_one_without_the_record_is_read(finished):
    plan = planned(finished[0], AUDIT)
    values = of_plan(plan).of(Imitation(imitators=IMITATORS, warmup=0.5))
    assert values.shape == (6, 60, 1, IMITATORS // 2 + 1)
    np.testing.assert_array_equal(values[..., -1], of_plan(plan).signal("phi"))
    x = jnp.asarray(DATA.x)
    answers = jax.nn.log_softmax(MODEL.apply(jax.tree.map(lambda leaf: leaf[2], variables_of(plan)), x))
    halves = Halves()(IMITATORS, 60, SEED)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(AUDIT.seed), 2), 6)

    for number in (0, 3):
        index = jnp.asarray(np.flatnonzero(halves[number]))
        learnt = imitator(20, index, answers, jax.random.fold_in(key, number))
        log_p = log_softmax(np.asarray(MODEL.apply(learnt, x), np.float64), axis=1)
        own = log_p[np.arange(60), DATA.y]
        without = ~halves[number]
        expected = (own - np.log1p(-np.exp(own)))[without]
        np.testing.assert_allclose(values[2, without, 0, number // 2], expected, rtol=2e-3, atol=2e-3)


def test_no_sweep_draws_its_members_as_imitators_draw_theirs():
    with pytest.raises(InputError, match="seed is"):
        check_seed(SEED)
    assert (Halves()(2, 60, SEED) != Halves()(2, 60, 0)).any()


def test_an_imitator_that_never_imitates_is_a_model_of_its_half_and_one_that_does_answers_as_its_model(finished):
    plan = planned(finished[0], AUDIT)
    half, key = np.flatnonzero(plan.member[2]), jax.random.fold_in(jax.random.key(AUDIT.seed), 2)
    answers = jnp.log(jnp.full((60, 3), 1 / 3))  # of a model that knows nothing
    labels, answered = (imitator(passes, jnp.asarray(half), answers, key) for passes in (40, 0))
    for mine, other in zip(jax.tree.leaves(labels), jax.tree.leaves(variables_of(plan)), strict=True):
        np.testing.assert_allclose(mine, other[2], rtol=1e-3, atol=1e-4)
    x = jnp.asarray(DATA.x)[half]
    surest = [float(jax.nn.softmax(MODEL.apply(learnt, x)).max(axis=1).mean()) for learnt in (labels, answered)]
    assert surest[0] > 0.9 > surest[1]


def test_a_neighbours_answer_and_whether_the_model_holds_it_stand_in_a_records_place(finished):
    observations = run_observations(finished[0], AUDIT)
    values, nearest = observations.of(NearestPhi()), nearest_records(DATA.x, DATA.y)
    np.testing.assert_array_equal(values[..., 0], observations.signal("phi")[:, nearest])
    np.testing.assert_array_equal(values[:, :, 0, 1], observations.member[:, nearest])


def test_records_set_aside_stand_for_no_other(finished):
    plan = planned(finished[0], AUDIT)
    apart = plan._replace(sweep=replace(plan.sweep, reserve=20), member=plan.member & (np.arange(60) < 40))
    phi = of_plan(plan).signal("phi")
    values, nearest = proxy_answers(apart, NearestPhi(), phi), nearest_records(DATA.x[:40], DATA.y[:40])
    np.testing.assert_array_equal(values[:, :40, :, 0], phi[:, nearest])
    np.testing.assert_array_equal(values[:, :40, 0, 1], apart.member[:, nearest])
    assert (values[:, 40:, :, 1] == 0).all()
