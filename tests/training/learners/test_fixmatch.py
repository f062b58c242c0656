"""FixMatch: which labels are learnt, its loss beside the plain formula, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from jaxattack.data import Halves, load, random_labels
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import build
from jaxattack.training import Placement, Recipe, single, train_ensemble
from jaxattack.training.learners import FixMatch
from jaxattack.training.learners.fixmatch import consistency, labelled_records
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(6)
X = jnp.asarray(RNG.integers(0, 256, (24, 4, 4, 1)), jnp.uint8)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
MODEL, KEY = build("mlp:6", (4, 4, 1), 3), jax.random.key(7)
MEMBER = Membership(jnp.arange(1, 23, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))
LEARNER = FixMatch(recipe=Recipe(epochs=2, batch=8, learning_rate=0.05), threshold=0.3, ratio=2)
LABELLED = labelled_records(24, 0.5)


@partial(jax.jit, static_argnums=0)
def run(learner, x, y):
    return learner(MODEL, x, y, MEMBER, KEY)


learn = partial(run, LEARNER)


def moved(one, other) -> bool:
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True))


def test_labels_are_learnt_of_labelled_members_and_of_nobody_else():
    before = learn(X, Y)
    inside = np.isin(np.arange(24), np.asarray(MEMBER.index)[:9])
    for learnt in (inside & LABELLED, inside & ~LABELLED, ~inside & LABELLED):
        after = learn(X, jnp.where(jnp.asarray(learnt), (Y + 1) % 3, Y))
        assert moved(before, after) == bool((learnt & inside & LABELLED).any())


def test_pictures_are_learnt_of_all_members_and_of_nobody_else():
    inside = np.isin(np.arange(24), np.asarray(MEMBER.index)[:9])
    for learnt in (inside & ~LABELLED, ~inside):
        after = learn(jnp.where(jnp.asarray(learnt)[:, None, None, None], 255 - X, X), Y)
        assert moved(learn(X, Y), after) == bool((learnt & inside).any())


def test_the_unlabelled_loss_is_the_papers():
    weak, strong = (RNG.normal(0, 2, (50, 4)).astype(np.float32) for _ in range(2))
    expected = [
        -log_softmax(s.astype(float))[w.argmax()] if softmax(w.astype(float)).max() > 0.6 else 0.0
        for w, s in zip(weak, strong, strict=True)
    ]
    assert 0 < np.count_nonzero(expected) < 50
    np.testing.assert_allclose(consistency(jnp.asarray(weak), jnp.asarray(strong), 0.6), expected, rtol=1e-5)
    slope = jax.grad(lambda w: consistency(w, jnp.asarray(strong), 0.6).sum())(jnp.asarray(weak))
    assert (slope == 0).all()


def test_a_steps_loss_has_both_parts():
    places = LEARNER.places(X, Y, MEMBER)
    variables, slot = MODEL.init(KEY), jnp.arange(8, dtype=jnp.int32)

    @jax.jit
    def losses():
        variants = ({"strength": 0.0}, {"threshold": 1.0}, {}, {"strength": 3.0})
        learners = [replace(LEARNER, **changes) for changes in variants]
        return [
            one.objective(MODEL, places, variables, slot, slot, jnp.ones(8), KEY, jnp.int32(0))[0] for one in learners
        ]

    supervised, unsure, both, more = map(float, losses())
    assert unsure == pytest.approx(supervised)
    assert more - supervised == pytest.approx(3 * (both - supervised), rel=1e-4)
    assert both > supervised > 0


def test_labelled_members_come_first_and_padded_places_are_none_of_them():
    places = LEARNER.places(X, Y, MEMBER)
    index = np.asarray(MEMBER.index)
    own = [slot for slot in range(9) if LABELLED[index[slot]]]
    assert int(places.count) == len(own)
    assert np.asarray(places.labelled)[: len(own)].tolist() == own


def test_the_deployed_model_is_an_average_of_a_length_of_its_own_unless_the_recipe_has_one(monkeypatch):
    lengths = []
    monkeypatch.setattr(single, "train", lambda model, recipe, *_: lengths.append(recipe.ema))
    for own, of_recipe in ((0.999, 0.0), (0.5, 0.9), (0.0, 0.0)):
        replace(LEARNER, ema=own, recipe=replace(LEARNER.recipe, ema=of_recipe))(MODEL, X, Y, MEMBER, KEY)
    assert lengths == [0.999, 0.9, 0.0]


def test_a_share_of_the_records_is_labelled():
    assert labelled_records(4000, 0.25).mean() == pytest.approx(0.25, abs=0.03)
    assert labelled_records(10, 1.0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixMatch(labelled=0.0), "labelled is 0.0: give the share of the records whose labels are learnt"),
        (lambda: FixMatch(threshold=1.5), "threshold is 1.5"),
        (lambda: FixMatch(strength=-1.0), "strength is -1.0"),
        (lambda: FixMatch(ratio=0), "ratio is 0"),
        (lambda: FixMatch(ema=1.0), "ema is 1.0"),
        (lambda: FixMatch(recipe=Recipe(crop=1)).check(MODEL), "crop is 1 and FixMatch makes weak and strong views"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_tables_are_refused_before_anything_is_trained():
    table = random_labels(records=12, features=5, classes=3)
    train = partial(train_ensemble, build("mlp:6", (5,), 3), FixMatch(), table)
    with pytest.raises(
        InputError, match=r"FixMatch needs weak and strong views of pictures, and a record has the shape \(5,\)"
    ):
        train(np.arange(12)[None] < 6)


def test_answers_to_views_tell_members_of_a_model_that_was_taught_to_answer_them_alike():
    digits = load("digits").take(np.arange(40))
    member = Halves()(4, 40, 0)
    learner = FixMatch(recipe=Recipe(epochs=100, batch=20, learning_rate=0.005), labelled=0.8, ratio=1)
    model, placement = build("mlp:64", digits.shape, digits.classes), Placement(chunk=4, vmap=1)
    observed = train_ensemble(model, learner, digits, member, signals=("view_divergence_3",), placement=placement)[1]
    alike = -observed.signal("view_divergence_3")[:, :, 0, 9:18].astype(np.float64).mean(axis=2)  # weak against weak
    alike -= alike.mean(axis=0)  # some pictures are alike to every model
    assert auc(roc_curve(alike.ravel(), member.ravel())) > 0.5 + 4 * np.sqrt(161 / (12 * 80 * 80))
    elsewhere = alike[[2, 3, 0, 1]]  # of other pairs, whose members are drawn anew
    assert auc(roc_curve(elsewhere.ravel(), member.ravel())) == pytest.approx(
        0.5, abs=4 * np.sqrt(161 / (12 * 80 * 80))
    )
