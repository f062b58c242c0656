"""SELENA: no soft answer about a record comes from a sub-model that was trained on it."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.training.learners import SELENA, Standard
from jaxattack.training.learners.answers import confidences
from jaxattack.training.learners.selena import without
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(6)
X = jnp.asarray(RNG.standard_normal((24, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6", (5,), 3)
MEMBER = Membership(jnp.arange(1, 22, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))
LEARNER = SELENA(recipe=Recipe(epochs=3, batch=4, learning_rate=0.05), models=5, out=2)
ask = jax.jit(lambda y: LEARNER.soft_answers(MODEL, X, y, MEMBER, KEY))


@pytest.fixture(scope="module")
def asked():
    return ask(Y)


def test_every_record_is_missed_by_as_many_sub_models_whichever():
    missing = np.asarray(SELENA(models=25, out=10).missing(KEY, 400))
    np.testing.assert_array_equal(missing.sum(axis=0), 10)
    assert np.abs(missing.mean(axis=1) - 0.4).max() < 5 * np.sqrt(0.24 / 400)
    pairs = (missing[0] & missing[1]).mean()  # without replacement: 10 / 25 times 9 / 24
    assert pairs == pytest.approx(0.15, abs=5 * np.sqrt(0.15 * 0.85 / 400))


@pytest.mark.parametrize("slot", [0, 4, 8])
def test_the_label_of_a_record_decides_nothing_of_its_own_soft_answer(asked, slot):
    record = int(MEMBER.index[slot])
    _, answers = asked
    _, others = ask(Y.at[record].set((Y[record] + 1) % 3))
    np.testing.assert_array_equal(others[slot], answers[slot])
    differing = np.abs(np.asarray(others - answers)).max(axis=1) > 1e-6
    assert differing[:9].sum() >= 4  # what others are told changes, where a sub-model that had it is asked


def test_a_soft_answer_is_the_mean_of_the_sub_models_that_miss_the_record(asked):
    missing, answers = asked
    _, train_key = jax.random.split(KEY)
    learn = jax.jit(lambda part, key: Standard(recipe=LEARNER.recipe)(MODEL, X, Y, part, key))
    p = []
    for number in range(5):
        members = [slot for slot in range(9) if not missing[number, slot]]
        part = without(MEMBER, missing[number], LEARNER.room(11))
        assert sorted({*np.asarray(part.index).tolist()}) == sorted(int(MEMBER.index[slot]) for slot in members)
        assert part.weight.sum() == len(members)
        p.append(confidences(MODEL, learn(part, jax.random.fold_in(train_key, number)), X[MEMBER.index]))
    for slot in range(9):
        expected = np.mean([p[number][slot] for number in range(5) if missing[number, slot]], axis=0)
        np.testing.assert_allclose(answers[slot], expected, rtol=1e-4, atol=1e-6)


def test_members_beyond_the_room_are_left_out():
    part = without(MEMBER, jnp.zeros(11, bool), 4)
    np.testing.assert_array_equal(part.index, [1, 3, 5, 7])
    np.testing.assert_array_equal(part.weight, 1)


def test_its_cost_is_that_of_every_sub_model_and_the_student():
    learner = replace(LEARNER, recipe=Recipe(epochs=2, batch=10))
    assert learner.steps(100) == 5 * 2 * (learner.room(100) // 10) + 2 * 10
    assert 60 < learner.room(100) < 100


def test_sub_models_that_all_miss_a_record_are_refused():
    with pytest.raises(InputError, match="out is 5 of 5 models"):
        SELENA(models=5, out=5)
