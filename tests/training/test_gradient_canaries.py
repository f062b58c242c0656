"""Gradient canaries: scores of an exact Gaussian mechanism, a bound near the truth, and steps that are not what they claim."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.data import gaussian
from jaxattack.metrics import epsilon as bounds
from jaxattack.models import build
from jaxattack.training import Recipe
from jaxattack.training.gradient_canaries import draw_directions, score_gradient_canaries
from jaxattack.training.learners import DPSGD, Standard
from jaxattack.types import InputError, config

DELTA = 1e-5
RECORDS = gaussian(records=30, features=20, classes=3)
NET = build("softmax", (20,), 3)


def learner(noise, *, batch=1000, epochs=4, clip=2.0):
    return Standard(
        recipe=Recipe(epochs=epochs, batch=batch, learning_rate=0.01),
        gradient=DPSGD(noise=noise, clip=clip, microbatch=100),
    )


def tossed(models, canaries, seed=0):
    return np.random.default_rng(seed).random((models, canaries)) < 0.5


@pytest.mark.parametrize("kind", ["dirac", "random"])
def test_directions_are_orthonormal(kind):
    directions = draw_directions(NET, 40, kind)
    np.testing.assert_allclose(directions @ directions.T, np.eye(40), atol=1e-5)
    with pytest.raises(InputError, match="63 parameters"):
        draw_directions(NET, 64, kind)


@pytest.mark.parametrize("kind", ["dirac", "random"])
def test_without_noise_a_score_is_the_number_of_steps_that_took_the_canary(kind):
    member = tossed(3, 12)
    scores = score_gradient_canaries(NET, learner(0.0), RECORDS, draw_directions(NET, 12, kind), member)
    np.testing.assert_allclose(scores, 4.0 * member, atol=1e-3)
    sampled = score_gradient_canaries(NET, learner(0.0, batch=14), RECORDS, draw_directions(NET, 12, kind), member)
    np.testing.assert_allclose(sampled, np.rint(sampled), atol=1e-3)
    assert (sampled[~member] < 0.5).all()
    assert 0.2 < sampled[member].mean() / (4 * 3) < 0.5  # 12 steps, each with probability 14/42


def test_a_linear_net_is_bounded_within_a_tenth_of_the_truth():
    """2,000 scores; the median of 5 audits, each of which is above the truth with a probability of .05."""
    steps, mu, directions, bound = 4, 2.0, draw_directions(NET, 50), []
    for seed in range(5):
        member = tossed(40, 50, seed)
        scores = score_gradient_canaries(NET, learner(math.sqrt(steps) / mu), RECORDS, directions, member, seed=seed)
        bound.append(bounds.gaussian(scores.ravel(), member.ravel(), delta=DELTA).epsilon)
        assert scores[~member].std() == pytest.approx(steps / mu, rel=0.06)
        assert abs(np.corrcoef(scores.T)[np.triu_indices(50, 1)].mean()) < 0.02
    truth = bounds.gaussian_epsilon(mu, DELTA)
    assert 0.9 * truth < np.median(bound) < truth


def test_what_is_no_dp_sgd_has_no_gradient_canaries():
    with pytest.raises(InputError, match="finite clip"):
        score_gradient_canaries(NET, Standard(), RECORDS, draw_directions(NET, 2), tossed(2, 2))


class Half(DPSGD):
    """Noise too small by the square root of 2."""

    def with_noise(self, total, key):
        return jax.tree.map(
            lambda noisy, plain: plain + (noisy - plain) / math.sqrt(2), super().with_noise(total, key), total
        )


class Shares(DPSGD):
    """Each of 4 devices adds a quarter of the noise, as if quarters of independent noise added up to the whole."""

    def with_noise(self, total, key):
        for part in jax.random.split(key, 4):
            noisy = super().with_noise(total, part)
            total = jax.tree.map(lambda noisy, plain: plain + (noisy - plain) / 4, noisy, total)
        return total


class Forgetful(DPSGD):
    """The norm is of all layers but the last, which goes unclipped."""

    def clipped_sum(self, gradients, weight):
        clipped = super().clipped_sum({"kernel": gradients["kernel"]}, weight)
        return clipped | {"bias": jnp.tensordot(weight, gradients["bias"], axes=1)}


@config
class Realised(DPSGD):
    """The clipped sum is divided by the batch that was drawn; the noise is that of a mean over the expected one."""

    def __call__(self, loss, params, records, batch, key):
        plain, rest = DPSGD(clip=self.clip, noise=0.0)(loss, params, records, batch, key)
        mean = jax.tree.map(lambda leaf: leaf * batch / records[2].sum(), plain)
        zero = jax.tree.map(jnp.zeros_like, plain)
        return jax.tree.map(lambda a, b: a + b / batch, mean, self.with_noise(zero, key)), rest


@config
class Averaging(DPSGD):
    """The noisy sum is averaged over the batch that was drawn."""

    def __call__(self, loss, params, records, batch, key):
        direction, rest = DPSGD(clip=self.clip, noise=self.noise)(loss, params, records, batch, key)
        return jax.tree.map(lambda leaf: leaf * batch / records[2].sum(), direction), rest


RUNS = 2000


def audited(rule):
    """One step at rate 1 on records that are their gradients: 9 along an axis and, by a coin, the opposite one, ten times as long.

    The loss of a gradient g is <g, weights>; the score is the step's direction along the canary.
    """
    params = {"kernel": jnp.zeros(2), "bias": jnp.zeros(1)}
    axis = jnp.array([0.0, 0.0, 1.0])
    records = jnp.concatenate([jnp.tile(axis, (9, 1)), -10 * axis[None]])

    def loss(params, x, y, weight, key):
        return (x @ jnp.concatenate([params["kernel"], params["bias"]])).sum(), ()

    def score(coin, key):
        weight = jnp.ones(10).at[9].set(coin)
        direction, _ = rule(loss, params, (records, jnp.zeros(10, int), weight), 10, key)
        return -direction["bias"][0] * 10

    coins = np.random.default_rng(0).random(RUNS) < 0.5
    keys = jax.random.split(jax.random.key(1), RUNS)
    scores = np.asarray(jax.jit(jax.vmap(score))(jnp.asarray(coins, jnp.float32), keys), np.float64)
    return bounds.gaussian(scores, coins, delta=DELTA).epsilon


NOISE = 0.7
CLAIM = bounds.gaussian_epsilon(1 / NOISE, DELTA)


def test_a_right_step_is_not_refuted_and_nearly_reached():
    assert 0.9 * CLAIM < audited(DPSGD(noise=NOISE, clip=1.0)) < CLAIM


@pytest.mark.parametrize("rule", [Half, Shares, Forgetful, Realised, Averaging])
def test_steps_that_are_not_what_they_claim_are_refuted(rule):
    assert audited(rule(noise=NOISE, clip=1.0)) > CLAIM
