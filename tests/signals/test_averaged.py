"""Answers that are averaged, and what defences do to answers: against loops, and where the answer is known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.defences import LabelOnly, Noise, Round, TopK
from jaxattack.models import build
from jaxattack.signals import Averaged, Correct, GradientNorm, MaxConfidence, Phi, lookup
from jaxattack.signals.distortion import Distortion
from jaxattack.training.single import keys_of
from jaxattack.training.view import View
from jaxattack.types import InputError

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((40, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 40), jnp.int32)
MODEL = build("mlp:7", (5,), 3)
VARIABLES = MODEL.init(jax.random.key(0))
KEYS = keys_of(jax.random.key(3), jnp.arange(40))
P = softmax(np.asarray(MODEL.apply(VARIABLES, X), np.float64), axis=1)


def view(*defences):
    return View(MODEL, VARIABLES, tuple((defence, ()) for defence in defences), KEYS)


def test_the_mean_of_fresh_noise_is_that_of_a_loop_over_repetitions():
    noisy, one = view(Noise(scale=0.2)), Averaged(signal=MaxConfidence(), times=5)
    mean = np.mean([np.asarray(noisy.answer(X, jnp.asarray(number)).probability) for number in range(1, 6)], axis=0)
    top = mean.max(axis=1)
    np.testing.assert_allclose(one(noisy, X, Y, None), np.log(top) - np.log(1 - top), rtol=1e-4, atol=1e-4)
    assert (one.queries, one.sees) == (5, "probability")


def test_labels_are_put_to_the_vote():
    noisy = view(Noise(scale=0.3), LabelOnly())
    votes = np.sum(
        [np.eye(3)[np.asarray(noisy.answer(X, jnp.asarray(number)).label)] for number in range(1, 8)], axis=0
    )
    np.testing.assert_array_equal(Averaged(signal=Correct(), times=7)(noisy, X, Y, None), votes.argmax(axis=1) == Y)


def test_averaging_brings_back_what_noise_hides_and_finds_nothing_new_without_noise():
    own = np.asarray(Phi()(view(), X, Y, None))

    def error(times):
        given = Averaged(signal=Phi(), times=times)(view(Noise(scale=0.05)), X, Y, None)
        return float(np.abs(np.asarray(given) - own).mean())

    assert error(400) < error(4) / 3
    np.testing.assert_allclose(Averaged(signal=Phi(), times=4)(view(), X, Y, None), own, rtol=1e-4, atol=1e-4)


def test_confidences_of_zero_stay_finite():
    sure = View(MODEL, VARIABLES._replace(params=jax.tree.map(lambda leaf: 100 * leaf, VARIABLES.params)), (), KEYS)
    assert (np.asarray(sure.answer(X).probability) == 0).any()
    for signal in (Phi(), Averaged(times=4)):
        values = jax.jit(lambda x, signal=signal: signal(sure, x, Y, None))(X)
        assert np.isfinite(np.asarray(values)).all()


def test_its_name_is_read_back_and_nothing_is_averaged_twice():
    assert lookup("phi_mean16") == Averaged(signal=Phi(), times=16)
    assert lookup("softmax_t2_mean3").signal == lookup("softmax_t2")
    for refused in ("phi_mean1", "phi_mean2_mean2", "gradient_norm_mean4", f"phi{'_mean2' * 5000}"):
        with pytest.raises(InputError):
            lookup(refused)
    with pytest.raises(InputError, match="sees weights and no answers"):
        Averaged(signal=GradientNorm())


@pytest.mark.parametrize(
    ("defence", "shown"),
    [
        (Round(decimals=1), P.round(1)),
        (LabelOnly(), np.eye(3)[P.argmax(axis=1)]),
        (TopK(k=1), np.where(P.max(axis=1, keepdims=True) == P, P, (1 - P.max(axis=1, keepdims=True)) / 2)),
    ],
    ids=["round", "label", "top"],
)
def test_distortion_is_the_distance_of_what_is_shown_from_what_the_model_says(defence, shown):
    changed, moved = np.asarray(Distortion()(view(defence), X, Y, None)).T
    np.testing.assert_array_equal(changed, 0)
    np.testing.assert_allclose(moved, np.abs(shown - P).sum(axis=1), atol=1e-5)


def test_distortion_counts_labels_that_noise_changes():
    noisy = view(Noise(scale=1.0))
    changed, _ = np.asarray(Distortion()(noisy, X, Y, None)).T
    np.testing.assert_array_equal(changed, np.asarray(noisy.answer(X).label) != P.argmax(axis=1))
    assert 0 < changed.mean() < 1
