"""The distance to the boundary, found by labels: on models whose boundary is known, and behind defences."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from jaxattack.defences import LabelOnly, Noise, Round
from jaxattack.models import build
from jaxattack.signals import BoundaryDistance, lookup
from jaxattack.training import Queries
from jaxattack.training.single import Membership, keys_of, observe
from jaxattack.training.view import View
from jaxattack.types import InputError, Model, Signal, Variables, sees

SIGNAL = BoundaryDistance(queries=100)
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((50, 8)), jnp.float32)
WEIGHT = jnp.asarray(RNG.standard_normal(8), jnp.float32)
MARGIN = np.asarray(X @ WEIGHT)
Y = jnp.asarray(MARGIN > 0, jnp.int32)


def linear(seen=lambda x: None):
    """Two classes, the second where WEIGHT . x > 0."""

    def apply(variables, x):
        seen(x)
        margin = x.reshape(len(x), -1) @ variables.params
        return jnp.stack([jnp.zeros_like(margin), margin], axis=1)

    return View(Model(lambda key: None, apply, lambda *given: None), Variables(WEIGHT, {}))


def read(signal=SIGNAL, view=None, x=X, y=Y):
    keys = keys_of(jax.random.key(0), jnp.arange(len(x)))
    return np.asarray(jax.jit(lambda x, y: signal(view or linear(), x, y, keys))(x, y))


def test_its_name_says_everything_and_labels_are_enough():
    assert isinstance(SIGNAL, Signal)
    assert lookup(SIGNAL.name) == SIGNAL == BoundaryDistance(queries=100)
    assert sees(SIGNAL, "label")
    with pytest.raises(InputError, match="queries is 30: HopSkipJump needs at least 36 on records of 8 features"):
        read(BoundaryDistance(queries=30))
    with pytest.raises(InputError, match="queries is 0"):
        BoundaryDistance(queries=0)


def test_a_linear_models_distance_is_its_margin_over_the_norm():
    expected = np.abs(MARGIN) / np.linalg.norm(WEIGHT)
    excess = read(BoundaryDistance(queries=400)) / expected - 1
    assert (excess > -2e-3).all()
    assert np.median(excess) < 0.03
    assert spearmanr(read(), expected).statistic > 0.98
    assert (read(y=1 - Y) == 0).all()


def test_pictures_stay_within_their_range():
    seen = []
    pictures = jnp.tanh(X).reshape(-1, 2, 4, 1)
    keep = linear(lambda x: jax.debug.callback(lambda x: seen.append(np.abs(x).max()), x))
    read(view=keep, x=pictures)
    jax.effects_barrier()
    assert max(seen) <= 1


def test_a_record_is_asked_about_exactly_as_often_as_it_says():
    for queries in (60, 100):
        seen = []
        count = linear(lambda x: jax.debug.callback(lambda x: seen.append(len(x)), x))  # noqa: B023
        read(BoundaryDistance(queries=queries), view=count)
        jax.effects_barrier()
        assert seen == [len(X)] * queries


def test_a_record_does_not_depend_on_the_others():
    np.testing.assert_allclose(read(x=X[:7], y=Y[:7]), read()[:7], rtol=1e-3)


def test_a_model_of_one_label_has_finite_distances_and_is_no_nearer_for_any_record():
    flat = View(
        Model(lambda key: None, lambda variables, x: x @ jnp.zeros((8, 2)), lambda *given: None), Variables((), {})
    )
    far = read(view=flat, y=jnp.zeros_like(Y))
    assert np.isfinite(far).all()
    assert far.min() > read().max()


def test_defences_that_leave_labels_leave_it_as_it_is():
    model = build("softmax", (8,), 3)
    variables = model.init(jax.random.key(0))
    y, member = model.apply(variables, X).argmax(axis=1), Membership(jnp.arange(4), jnp.ones(4))

    def observed(*defences):
        ask = partial(observe, model, (SIGNAL,), Queries.counting(1), 16, defences=defences)
        return jax.jit(ask)(X, y, variables, key=jax.random.key(1), member=member)[SIGNAL.name]

    bare = observed()
    assert bare.shape == (50, 1)
    assert (bare > 0).all()
    np.testing.assert_allclose(observed(LabelOnly()), bare, rtol=1e-3)
    np.testing.assert_allclose(observed(Round(decimals=4)), bare, rtol=1e-3)
    noisy = observed(Noise(scale=0.2))  # labels that are drawn afresh still give a distance
    assert np.isfinite(noisy).all()
    assert (noisy != bare).any()
