"""Federated averaging before an adversary that keeps rounds: who holds what, what ascent does, and what an attack reads of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.attacks.membership.nasr_federated import by_fall
from jaxattack.data import Halves, random_labels
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import build
from jaxattack.models.rounds import at_moment, of_rounds
from jaxattack.signals import LayerGradientNorms, RoundFeatures, lookup
from jaxattack.training import Placement, Recipe, train_ensemble
from jaxattack.training.learners import Federated
from jaxattack.training.learners.federated import Targets, ascend, deal_members
from jaxattack.training.view import View
from jaxattack.types import InputError, Membership, Model, Variables, deployed_model

RNG = np.random.default_rng(8)
X = jnp.asarray(RNG.standard_normal((24, 6)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
MODEL, KEY = build("mlp:5", (6,), 3), jax.random.key(7)
MEMBER = Membership(jnp.arange(1, 23, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))
LEARNER = Federated(recipe=Recipe(epochs=4, batch=3, learning_rate=0.05), parties=2, rounds=2)


@partial(jax.jit, static_argnums=0)
def run(learner, x, y):
    return learner(MODEL, x, y, MEMBER, KEY)


def moved(one, other) -> bool:
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True))


def test_members_are_dealt_out_whole_and_evenly_and_padded_places_are_nobodys():
    part = deal_members(X, Y, MEMBER, 4, KEY)
    hands = [np.asarray(own)[:count].tolist() for own, count in zip(part.index, part.count, strict=True)]
    assert sorted(len(hand) for hand in hands) == [2, 2, 2, 3]
    assert sorted(record for hand in hands for record in hand) == np.asarray(MEMBER.index)[:9].tolist()


@pytest.mark.parametrize("ascent", [0.0, 1.0])
def test_records_that_nobody_holds_are_learnt_of_by_nobody_until_the_adversary_asks_about_them(ascent):
    learner = replace(LEARNER, ascent=ascent)
    others = ~np.isin(np.arange(24), np.asarray(MEMBER.index)[:9])
    before, after = run(learner, X, Y), run(learner, X, jnp.where(jnp.asarray(others), (Y + 1) % 3, Y))
    assert moved(before, after) == bool(ascent)
    # What came back in a round is what is sent in the next, moved where the adversary moves it.
    came, sent = (at_moment(before, moment).params for moment in (1, 2))
    assert moved(came, sent) == bool(ascent)


def test_what_is_deployed_answers_as_the_last_average():
    variables = run(LEARNER, X, Y)
    model = deployed_model(LEARNER, MODEL, 3)
    assert model is of_rounds(MODEL, 2)
    last = Variables(*jax.tree.map(lambda leaf: leaf[-1], (variables.params, variables.rest.rest)))
    np.testing.assert_allclose(model.apply(variables, X), MODEL.apply(last, X), rtol=1e-6)
    blank = jax.eval_shape(model.init, KEY)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), blank) == jax.tree.map(lambda a: (a.shape, a.dtype), variables)


def linear() -> Model:
    def apply(variables, x):
        return x @ variables.params["w"]

    return Model(
        lambda key: Variables({"w": jnp.zeros((6, 3))}, {}),
        apply,
        lambda variables, x, key: (apply(variables, x), variables.rest),
    )


def test_ascent_is_a_step_along_the_gradient_and_the_honest_take_it_back_for_members_alone():
    """Two records without a feature in common: a linear model that learns one leaves the other where it was."""
    x = jnp.eye(6)[:2]
    y = jnp.asarray([0, 1], jnp.int32)
    model, start = linear(), linear().init(KEY)

    def loss(variables):
        return np.asarray(optax.softmax_cross_entropy_with_integer_labels(model.apply(variables, x), y))

    targets = Targets(x, y, jnp.zeros(2, jnp.int32))
    sent = ascend(model, start, targets, jnp.ones(2, bool), 0.5)
    gradient = (np.full((2, 3), 1 / 3) - np.eye(3)[:2]) / 2  # of the mean of two losses
    np.testing.assert_allclose(sent.params["w"][:2], 0.5 * gradient, rtol=1e-5)
    only = ascend(model, start, targets, jnp.asarray([False, True]), 0.5)
    assert loss(only)[0] == loss(start)[0] < loss(only)[1]
    learner = Federated(
        recipe=Recipe(epochs=1, batch=1, optimizer="sgd", learning_rate=0.3), parties=1, rounds=1, ascent=0.5
    )
    kept = learner(model, x, y, Membership(jnp.asarray([0], jnp.int32), jnp.ones(1)), KEY)
    before, after = (
        loss(Variables(jax.tree.map(lambda leaf, m=moment: leaf[m], kept.params), {})) for moment in (0, 1)
    )
    np.testing.assert_allclose(before, loss(sent), rtol=1e-6)
    z = np.asarray(sent.params["w"][0], np.float64)
    p = np.exp(z) / np.exp(z).sum()
    step = z - 0.3 * (p - np.eye(3)[0])
    assert after[0] == pytest.approx(np.log(np.exp(step).sum()) - step[0], rel=1e-5)
    assert after[1] == before[1]


def test_features_are_the_loss_and_the_norms_at_every_moment():
    variables = run(LEARNER, X, Y)
    model = deployed_model(LEARNER, MODEL, 3)
    values = jax.jit(lambda v: RoundFeatures(rounds=2)(View(model, v), X, Y, None))(variables)
    values = np.asarray(values).reshape(24, 4, 3)
    for moment in range(4):
        part = jax.tree.map(lambda leaf, m=moment: leaf[m], (variables.params, variables.rest.rest))
        own = Variables(*part)
        loss = optax.softmax_cross_entropy_with_integer_labels(MODEL.apply(own, X), Y)
        np.testing.assert_allclose(values[:, moment, 0], loss, rtol=1e-5)
        np.testing.assert_allclose(
            values[:, moment, 1:], LayerGradientNorms()(View(MODEL, own), X, Y, None), rtol=1e-4, atol=1e-6
        )
    assert lookup("round_features_2") == RoundFeatures(rounds=2)
    with pytest.raises(InputError, match="round_features_5 reads 5 rounds and the federation keeps 2"):
        RoundFeatures()(View(model, variables), X, Y, None)
    with pytest.raises(InputError, match="reads the parameters of several rounds and the models keep their last alone"):
        RoundFeatures()(View(MODEL, MODEL.init(KEY)), X, Y, None)


def test_the_round_in_which_a_record_fell_most_comes_first():
    values = RNG.normal(size=(2, 5, 3, 2, 4))
    ordered = by_fall(values)
    fall = ordered[..., 0, 0] - ordered[..., 1, 0]
    assert (np.diff(fall, axis=2) <= 0).all()
    np.testing.assert_array_equal(np.sort(ordered, axis=2), np.sort(values, axis=2))
    place = int(np.argmax(values[1, 2, :, 0, 0] - values[1, 2, :, 1, 0]))
    np.testing.assert_array_equal(ordered[1, 2, 0], values[1, 2, place])


def test_an_overfitted_federation_tells_its_members_and_records_that_nobody_held_nothing():
    data, member = random_labels(records=40, features=8, classes=4), Halves()(4, 40, 0)
    learner = Federated(recipe=Recipe(epochs=60, batch=10, learning_rate=0.02), parties=2, rounds=2, ascent=0.5)
    model, placement = build("mlp:32", (8,), 4), Placement(chunk=4, vmap=1)
    observed = train_ensemble(model, learner, data, member, signals=("round_features_2",), placement=placement)[1]
    values = observed.signal("round_features_2")[:, :, 0].reshape(4, 40, 2, 2, -1)
    score, error = -values[:, :, -1, 1, 0].astype(np.float64), np.sqrt(161 / (12 * 80 * 80))
    assert auc(roc_curve(score.ravel(), member.ravel())) > 0.5 + 4 * error
    elsewhere = score[[2, 3, 0, 1]]  # of other pairs, whose members are drawn anew
    assert auc(roc_curve(elsewhere.ravel(), member.ravel())) == pytest.approx(0.5, abs=4 * error)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Federated(ascent=-1.0), "ascent is -1.0"),
        (lambda: Federated(groups=2), "groups is 2 and ascent 0"),
        (lambda: Federated(groups=9, ascent=1.0), "groups is 9 and rounds 5"),
        (lambda: Federated(parties=0), "parties is 0"),
        (lambda: Federated(parties=4).notes(3), "parties is 4 and a model has 3 members"),
        (lambda: Federated(recipe=Recipe(epochs=2)).check(MODEL), "epochs is 2 and the last 5 rounds are kept"),
        (lambda: Federated(recipe=Recipe(ema=0.9)).check(MODEL), "ema is 0.9 and Federated takes plain local steps"),
        (lambda: Federated(recipe=Recipe(optimizer="adamw")).check(MODEL), "optimizer is 'adamw' and Federated"),
        (
            lambda: Federated(recipe=Recipe(momentum=0.5)).check(MODEL),
            "momentum is 0.5 and Federated takes steps without",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
