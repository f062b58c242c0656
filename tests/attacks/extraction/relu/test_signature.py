"""What a zero set tells of a neuron before the signs below are known; these signs, and the weights then."""

from functools import partial

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network, true_trail

from jaxattack.attacks.extraction.relu.cells import flip, heights
from jaxattack.attacks.extraction.relu.rows import take
from jaxattack.attacks.extraction.relu.signature import (
    Equations,
    blocks,
    height,
    signature,
    signs,
    weights,
    zero_points,
)


def seen_from(layers, trail):
    """The trail as layers of other signs have it."""
    return trail._replace(on=heights(layers, trail.x) > 0)


def pre_activation(layers, one, x):
    return height(layers, one.solution, x) + one.offset


@pytest.mark.parametrize("sizes", [(8, 5, 3, 1), (4, 7, 3, 1)])
def test_a_signature_is_the_neuron_up_to_scale_whatever_the_signs_below(sizes):
    net = network(sizes, 0)
    layers = hidden_layers(net, 1)
    sign = np.where(np.arange(sizes[1]) % 2, 1.0, -1.0)
    weight, bias = net.weights[1][0], net.biases[1][0]
    unsigned = (flip(layers[0], sign),)
    one = signature(unsigned, seen_from(unsigned, true_trail(layers, weight, bias, 1)))
    assert one is not None
    x = np.random.default_rng(2).normal(size=(200, sizes[0]))
    true = np.maximum(heights(layers, x), 0) @ weight + bias
    mine = pre_activation(unsigned, one, x)
    scale = true @ mine / (mine @ mine)
    np.testing.assert_allclose(scale * mine, true, atol=1e-9)
    # relu(s z) = (|z| + s z) / 2, so that the fold is half the weight.
    np.testing.assert_allclose(np.abs(scale * one.fold[~one.free]), np.abs(weight[~one.free]) / 2, atol=1e-9)


def test_distance_is_the_pre_activation_over_the_length_of_its_gradient():
    net = network((5, 4, 3, 1), 3)
    layers = hidden_layers(net, 1)
    one = signature(layers, true_trail(layers, net.weights[1][0], net.biases[1][0], 4))
    assert one is not None
    x = np.random.default_rng(5).normal(size=(20, 5))
    step = 1e-6 * np.eye(5)
    value = partial(pre_activation, layers, one)
    slope = np.stack([(value(x + s) - value(x - s)) / 2e-6 for s in step], axis=1)
    expected = np.abs(value(x)) / np.linalg.norm(slope, axis=1)
    np.testing.assert_allclose(one.distance(layers, x), expected, rtol=1e-6)


def test_compressed_equations_have_the_solution_of_all_of_them():
    net = network((6, 4, 3, 1), 6)
    layers = hidden_layers(net, 1)
    trail = true_trail(layers, net.weights[1][0], net.biases[1][0], 7)
    all_ = blocks(layers, trail.on)
    equations = Equations(4)
    for block, normal in zip(all_, trail.normal, strict=True):
        equations.add(block, normal)
    naive = np.linalg.lstsq(all_.reshape(-1, 8), trail.normal.ravel(), rcond=1e-8)[0]
    np.testing.assert_allclose(equations.solution, naive, atol=1e-10)
    assert equations.determines(all_).all()


def test_one_cell_does_not_determine_its_neighbours():
    net = network((6, 4, 3, 1), 8)
    layers = hidden_layers(net, 1)
    trail = true_trail(layers, net.weights[1][0], net.biases[1][0], 9)
    equations = Equations(4)
    equations.add(blocks(layers, trail.on[:1])[0], trail.normal[0])
    other = trail.on[:1].copy()
    other[0, 0] ^= True
    assert equations.determines(blocks(layers, trail.on[:1])).all()
    assert not equations.determines(blocks(layers, other)).any()


def test_zero_points_lie_on_the_zero_set():
    net = network((6, 4, 3, 1), 10)
    layers = hidden_layers(net, 1)
    weight, bias = net.weights[1][0], net.biases[1][0]
    trail = true_trail(layers, weight, bias, 11)
    equations = Equations(4)
    for block, normal in zip(blocks(layers, trail.on), trail.normal, strict=True):
        equations.add(block, normal)
    x = zero_points(layers, equations, trail.x[0], np.random.default_rng(12))
    assert len(x) > 20
    assert np.abs(np.maximum(heights(layers, x), 0) @ weight + bias).max() < 1e-9


@pytest.mark.parametrize("sizes", [(10, 6, 4, 1), (5, 9, 6, 1), (6, 5, 4, 3, 1)])
def test_signs_come_out_even_where_the_layer_is_wider_than_its_input(sizes):
    net = network(sizes, 0)
    known = len(sizes) - 3
    layers = hidden_layers(net, known)
    sign = np.random.default_rng(1).choice([-1.0, 1.0], size=sizes[known])
    unsigned = (*layers[:-1], flip(layers[-1], sign))
    trails = [
        seen_from(unsigned, true_trail(layers, weight, bias, k))
        for k, (weight, bias) in enumerate(zip(net.weights[known], net.biases[known], strict=True))
    ]
    found = [signature(unsigned, trail) for trail in trails if len(trail.x) > 5]
    solved = signs(unsigned, [one for one in found if one is not None])
    np.testing.assert_array_equal(solved, sign)


def test_weights_are_those_of_the_neuron_up_to_scale():
    net = network((8, 5, 3, 1), 2)
    layers = hidden_layers(net, 1)
    for k in range(3):
        trail, sign = true_trail(layers, net.weights[1][k], net.biases[1][k], k), np.array([1.0, -1.0, 1.0, -1.0, -1.0])
        weight, bias = weights(layers, trail, np.ones(5))
        unsigned = (flip(layers[0], sign),)
        turned = weights(unsigned, seen_from(unsigned, trail), sign)
        np.testing.assert_allclose(turned[0], weight, atol=1e-12)
        scale = np.linalg.norm(net.weights[1][k])
        np.testing.assert_allclose(scale * weight, net.weights[1][k], atol=1e-10)
        np.testing.assert_allclose(scale * bias, net.biases[1][k], atol=1e-10)


def test_a_neuron_never_on_along_the_trail_has_no_weight():
    net = network((8, 5, 3, 1), 3)
    layers = hidden_layers(net, 1)
    trail = true_trail(layers, net.weights[1][0], net.biases[1][0], 4, points=400)
    part = ~trail.on[:, 2]
    weight, _ = weights(layers, take(trail, part), np.ones(5))
    assert abs(weight[2]) < 1e-12
