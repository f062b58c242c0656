"""Convex fits against SciPy and closed forms."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.search.minimise import GRADIENT, minimise


@partial(jax.jit, static_argnames="passes")
def _quadratic(matrix, wanted, passes):
    return minimise(lambda x: 0.5 * (x - wanted) @ matrix @ (x - wanted), jnp.zeros_like(wanted), passes)


def quadratic(matrix, wanted, passes, wide=True):
    with jax.enable_x64(wide):
        return jax.tree.map(np.asarray, _quadratic(matrix, wanted, passes))


@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_a_quadratic_is_minimised(condition):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    matrix = basis @ np.diag(np.geomspace(1, condition, 8)) @ basis.T
    wanted = rng.standard_normal(8)
    found = quadratic(matrix, wanted, 300)
    assert np.allclose(found.x, wanted, atol=1e-7)
    assert found.slope <= GRADIENT


def test_no_passes_give_the_start_and_its_slope():
    found = quadratic(np.eye(3), np.ones(3), 0)
    assert (found.x == 0).all()
    assert found.slope == 1


def test_a_search_that_ends_before_the_optimum_says_so():
    assert quadratic(np.diag(np.geomspace(1, 1e4, 8)), np.ones(8), 5).slope > 1e-3


@pytest.mark.parametrize("wide", [False, True])
def test_numbers_of_float32_are_minimised_among_wider_ones_too(wide):
    matrix, wanted = np.diag([1.0, 4.0]).astype(np.float32), np.ones(2, np.float32)
    found = quadratic(matrix, wanted, 50, wide)
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, wanted, rtol=1e-6)
