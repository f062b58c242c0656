"""Hidden layers that learn without labels."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxattack.training import denoising, denoising_start

X = load_digits().data.astype(np.float32) / 8 - 1


def _code(variables, x, layer):
    held = {name: np.asarray(leaf) for name, leaf in variables.params["layers"][layer].items()}
    return 1 / (1 + np.exp(-(x @ held["kernel"] + held["bias"])))


@pytest.fixture
def few_steps(monkeypatch):
    """For what does not depend on how well a layer has learnt."""
    learn = denoising._layer.__wrapped__
    monkeypatch.setattr(denoising, "STEPS", 50)
    monkeypatch.setattr(denoising, "_layer", jax.jit(lambda *given: learn(*given)))  # a program of its own


def test_a_layer_tells_hidden_features_better_than_the_best_linear_code_of_half_the_width():
    variables = denoising_start((32,), X, 10).init(jax.random.key(0))
    mean = X.mean(axis=0)
    shown = np.where(np.random.default_rng(0).random(X.shape) < 0.3, mean, X)
    code = _code(variables, shown, 0)
    design = np.c_[code, np.ones(len(X))]
    left = X - design @ np.linalg.lstsq(design, X, rcond=None)[0]
    u, s, v = np.linalg.svd(shown - mean, full_matrices=False)
    linear = X - mean - (u[:, :16] * s[:16]) @ v[:16]
    assert (left**2).mean() < (linear**2).mean()


def test_the_key_decides_the_last_layer_alone_and_records_decide_the_others(few_steps):
    model = denoising_start((8, 4), X, 10, seed=1)
    one, other = (model.init(jax.random.key(key)).params["layers"] for key in (0, 1))
    again = denoising_start((8, 4), X, 10, seed=1).init(jax.random.key(0)).params["layers"]
    elsewhere = denoising_start((8, 4), X[:100], 10, seed=1).init(jax.random.key(0)).params["layers"]
    for layer in (0, 1):
        np.testing.assert_array_equal(one[layer]["kernel"], other[layer]["kernel"])
        np.testing.assert_array_equal(one[layer]["kernel"], again[layer]["kernel"])
        assert np.abs(one[layer]["kernel"] - elsewhere[layer]["kernel"]).max() > 0
    assert np.abs(one[2]["kernel"] - other[2]["kernel"]).max() > 0


def test_the_network_is_a_sigmoid_perceptron(few_steps):
    model = denoising_start((8,), X, 10)
    variables = model.init(jax.random.key(0))
    last = {name: np.asarray(leaf) for name, leaf in variables.params["layers"][1].items()}
    np.testing.assert_allclose(
        model.apply(variables, X[:5]), _code(variables, X[:5], 0) @ last["kernel"] + last["bias"], atol=1e-5
    )
