"""A property of a training set, read off the weights of many models."""

from __future__ import annotations

from itertools import pairwise

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import jaxattack as ja
from jaxattack import Dataset, InputError, Recipe, Variables
from jaxattack.attacks.reconstruction.property import PropertyReader, canonical, draw_members


def test_the_share_of_a_group_shows_in_the_weights():
    x, y = load_digits(return_X_y=True)
    small = y < 5
    data = Dataset(x=(x / 16).astype(np.float32), y=y % 2, classes=2, name="odd")
    has = np.arange(160) % 2 == 0
    share = np.where(has, 0.9, 0.1)
    member = draw_members(small, share, 200)
    model = ja.models.build("mlp:8", (64,), 2)
    ensemble, _ = ja.train_ensemble(model, Recipe(epochs=20, batch=25), data, member)
    shadows, victims = (
        jax.tree.map(lambda leaf, some=some: np.asarray(leaf)[some], ensemble.variables)
        for some in (slice(0, 110), slice(110, 160))
    )
    value = PropertyReader.fit(shadows, share[:110], components=20)(victims)[0]
    assert value.shape == (50,)
    assert ((value >= 0) & (value <= 1)).all()
    assert roc_auc_score(has[110:], value) > 0.85
    null = PropertyReader.fit(shadows, np.random.default_rng(0).permutation(share[:110]))(victims)[0]
    assert 0.2 < roc_auc_score(has[110:], null) < 0.8
    with pytest.raises(InputError, match="give models alike"):
        PropertyReader.fit(shadows, share[:110])(_networks("mlp:5"))


def _networks(architecture, models=3):
    model = ja.models.build(architecture, (64,), 2)
    return jax.vmap(model.init)(jax.random.split(jax.random.key(0), models))


def test_units_that_trade_places_change_nothing():
    variables = _networks("mlp:6-4-3")
    layers = [{name: np.array(value) for name, value in layer.items()} for layer in _list(variables)]
    for below, above in pairwise(layers):
        trade = np.random.default_rng(0).permutation(below["bias"].shape[1])
        below["kernel"], below["bias"] = below["kernel"][:, :, trade], below["bias"][:, trade]
        above["kernel"] = above["kernel"][:, trade]
    traded = Variables({"layers": dict(enumerate(layers))}, variables.rest)
    np.testing.assert_array_equal(canonical(traded), canonical(variables))
    assert canonical(variables).shape == (3, sum(leaf[0].size for leaf in jax.tree.leaves(variables.params)))


def _list(variables):
    return [variables.params["layers"][number] for number in range(len(variables.params["layers"]))]


def test_a_softmax_has_nothing_to_order():
    variables = _networks("softmax")
    layer = _list(variables)[0]
    expected = np.concatenate([np.asarray(layer["kernel"]).reshape(3, -1), np.asarray(layer["bias"])], axis=1)
    np.testing.assert_array_equal(canonical(variables), expected)


def test_sets_have_the_share_that_was_asked_for():
    has = np.arange(50) < 20
    member = draw_members(has, [0.0, 0.25, 1.0], 20)
    np.testing.assert_array_equal(member.sum(axis=1), 20)
    np.testing.assert_array_equal((member & has).sum(axis=1), [0, 5, 20])
    np.testing.assert_array_equal(member, draw_members(has, [0.0, 0.25, 1.0], 20))
    with pytest.raises(InputError, match="a share is 1.5"):
        draw_members(has, [1.5], 20)
    with pytest.raises(InputError, match="there are 20 and 30"):
        draw_members(has, [1.0], 21)


def test_what_does_not_fit_is_refused():
    variables = _networks("mlp:5")
    with pytest.raises(InputError, match="for 3 models"):
        PropertyReader.fit(variables, np.array([0.1, 0.9]))
    with pytest.raises(InputError, match="not all alike"):
        PropertyReader.fit(variables, np.ones(3))
    with pytest.raises(InputError, match="components is 0"):
        PropertyReader.fit(variables, np.array([0.1, 0.9, 0.2]), components=0)
    with pytest.raises(InputError, match="no perceptrons"):
        canonical(Variables({"kernel": np.zeros((3, 4, 2))}, {}))
    with pytest.raises(InputError, match="diverged"):
        canonical(jax.tree.map(lambda leaf: leaf * np.nan, variables))
