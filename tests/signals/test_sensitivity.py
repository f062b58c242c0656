from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.signals import Sensitivity, lookup
from jaxattack.training.view import View
from jaxattack.types import InputError, Variables

RNG = np.random.default_rng(3)
X = jnp.asarray(RNG.standard_normal((6, 5)), jnp.float32)
Y = jnp.zeros(6, jnp.int32)
KEYS = jax.random.split(jax.random.key(0), 6)


def test_small_moves_have_the_mean_size_that_the_gradient_says():
    model = build("softmax", (5,), 3)
    variables = Variables(*jax.tree.map(lambda leaf: 2 * leaf, model.init(jax.random.key(1))))
    signal = Sensitivity(copies=4000, size=0.01)
    values = np.asarray(jax.jit(lambda x: signal(View(model, variables), x, Y, KEYS))(X))
    p = jax.nn.softmax(model.apply(variables, X))
    np.testing.assert_allclose(values[:, :3], p, rtol=1e-6)
    rows = jax.vmap(jax.jacrev(lambda one: jax.nn.softmax(model.apply(variables, one[None])[0])))(X)
    expected = np.sqrt(2 / np.pi) * np.linalg.norm(np.asarray(rows), axis=2)
    # The deviation of |N(0, 1)| is .60 beside its mean of .80: four standard errors.
    np.testing.assert_allclose(values[:, 3:], expected, rtol=4 * 0.756 / np.sqrt(4000), atol=1e-3)


def test_its_name_says_its_settings_and_its_price():
    signal = Sensitivity(copies=3, size=0.05)
    assert lookup(signal.name) == signal
    assert signal.queries == 4
    with pytest.raises(InputError, match="size is 0.0"):
        Sensitivity(size=0.0)
