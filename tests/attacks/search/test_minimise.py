"""Convex fits against SciPy and closed forms."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.extraction.fitting import multinomial
from jaxattack.attacks.search.minimise import minimise


@partial(jax.jit, static_argnames="passes")
def quadratic(matrix, wanted, passes):
    def loss(x):
        return 0.5 * (x - wanted) @ matrix @ (x - wanted)

    return minimise(loss, jnp.zeros_like(wanted), passes)


@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_a_quadratic_is_minimised(condition):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    matrix = basis @ np.diag(np.geomspace(1, condition, 8)) @ basis.T
    wanted = rng.standard_normal(8)
    with jax.enable_x64(True):
        found = np.asarray(quadratic(matrix, wanted, 300))
    assert np.allclose(found, wanted, atol=1e-7)


def test_no_passes_give_the_start():
    with jax.enable_x64(True):
        assert (np.asarray(quadratic(np.eye(3), np.ones(3), 0)) == 0).all()


def test_one_feature_of_two_rows_has_a_closed_form():
    # Two rows with the same feature and targets p: the intercept is ln p_1 / p_0 and no weight is needed.
    with jax.enable_x64(True):
        target = np.array([[0.2, 0.8], [0.2, 0.8]])
        both = np.asarray(jax.jit(multinomial)(np.zeros((2, 1)), target, np.ones(2), 1e-6, 200, np.zeros((2, 2))))
    assert np.isclose(both[1, 1] - both[1, 0], np.log(4))
    assert np.allclose(both[0], 0)


def test_rows_without_weight_change_nothing():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((30, 2)), np.eye(3)[rng.integers(3, size=30)]
    weight = (np.arange(30) < 20).astype(float)
    fit = jax.jit(multinomial)
    with jax.enable_x64(True):
        some = fit(x, target, weight, 1e-2, 300, np.zeros((3, 3)))
        all_ = fit(x[:20], target[:20], np.ones(20), 1e-2, 300, np.zeros((3, 3)))
        elsewhere = fit(x, target, weight, 1e-2, 300, rng.standard_normal((3, 3)))
    assert np.allclose(some, all_, atol=1e-6)
    # All intercepts may rise together: the start decides by how much, and no answer depends on it.
    assert np.allclose(some[:-1], elsewhere[:-1], atol=1e-6)
