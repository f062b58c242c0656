"""The last layer and all layers together from kept answers."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network

from jaxattack.attacks.extraction.relu.cells import flip
from jaxattack.attacks.extraction.relu.network import ReluNetwork, align, logits
from jaxattack.attacks.extraction.relu.polish import (
    Answers,
    polish,
    solve_last_layer,
)


def answered(net, seed, count=1500):
    x = 2 * np.random.default_rng(seed).normal(size=(count, net.weights[0].shape[1]))
    return Answers(x, logits(net, x))


@pytest.mark.parametrize("sizes", [(6, 5, 4, 1), (6, 5, 4, 3)])
def test_the_last_layer_comes_out_whatever_the_signs_of_the_last_hidden_one(sizes):
    net = network(sizes, 0)
    layers = hidden_layers(net, 2)
    unsigned = (layers[0], flip(layers[1], np.array([1.0, -1.0, -1.0, 1.0])))
    stolen = solve_last_layer(unsigned, answered(net, 1), 4)
    assert align(stolen, net).error < 1e-10


def test_a_neuron_not_found_yet_does_not_spoil_the_others():
    net = network((6, 5, 4, 1), 2)
    net.biases[1][3] = -1.2 * np.abs(net.weights[1][3]).sum()
    layers = hidden_layers(net, 2)
    answers = answered(net, 3)
    part = (layers[0], type(layers[1])(layers[1].weight[:3], layers[1].bias[:3]))
    stolen = solve_last_layer(part, answers, 4)
    miss = np.abs(logits(stolen, answers.x) - answers.y)
    assert np.median(miss) < 1e-8


def test_a_neuron_that_is_always_on_is_a_linear_one():
    net = network((6, 5, 4, 1), 4)
    net.biases[1][3] = 100.0
    layers = hidden_layers(net, 2)
    answers = answered(net, 5)
    part = (layers[0], type(layers[1])(layers[1].weight[:3], layers[1].bias[:3]))
    stolen = solve_last_layer(part, answers, 4)
    assert stolen.sizes == net.sizes
    np.testing.assert_allclose(logits(stolen, answers.x), answers.y, atol=1e-8)


def test_polishing_takes_small_errors_to_rounding():
    net = network((6, 5, 4, 2), 6)
    rng = np.random.default_rng(7)
    rough = ReluNetwork(*(tuple(one + 1e-6 * rng.normal(size=one.shape) for one in part) for part in net))
    answers = answered(net, 8)
    stolen = polish(rough, answers)
    fresh = answered(net, 9)
    assert np.abs(logits(rough, fresh.x) - fresh.y).max() > 1e-7
    assert np.abs(logits(stolen, fresh.x) - fresh.y).max() < 1e-12
