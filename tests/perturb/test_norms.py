"""Balls: what is projected is nearest, what is steepest no random change of the ball beats, and what is random fills it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.perturb.norms import BALLS

ORDER = {"linf": np.inf, "l2": 2}
EVERY = pytest.mark.parametrize("norm", BALLS)


def draws(norm, count, shape):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: BALLS[norm].random(key, shape))(keys))


@EVERY
def test_lengths_are_the_norms_and_projections_are_nearest(norm):
    ball, change = BALLS[norm], jnp.asarray(np.random.default_rng(0).standard_normal((30, 2, 3)), jnp.float32)
    flat = np.asarray(change).reshape(30, -1)
    np.testing.assert_allclose(ball.length(change), np.linalg.norm(flat, ORDER[norm], axis=1), rtol=1e-6)
    projected = ball.project(change, 1.2)
    assert (ball.length(projected) <= 1.2 * (1 + 1e-6)).all()
    inside = np.asarray(ball.length(change)) <= 1.2
    np.testing.assert_array_equal(np.asarray(projected)[inside], np.asarray(change)[inside])
    others = 1.2 * draws(norm, 2000, (2, 3)).reshape(2000, -1)
    far = np.linalg.norm(flat[:, None] - others[None], axis=2).min(axis=1)
    assert (np.linalg.norm(flat - np.asarray(projected).reshape(30, -1), axis=1) <= far + 1e-6).all()


@EVERY
def test_the_steepest_change_is_that_and_stays_so_where_gradients_underflow(norm):
    ball, slope = BALLS[norm], jnp.asarray(np.random.default_rng(1).standard_normal((5, 4)), jnp.float32)
    steepest = ball.steepest(slope)
    np.testing.assert_allclose(ball.length(steepest), 1, rtol=1e-6)
    assert ((steepest * slope).sum(axis=1)[:, None] >= slope @ draws(norm, 2000, (4,)).T).all()
    np.testing.assert_allclose(ball.steepest(slope * 1e-30), steepest, rtol=1e-5)
    assert not np.any(ball.steepest(jnp.zeros((2, 4))))


@EVERY
def test_random_changes_fill_the_ball(norm):
    lengths = np.asarray(BALLS[norm].length(jnp.asarray(draws(norm, 4000, (3,)))))
    assert lengths.max() <= 1 + 1e-6
    # A ball of half the radius has an eighth of the volume.
    assert (lengths < 0.5).mean() == pytest.approx(0.125, abs=4 * np.sqrt(0.125 * 0.875 / 4000))
