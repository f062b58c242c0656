"""Convex fits against SciPy and closed forms."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
