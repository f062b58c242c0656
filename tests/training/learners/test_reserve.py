"""Learners whose defender has records beside the members: what they read of whom, and at what price."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.data import Halves, random_labels
from jaxattack.defences import MemGuard, Purifier
from jaxattack.models import build
from jaxattack.training import Recipe, train_ensemble, train_one
from jaxattack.training.learners import DMP, PATE, AdversarialRegularisation, Standard
from jaxattack.training.learners.adversarial import Judge, Records
from jaxattack.training.learners.answers import learn_answers
from jaxattack.training.learners.carried import Carried
from jaxattack.training.learners.pate import noisy_label
from jaxattack.training.learners.selena import without
from jaxattack.training.learners.standard import weighted_mean
from jaxattack.types import InputError, Membership, Reserving, Variables, gradient_steps, reserve_size

RNG = np.random.default_rng(6)
X = jnp.asarray(RNG.standard_normal((30, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 30), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6", (5,), 3)
MEMBER = Membership(jnp.arange(10, dtype=jnp.int32), jnp.ones(10), jnp.arange(20, 30, dtype=jnp.int32))
RECIPE = Recipe(epochs=3, batch=5, learning_rate=0.05)
ADVERSARIAL = AdversarialRegularisation(recipe=RECIPE, attack_steps=2, attack_batch=8, attack_rate=1e-3, units=32)


def test_a_student_reads_its_reserve_alone():
    student = jax.jit(lambda x: DMP(recipe=RECIPE).student(MODEL, MODEL.init(KEY), x, MEMBER.reserve, KEY))
    jax.tree.map(np.testing.assert_array_equal, student(X), student(X.at[:20].set(jnp.nan)))


def test_a_student_of_one_hot_answers_is_a_plain_model_of_those_labels():
    member = Membership(MEMBER.reserve, jnp.ones(10))
    answers = jax.nn.one_hot(Y[20:], 3)
    student = jax.jit(lambda: learn_answers(MODEL, RECIPE, X, MEMBER.reserve, jnp.ones(10), answers, KEY))()
    plain = jax.jit(Standard(recipe=RECIPE), static_argnums=0)(MODEL, X, Y, member, KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), student, plain)


def test_a_batch_costs_the_cross_entropy_and_what_the_network_tells_after_its_own_steps():
    judge, variables = Judge.of(3, 32), MODEL.init(KEY)
    network = jax.jit(judge.init)(KEY)
    moments = optax.adam(1e-3).init([part.params for part in network])
    carried = Variables(variables.params, Carried(variables.rest, (network, moments)))
    x, y, weight = X[:6], Y[:6], jnp.asarray([1.0] * 5 + [0.0])
    cost = jax.jit(partial(ADVERSARIAL.objective, MODEL, judge, Records(X, Y, MEMBER)))
    logits = MODEL.apply(variables, x)
    label = weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, y), weight)
    for epoch, strength in ((0, 0.0), (1, 3.0)):
        value, (_, (later, _)) = cost(carried, x, y, weight, KEY, epoch)
        gain = weighted_mean(judge(later, logits, y), weight) - 0.5
        assert float(value) == pytest.approx(float(label + strength * gain), rel=1e-5)
    told = [judge(one, MODEL.apply(variables, X), Y) for one in (network, later)]
    sides = [one[:10].mean() - one[20:].mean() for one in told]
    assert sides[1] > sides[0]  # two steps tell members from the reserve better than none


def test_the_narrowest_network_that_tells_members_answers_each_record_its_own():
    """One of 16 units had layers of one unit, and in 57 of 100 starts one answer for all records: it defended nothing, without a word."""
    judge = Judge.of(3, 16)
    logits = 3 * jax.random.normal(KEY, (40, 3))
    start = jax.vmap(lambda key: jnp.ptp(judge(judge.init(key), logits, jnp.arange(40) % 3)))
    assert float(start(jax.random.split(KEY, 50)).min()) > 1e-4


def test_a_vote_is_that_of_teachers_on_disjoint_parts():
    pate = PATE(recipe=RECIPE, teachers=3)
    votes = np.asarray(jax.jit(lambda: pate.votes(MODEL, X, Y, MEMBER, MEMBER.reserve, KEY))())
    part_key, train_key = jax.random.split(KEY)
    part = np.asarray(pate.parts(part_key, 10))
    assert sorted(np.bincount(part)) == [3, 3, 4]
    expected = np.zeros((10, 3))
    teach = jax.jit(lambda own, key: Standard(recipe=RECIPE)(MODEL, X, Y, own, key))
    for number in range(3):
        own = without(MEMBER, jnp.asarray(part != number), 4)
        assert {*np.asarray(own.index).tolist()} == {*np.flatnonzero(part == number).tolist()}
        answers = MODEL.apply(teach(own, jax.random.fold_in(train_key, number)), X[20:]).argmax(axis=1)
        expected[np.arange(10), answers] += 1
    np.testing.assert_array_equal(votes, expected)


def test_teachers_label_records_from_all_over_the_reserve():
    pate, reserve = PATE(queries=20), jnp.arange(100, 200)
    drawn = np.stack([pate.asked(key, reserve) for key in jax.random.split(KEY, 50)])
    assert all(len({*row}) == 20 for row in drawn)
    assert {*drawn.ravel()} == {*range(100, 200)}  # each is missed by all with a probability of 1e-5
    assert {*np.asarray(PATE(queries=200).asked(KEY, reserve)).tolist()} == {*range(100, 200)}


def test_a_noisy_vote_errs_as_often_as_the_difference_of_two_normal_numbers_says():
    votes = jnp.tile(jnp.asarray([[6.0, 4.0]]), (20000, 1))
    wrong = float(noisy_label(votes, 2.0, KEY).mean())
    expected = 0.5 * math.erfc(
        2 / (2 * 2.0)
    )  # the specification's q: half the complementary error function of gap / (2 s)
    assert wrong == pytest.approx(expected, abs=4 * math.sqrt(expected / 20000))


def test_epsilon_is_the_smallest_that_any_order_gives():
    orders = 1 + np.logspace(-4, 4, 100_001)
    smallest = (orders * 50 / 4.0**2 + math.log(1e5) / (orders - 1)).min()
    assert PATE(queries=50, noise=4.0).notes(90)["epsilon"] == pytest.approx(smallest, rel=1e-4)


def test_a_teacher_without_a_member_is_refused():
    with pytest.raises(InputError, match="teachers is 11 and a model has 10 members: give at most 10"):
        PATE(teachers=11).notes(10)
    assert PATE(teachers=10).notes(10)


@pytest.mark.parametrize(
    ("learner", "steps"),
    [
        (DMP(recipe=RECIPE), 3 * 4 + 3 * 2),
        (ADVERSARIAL, 3 * 4 * 3),
        (PATE(recipe=RECIPE, teachers=2, queries=10), 2 * 3 * 2 + 3 * 2),
    ],
    ids=["dmp", "adversarial", "pate"],
)
def test_its_cost_counts_what_it_trains(learner, steps):
    assert isinstance(learner, Reserving)
    assert gradient_steps(learner, 20, 10) == steps


def test_a_share_of_the_records_is_set_aside_for_those_that_want_it():
    assert reserve_size(DMP(reserve=0.3), 30) == 9
    assert reserve_size(DMP(reserve=0.001), 30) == 1
    assert reserve_size(Standard(), 30) == 0
    assert reserve_size(Standard(), 30, (MemGuard(), Purifier(reserve=0.1))) == 3
    assert reserve_size(DMP(reserve=0.3), 30, (MemGuard(reserve=0.2),)) == 9
    assert reserve_size(Standard(), 30, least=0.5) == 15


def test_a_reserve_is_of_the_last_records_and_nobodys():
    data, member = random_labels(records=12, features=5, classes=3), Halves()(4, 12, 0)
    with pytest.raises(InputError, match="reserve is 0 and DMP needs records set aside"):
        train_ensemble(MODEL, DMP(), data, member)
    with pytest.raises(InputError, match="reserve is 0 and MemGuard needs records set aside"):
        train_ensemble(MODEL, Standard(), data, member, defences=(MemGuard(reserve=0.2),))
    with pytest.raises(InputError, match="some of the last 3 records are members"):
        train_ensemble(MODEL, DMP(), data, member, reserve=3)
    with pytest.raises(InputError, match="DMP needs records set aside, which a sweep does"):
        train_one(MODEL, DMP(), data, member[0])


@pytest.mark.parametrize(
    ("kind", "field", "bad"),
    [
        (DMP, "reserve", 1.0),
        (DMP, "temperature", 0.0),
        (PATE, "noise", 0.0),
        (PATE, "teachers", 1),
        (PATE, "delta", 1.0),
        (AdversarialRegularisation, "strength", -1.0),
        (AdversarialRegularisation, "reserve", 0.0),
    ],
)
def test_a_value_out_of_range_is_refused(kind, field, bad):
    with pytest.raises(InputError, match=f"{field} is {bad}"):
        kind(**{field: bad})
