"""Ghost norms against gradients that are formed record by record, on every kind of network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxattack.models import build
from jaxattack.signals import GradientNorm, LayerGradientNorms, ghost
from jaxattack.training.view import View
from jaxattack.types import Model, Variables

RNG = np.random.default_rng(0)


def norms_of_a_loop(model, variables, x, y, places):
    """The norm of each record's gradient in some leaves, as anyone would write it."""

    def loss(params, one, label):
        return -jax.nn.log_softmax(model.apply(variables._replace(params=params), one[None])[0])[label]

    slope = jax.jit(jax.grad(loss))
    each = [jax.tree.leaves(slope(variables.params, *record)) for record in zip(x, y, strict=True)]
    return [np.sqrt(sum(float((leaves[place] ** 2).sum()) for place in places)) for leaves in each]


def read(signal, model, variables, x, y):
    return jax.jit(lambda variables, x, y: signal(View(model, variables), x, y, None))(variables, x, y)


def records(shape, count=6, classes=3):
    x = jnp.asarray(RNG.standard_normal((count, *shape)), jnp.float32)
    return x, jnp.asarray(RNG.integers(0, classes, count), jnp.int32)


@pytest.mark.parametrize(
    ("architecture", "shape", "known"),
    [("softmax", (4, 4, 1), 2), ("mlp:7-5", (9,), 6), ("cnn:2", (4, 4, 1), 2)],
)
def test_norms_are_those_of_a_loop_whatever_the_layers(architecture, shape, known):
    model = build(architecture, shape, 3)
    variables = model.init(jax.random.key(0))
    x, y = records(shape)
    assert len(ghost.trace(model, variables, x).leaves) == known
    places = range(len(jax.tree.leaves(variables.params)))
    norm = read(GradientNorm(), model, variables, x, y)
    np.testing.assert_allclose(norm, norms_of_a_loop(model, variables, x, y, places), rtol=1e-3)
    of_layers = read(LayerGradientNorms(), model, variables, x, y)
    assert of_layers.shape == (len(x), len(places) // 2)  # weights and a bias each
    np.testing.assert_allclose(np.sqrt(np.sum(np.square(of_layers), axis=1)), norm, rtol=1e-5)
    for layer in range(of_layers.shape[1]):
        one = norms_of_a_loop(model, variables, x, y, places[2 * layer : 2 * layer + 2])
        np.testing.assert_allclose(of_layers[:, layer], one, rtol=1e-3, atol=1e-6)


@settings(deadline=None, max_examples=3)
@given(st.lists(st.integers(1, 9), min_size=0, max_size=2), st.integers(2, 5), st.integers(1, 7))
def test_each_layer_of_any_dense_network(widths, classes, features):
    model = build("mlp:" + "-".join(map(str, widths)) if widths else "softmax", (features,), classes)
    variables = model.init(jax.random.key(1))
    x, y = records((features,), classes=classes)
    for layer in range(len(widths) + 1):
        norm = read(GradientNorm(layer=layer), model, variables, x, y)
        expected = norms_of_a_loop(model, variables, x, y, (2 * layer, 2 * layer + 1))
        np.testing.assert_allclose(norm, expected, rtol=1e-3, atol=1e-6)


def test_tied_weights_are_no_dense_layer():
    def apply(variables, x):
        return jnp.tanh(x @ variables.params["tied"]) @ variables.params["tied"]

    model = Model(lambda key: None, apply, lambda *given: None)
    variables = Variables({"tied": jnp.asarray(RNG.standard_normal((3, 3)), jnp.float32)}, {})
    x, y = records((3,))
    assert ghost.trace(model, variables, x).leaves == set()
    norm = read(GradientNorm(), model, variables, x, y)
    np.testing.assert_allclose(norm, norms_of_a_loop(model, variables, x, y, (0,)), rtol=1e-3)
