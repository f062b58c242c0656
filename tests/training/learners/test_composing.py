"""Learners that deploy several networks: how those answer together, and what each has learnt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import log_softmax
from scipy.special import softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from jaxattack.data import Halves, random_labels
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import build
from jaxattack.training import Recipe, train_ensemble, train_one
from jaxattack.training.learners import DeepEnsemble, Stacking, Standard
from jaxattack.training.learners.deep_ensemble import of_one
from jaxattack.training.learners.stacking import regress, thirds
from jaxattack.types import Composing, InputError, Membership, Variables, deployed_model

RNG = np.random.default_rng(8)
X = jnp.asarray(RNG.standard_normal((24, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6", (5,), 3)
MEMBER = Membership(jnp.arange(1, 22, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))
RECIPE = Recipe(epochs=3, batch=4, learning_rate=0.05)


def learnt(learner):
    return jax.jit(partial(learner, MODEL))(X, Y, MEMBER, KEY)


def test_an_ensemble_of_one_network_is_standard_training_bit_for_bit():
    one = DeepEnsemble(recipe=RECIPE, networks=1)
    jax.tree.map(np.testing.assert_array_equal, learnt(one), learnt(Standard(recipe=RECIPE)))
    assert deployed_model(one, MODEL, 3) is MODEL


@pytest.fixture(scope="module")
def three():
    learner = DeepEnsemble(recipe=RECIPE, networks=3)
    return learner, learnt(learner)


def test_an_ensemble_answers_the_mean_confidence_of_its_networks(three):
    learner, variables = three
    model = deployed_model(learner, MODEL, 3)
    assert model is deployed_model(learner, MODEL, 3)  # so that a compiled program is found again
    each = [
        Variables(*jax.tree.map(lambda leaf, n=n: leaf[n], (variables.params, variables.rest.rest))) for n in range(3)
    ]
    expected = np.mean([softmax(MODEL.apply(one, X), axis=1) for one in each], axis=0)
    np.testing.assert_allclose(np.exp(model.apply(variables, X)), expected, rtol=1e-5)
    assert np.abs(np.diff([np.asarray(MODEL.apply(one, X)) for one in each], axis=0)).max(axis=(1, 2)).min() > 0.01
    blank = jax.eval_shape(model.init, KEY)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), blank) == jax.tree.map(lambda a: (a.shape, a.dtype), variables)


def test_one_network_answers_under_the_label_of_all_whoever_asks_how_often(three):
    log_p = log_softmax(jnp.asarray(RNG.standard_normal((4, 50, 3)) * 2), axis=2)
    drawn, mean = jnp.asarray(RNG.integers(0, 1000, 50), jnp.uint32), jnp.log(jnp.exp(log_p).mean(axis=0))
    answer = np.asarray(of_one(log_p, mean, drawn))
    for query in range(50):
        own = np.asarray(log_p[int(drawn[query]) % 4, query])
        assert answer[query].argmax() == mean[query].argmax()
        np.testing.assert_array_equal(np.sort(answer[query]), np.sort(own))
        if own.argmax() == mean[query].argmax():
            np.testing.assert_array_equal(answer[query], own)
    learner, variables = three
    model = deployed_model(replace(learner, answer="one"), MODEL, 3)
    np.testing.assert_array_equal(model.apply(variables, X)[::-1], model.apply(variables, X[::-1]))


def test_a_networks_share_is_of_the_members_and_drawn_anew_for_each():
    learner = DeepEnsemble(share=1 / 3)
    parts = [learner.part(MEMBER, key) for key in jax.random.split(KEY, 40)]
    for part in parts:
        inside = np.asarray(part.index)[np.asarray(part.weight) > 0]
        assert len({*inside.tolist()}) == len(inside) == 3
        assert {*inside.tolist()} <= {*np.asarray(MEMBER.index)[:9].tolist()}
    counts = np.unique(np.concatenate([part.index[:3] for part in parts]), return_counts=True)[1]
    assert len(counts) == 9
    assert np.abs(counts / 40 - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 40)
    assert learner.steps(90) == 4 * learner.recipe.steps(30)


def test_averaging_networks_raises_the_area_as_its_closed_form_says():
    shift, of_record, of_network = 1.0, 1.0, 2.0
    record = RNG.normal(0, of_record, 40_000)[:, None]
    member = np.arange(40_000) < 20_000
    draws = shift * member[:, None] + record + RNG.normal(0, of_network, (40_000, 16))
    for networks in (1, 4, 16):
        expected = norm.cdf(shift / np.sqrt(2 * (of_record**2 + of_network**2 / networks)))
        area = auc(roc_curve(draws[:, :networks].mean(axis=1), member))
        assert area == pytest.approx(expected, abs=0.012)  # four standard errors


def test_thirds_are_disjoint_and_even_and_pads_take_no_members_place():
    part = np.asarray(thirds(KEY, MEMBER))
    assert np.bincount(part[:9]).tolist() == [3, 3, 3]
    assert np.bincount(part).max() <= 4
    again = np.asarray(thirds(jax.random.key(1), MEMBER))
    assert (part != again).any()


def test_the_second_level_is_scikit_learns_logistic_regression():
    c = softmax(RNG.standard_normal((120, 6)) * 3, axis=1).astype(np.float32)
    y = (c[:, :3] + 0.3 * RNG.standard_normal((120, 3))).argmax(axis=1)
    padded = np.concatenate([c, c[:5]]), np.concatenate([y, (y[:5] + 1) % 3])
    weights, bias = jax.jit(partial(regress, classes=3))(*padded, jnp.asarray([1.0] * 120 + [0.0] * 5))
    fitted = LogisticRegression(max_iter=5000, tol=1e-8).fit(c, y)
    np.testing.assert_allclose(
        softmax(np.asarray(c @ weights) + np.asarray(bias), axis=1), fitted.predict_proba(c), atol=2e-3
    )


@pytest.mark.parametrize("third", [0, 1, 2])
def test_a_level_of_a_stack_knows_its_own_third_alone(third):
    part = np.asarray(thirds(jax.random.split(KEY)[0], MEMBER))
    record = MEMBER.index[int(np.flatnonzero(part[:9] == third)[0])]
    learn = jax.jit(lambda y: Stacking(recipe=RECIPE)(MODEL, X, y, MEMBER, KEY).params)
    before, after = learn(Y), learn(Y.at[record].set((Y[record] + 1) % 3))
    leaves = zip(jax.tree.leaves(before.first), jax.tree.leaves(after.first), strict=True)
    moved = [np.abs(np.asarray(a - b)).reshape(2, -1).max(axis=1) > 0 for a, b in leaves]
    assert np.any(moved, axis=0).tolist() == [third == 0, third == 1]
    assert np.abs(after.weights - before.weights).max() > 1e-6


@pytest.mark.parametrize(
    "learner", [DeepEnsemble(recipe=RECIPE, networks=2), Stacking(recipe=RECIPE)], ids=["mean", "stack"]
)
def test_one_victim_of_several_networks_is_refused(learner):
    assert isinstance(learner, Composing)
    with pytest.raises(InputError, match="deploys several networks, which a sweep keeps"):
        train_one(MODEL, learner, random_labels(records=12, features=5, classes=3), np.arange(12) < 6)


def test_a_sweep_observes_what_all_networks_answer_together():
    data, member = random_labels(records=24, features=5, classes=3), Halves()(2, 24, 0)
    learner = DeepEnsemble(recipe=RECIPE, networks=2)
    ensemble, observed = train_ensemble(MODEL, learner, data, member)
    model = deployed_model(learner, MODEL, 3)
    z = jax.vmap(model.apply, in_axes=(0, None))(ensemble.variables, data.x)
    own = np.take_along_axis(np.exp(np.asarray(z)), data.y[None, :, None], axis=2)[..., 0]
    np.testing.assert_allclose(observed.signal("phi")[:, :, 0], np.log(own / (1 - own)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepEnsemble(networks=0), "networks is 0"),
        (lambda: DeepEnsemble(share=0.0), "share is 0.0: give the share of the members"),
        (lambda: Stacking().notes(2), "a model has 2 members and stacking shares them out among 3"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
