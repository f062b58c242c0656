"""The signs of a layer by least squares, and the weights above it."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network, true_trail

from jaxattack.attacks.extraction.relu.cells import flip
from jaxattack.attacks.extraction.relu.sign import flip_trail, signs, weights
from jaxattack.attacks.extraction.relu.signature import signature


@pytest.mark.parametrize("sizes", [(10, 6, 4, 1), (5, 9, 6, 1), (6, 5, 4, 3, 1)])
def test_signs_come_out_even_where_the_layer_is_wider_than_its_input(sizes):
    net = network(sizes, 0)
    known = len(sizes) - 3
    layers = hidden_layers(net, known)
    sign = np.random.default_rng(1).choice([-1.0, 1.0], size=sizes[known])
    unsigned = (*layers[:-1], flip(layers[-1], sign))
    trails = [
        flip_trail(layers, true_trail(layers, weight, bias, k), sign)
        for k, (weight, bias) in enumerate(zip(net.weights[known], net.biases[known], strict=True))
    ]
    found = [signature(unsigned, trail) for trail in trails if len(trail.x) > 5]
    solved = signs(unsigned, [one for one in found if one is not None])
    np.testing.assert_array_equal(solved, sign)


def test_weights_are_those_of_the_neuron_up_to_scale():
    net = network((8, 5, 3, 1), 2)
    layers = hidden_layers(net, 1)
    for k in range(3):
        weight, bias, unseen = weights(layers, true_trail(layers, net.weights[1][k], net.biases[1][k], k))
        scale = np.linalg.norm(net.weights[1][k][~unseen])
        np.testing.assert_allclose(scale * weight[~unseen], net.weights[1][k][~unseen], atol=1e-10)
        np.testing.assert_allclose(scale * bias, net.biases[1][k], atol=1e-10)


def test_a_neuron_never_on_along_the_trail_is_unseen():
    net = network((8, 5, 3, 1), 3)
    layers = hidden_layers(net, 1)
    trail = true_trail(layers, net.weights[1][0], net.biases[1][0], 4, points=400)
    part = ~trail.on[:, 2]
    weight, _, unseen = weights(layers, type(trail)(trail.on[part], trail.normal[part], trail.x[part]))
    assert unseen[2]
    assert weight[2] == 0


def test_turning_twice_changes_nothing():
    net = network((4, 5, 3, 1), 5)
    layers = hidden_layers(net, 1)
    trail = true_trail(layers, net.weights[1][0], net.biases[1][0], 6)
    sign = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    np.testing.assert_array_equal(flip_trail(layers, flip_trail(layers, trail, sign), sign).on, trail.on)
