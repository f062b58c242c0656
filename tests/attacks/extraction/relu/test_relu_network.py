"""Networks: the function, the Model, and alignment up to what the function does not tell."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from attacks.extraction.relu.relu_victims import network
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.relu.network import ReluNetwork, align, logits, relu_model
from jaxattack.types import Variables


def scrambled(net, seed, *, shift=0.0):
    """The same function with neurons permuted and scaled, and optionally an affine function added to all outputs."""
    rng = np.random.default_rng(seed)
    weights, biases = list(net.weights), list(net.biases)
    for layer in range(len(weights) - 1):
        order = rng.permutation(len(biases[layer]))
        scale = rng.uniform(0.1, 10, len(order))
        weights[layer] = (weights[layer] * scale[:, None])[order]
        biases[layer] = (biases[layer] * scale)[order]
        weights[layer + 1] = (weights[layer + 1] / scale)[:, order]
    added = rng.normal(size=weights[-1].shape[1]) * shift
    return ReluNetwork((*weights[:-1], weights[-1] + added), (*biases[:-1], biases[-1] + shift))


@given(st.integers(0, 10**6), st.sampled_from([(5, 7, 2), (6, 5, 4, 3), (3, 4, 4, 2, 1)]))
def test_alignment_undoes_any_order_and_scale(seed, sizes):
    net = network(*sizes, seed=seed)
    found = align(scrambled(net, seed), net)
    assert found.error < 1e-12
    assert all(np.allclose(a, b) for a, b in zip(found.network.weights, net.weights, strict=True))


def test_alignment_reports_the_largest_difference_of_any_parameter():
    net = network(5, 4, 2)
    off = net._replace(biases=(net.biases[0], net.biases[1] + np.array([0.0, 0.125])))
    assert align(scrambled(off, 1), net).error == pytest.approx(0.125)


def test_only_a_gauge_of_the_softmax_forgives_a_shift_of_all_outputs():
    net = network(5, 4, 3)
    shifted = scrambled(net, 2, shift=1.0)
    assert align(shifted, net).error > 0.1
    assert align(shifted, net, gauge=True).error < 1e-12


def test_networks_of_different_sizes_are_infinitely_far_apart():
    assert align(network(5, 4, 2), network(5, 3, 2)).error == np.inf


def test_a_neuron_that_points_the_other_way_is_not_forgiven():
    net = network(5, 4, 2)
    turned = net._replace(weights=(-net.weights[0], net.weights[1]), biases=(-net.biases[0], net.biases[1]))
    assert align(turned, net).error > 0.1


@pytest.mark.parametrize("sizes", [(5, 2), (5, 4, 2), (5, 4, 3, 2)])
def test_the_model_computes_the_network_and_is_the_same_for_the_same_sizes(sizes):
    net = network(*sizes)
    x = np.random.default_rng(0).normal(size=(6, 5))
    model = relu_model(net.sizes)
    assert model is relu_model(sizes)
    with jax.enable_x64(True):
        got = np.asarray(model.apply(Variables(net.parameters, {}), jax.numpy.asarray(x)))
    np.testing.assert_allclose(got, logits(net, x), rtol=1e-12)


def test_a_fresh_model_has_the_named_parameters_and_can_be_trained():
    model = relu_model((5, 4, 2))
    variables = model.init(jax.random.key(0))
    assert {name: value.shape for name, value in variables.params.items()} == {
        "weight0": (4, 5), "weight1": (2, 4), "bias0": (4,), "bias1": (2,)
    }  # fmt: skip
    x = jax.numpy.ones((3, 5))
    slope = jax.grad(lambda params: model.forward(Variables(params, {}), x, jax.random.key(1))[0].sum())(
        variables.params
    )
    np.testing.assert_allclose(slope["bias1"], [3, 3])
