from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jaxattack.models import build
from jaxattack.perturb.augmentation import strong_view, weak_view
from jaxattack.signals import ViewDivergence, lookup
from jaxattack.signals.view_divergence import distance
from jaxattack.training.view import View
from jaxattack.types import InputError, Variables

RNG = np.random.default_rng(5)
X = jnp.asarray(RNG.uniform(-1, 1, (4, 6, 6, 1)), jnp.float32)
Y = jnp.zeros(4, jnp.int32)
KEYS = jax.random.split(jax.random.key(0), 4)
MODEL = build("softmax", (6, 6, 1), 3)
SIGNAL = ViewDivergence(views=3, flip=True)


def values(variables: Variables) -> np.ndarray:
    return np.asarray(jax.jit(lambda x: SIGNAL(View(MODEL, variables), x, Y, KEYS))(X))


def test_distances_are_scipys_of_the_views_of_each_record():
    variables = Variables(*jax.tree.map(lambda leaf: 3 * leaf, MODEL.init(jax.random.key(1))))
    result = values(variables)
    assert result.shape == (4, 27)
    kinds = [jax.jit(kind) for kind in (partial(weak_view, flip=True), strong_view)]  # of one picture
    for record in range(4):
        p = []
        for view, numbers in zip(kinds, ((1, 2, 3), (4, 5, 6)), strict=True):
            views = jnp.stack([view(jax.random.fold_in(KEYS[record], number), X[record]) for number in numbers])
            p.append(np.asarray(jax.nn.softmax(MODEL.apply(variables, views)), np.float64))
        weak, strong = p
        matrices = [cdist(*pair, "jensenshannon") for pair in ((weak, strong), (weak, weak), (strong, strong))]
        expected = np.concatenate([np.sort(one.ravel()) for one in matrices])
        np.testing.assert_allclose(result[record], expected, atol=1e-4)
        assert (result[record, 9:12] == 0).all()  # of the diagonals


def test_a_model_that_answers_all_views_alike_has_zeros_alone():
    blind = Variables(*jax.tree.map(jnp.zeros_like, MODEL.init(jax.random.key(1))))
    assert (values(blind) == 0).all()


def test_distances_of_alike_and_of_disjoint_answers_are_exact():
    p = np.array([0.5, 0.3, 0.2])
    near = np.float32(p) + np.float32([1e-5, -1e-5, 0])
    expected = cdist([np.float32(p).astype(float)], [near.astype(float)], "jensenshannon")[0, 0]
    np.testing.assert_allclose(distance(jnp.float32(p)[None], jnp.asarray(near)[None])[0], expected, rtol=1e-3)
    apart = jnp.asarray([[1.0, 0, 0], [0, 1.0, 0]])
    np.testing.assert_allclose(distance(apart[:1], apart[1:])[0], np.sqrt(np.log(2)), rtol=1e-6)
    assert float(distance(apart[:1], apart[:1])[0]) == 0.0


def test_its_name_says_its_settings_and_its_price():
    assert lookup(SIGNAL.name) == SIGNAL
    assert lookup("view_divergence_10") == ViewDivergence()
    assert ViewDivergence().queries == 20
    with pytest.raises(InputError, match="views is 0"):
        ViewDivergence(views=0)
    with pytest.raises(InputError, match=r"view_divergence_3_flip needs weak and strong views of pictures"):
        SIGNAL(View(MODEL, MODEL.init(KEYS[0])), X.reshape(4, 36), Y, KEYS)
