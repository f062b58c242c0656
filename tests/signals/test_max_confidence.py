"""The largest confidence against its definition, a record at a time."""

from __future__ import annotations

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from jaxattack.signals import MaxConfidence, Outputs, Phi
from jaxattack.types import Answer, sees

Z = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32) * 3
Y = jnp.asarray(np.random.default_rng(1).integers(0, 5, 40))


def read(z, y=Y):
    return np.asarray(MaxConfidence()(Outputs(jnp.asarray(z)), jnp.asarray(z), y, None))


def naive(z):
    """The odds of the largest confidence, a record at a time in float64."""
    p = [softmax(row.astype(np.float64)) for row in z]
    return np.array([np.log(row.max()) - np.log(np.delete(row, row.argmax()).sum()) for row in p])


def test_it_is_the_log_odds_of_the_largest_confidence():
    np.testing.assert_allclose(read(Z), naive(Z), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.argsort(read(Z)), np.argsort(softmax(Z.astype(np.float64), axis=1).max(axis=1)))


def test_it_knows_no_label():
    np.testing.assert_array_equal(read(Z), read(Z, (Y + 1) % 5))
    order = np.random.default_rng(2).permutation(5)
    np.testing.assert_allclose(read(Z[:, order]), read(Z), rtol=1e-5, atol=1e-6)


def test_it_is_phi_where_the_prediction_is_the_label():
    right = Z.argmax(axis=1) == np.asarray(Y)
    assert 0 < right.sum() < 40
    phi = np.asarray(Phi()(Outputs(jnp.asarray(Z)), jnp.asarray(Z), Y, None))
    np.testing.assert_array_equal(read(Z)[right], phi[right])
    assert (read(Z)[~right] > phi[~right]).all()


def test_sure_predictions_are_told_apart_and_even_ones_are_known():
    sure = np.zeros((3, 5), np.float32)
    sure[:, 2] = [50, 500, 5000]
    np.testing.assert_allclose(read(sure, Y[:3]), sure[:, 2] - np.log(4), rtol=1e-6)
    np.testing.assert_allclose(expit(read(np.zeros((1, 5), np.float32), Y[:1])), 0.2, rtol=1e-6)


@pytest.mark.parametrize(("p", "expected"), [([1.0, 0, 0], -np.log(0.005)), ([0.5, 0.25, 0.25], 0.0)])
def test_rounded_confidences_are_cut_at_half_a_step(p, expected):
    assert sees(MaxConfidence(), "probability")
    view = SimpleNamespace(answer=lambda x: Answer(x, jnp.asarray([p])), floor=0.005)
    found = MaxConfidence()(view, jnp.zeros((1, 1)), Y[:1], None)
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-6)
