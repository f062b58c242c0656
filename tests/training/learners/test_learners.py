"""Every learner by name: it learns, its key decides, and neither chunks nor going one by one change what it learns."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import jax
import numpy as np
import pytest

from jaxattack.data import Halves, load
from jaxattack.models import build
from jaxattack.training import Placement, Recipe, train_ensemble, train_one
from jaxattack.training.learners import (
    DPSGD,
    LEARNERS,
    PATE,
    SELENA,
    AdversarialRegularisation,
    AdversarialTraining,
    DeepEnsemble,
    Federated,
    FixMatch,
    Standard,
    as_learner,
    identity,
)
from jaxattack.types import Learner, reserve_size

DATA = load("digits").take(np.arange(0, 1797, 9))
MEMBER = Halves()(4, len(DATA), 0)
MODEL = build("mlp:16", DATA.shape, DATA.classes)
RECIPE = Recipe(epochs=20, batch=20, learning_rate=0.01)
# What is as much the learner with less work.
QUICK = LEARNERS | {
    "selena": SELENA(models=4, out=2),
    "adversarial": AdversarialRegularisation(attack_steps=1, attack_batch=16, units=32),
    "adversarial-training": AdversarialTraining(attack_steps=2),
    "pate": PATE(teachers=2, noise=0.5),
    "deep-ensemble": DeepEnsemble(networks=2),
    "fixmatch": FixMatch(ratio=1),
    "federated": Federated(parties=2),
}
EVERY = [dataclasses.replace(learner, recipe=RECIPE) for learner in QUICK.values()]  # pyright: ignore
# One learner after the other, so that its programs are still there.
named = pytest.mark.parametrize("learner", EVERY, ids=list(LEARNERS), scope="module")


def sweep(learner, seed=0, chunk=4):
    reserve = reserve_size(learner, len(DATA))
    return train_ensemble(
        MODEL, learner, DATA, members(learner), seed=seed, reserve=reserve, placement=Placement(chunk=chunk, vmap=1)
    )


def members(learner):
    """All but those that are set aside."""
    return MEMBER & (np.arange(len(DATA)) < len(DATA) - reserve_size(learner, len(DATA)))


@pytest.fixture(scope="module")
def once():
    return cache(sweep)


@named
def test_it_learns(once, learner):
    assert isinstance(learner, Learner)
    right = once(learner)[1].signal("correct")[:, :, 0]
    inside = members(learner)
    assert right[inside].mean() > 0.5
    assert right[~inside].mean() > 0.4  # chance is a tenth


@named
def test_its_key_decides(once, learner):
    phi = once(learner)[1].signal("phi")
    np.testing.assert_array_equal(sweep(learner)[1].signal("phi"), phi)
    assert not np.allclose(sweep(learner, seed=1)[1].signal("phi"), phi, atol=0.1)


@named
def test_chunks_do_not_change_what_it_learns(once, learner):
    np.testing.assert_allclose(
        sweep(learner, chunk=2)[1].signal("phi"), once(learner)[1].signal("phi"), rtol=1e-3, atol=1e-3
    )


# One training is `Standard`'s, a pass a call, or any other's in one: learners without a way of their own are left out.
ALONE = {"standard", "relaxloss", "hamp", "dp-sgd", "distillation"}


@pytest.mark.parametrize("learner", [learner for name, learner in zip(LEARNERS, EVERY, strict=True) if name in ALONE])
def test_one_victim_is_the_first_model_of_a_sweep(once, learner):
    told = []
    variables = train_one(MODEL, learner, DATA, MEMBER[0], progress=lambda *now: told.append(now))
    assert told[-1] == ("epochs", 20, 20)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b[0], rtol=1e-3, atol=1e-3), variables, once(learner)[0].variables
    )


@named
def test_its_cost_and_its_identity_are_plain(learner):
    assert learner.steps(90) >= RECIPE.steps(90)
    plain = identity(learner, 90)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain == {}) == (learner == Standard(recipe=RECIPE))


def test_a_recipe_alone_is_the_standard_learner():
    assert as_learner(RECIPE) == Standard(recipe=RECIPE)
    assert as_learner(EVERY[1]) is EVERY[1]


def test_an_identity_tells_settings_apart():
    one, other = (identity(Standard(gradient=DPSGD(noise=noise)), 90) for noise in (0.5, 0.6))
    assert one != other
    assert one["learner"]["gradient"] == {"name": "DPSGD", "clip": 1.0, "noise": 0.5, "microbatch": 16}
    assert set(one["learner"]) == {"name", "loss", "gradient", "sampling_rate", "overflow_probability"}
