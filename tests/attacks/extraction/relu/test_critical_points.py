"""Kinks of random lines, and the hyperplanes of the first layer."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network

from jaxattack.attacks.extraction.relu.critical_points import Lines, between, hyperplanes, normals, search, support
from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.peel import heights


@pytest.fixture
def net():
    return network((6, 5, 4, 1), 0)


def evaluate(net):
    return lambda x: logits(net, x)[:, 0]


def test_every_kink_is_where_a_neuron_switches(net):
    lines = search(evaluate(net), Lines.none(6), 3, 30, np.random.default_rng(1))
    value = np.abs(heights(hidden_layers(net, 2), lines.x))
    assert len(lines.line) > 20
    assert (value.min(axis=1) < 1e-9 * (1 + np.linalg.norm(lines.x, axis=1))).all()


def test_the_jump_of_the_gradient_is_a_multiple_of_the_normal(net):
    lines = search(evaluate(net), Lines.none(6), 3, 30, np.random.default_rng(2))
    value = np.abs(heights(hidden_layers(net, 1), lines.x))
    kinks = np.flatnonzero(value.min(axis=1) < 1e-9)
    jump = normals(evaluate(net), lines, kinks)
    true = net.weights[0][value[kinks].argmin(axis=1)]
    cosine = np.abs((jump * true).sum(axis=1)) / np.linalg.norm(jump, axis=1) / np.linalg.norm(true, axis=1)
    assert len(kinks) >= 10
    np.testing.assert_allclose(cosine, 1, atol=1e-9)


def test_hyperplanes_are_the_first_layer_up_to_scale(net):
    layer, lines = hyperplanes(evaluate(net), Lines.none(6), 5, np.random.default_rng(3), points=20, limit=10)
    mine = np.column_stack([layer.weight, layer.bias])
    true = np.column_stack([net.weights[0], net.biases[0]]) / np.linalg.norm(net.weights[0], axis=1, keepdims=True)
    apart = np.minimum(np.abs(mine[:, None] - true).max(axis=2), np.abs(mine[:, None] + true).max(axis=2))
    assert lines.count >= 4
    assert (apart.min(axis=1) < 1e-9).all()
    assert sorted(apart.argmin(axis=1)) == [0, 1, 2, 3, 4]


def test_support_counts_what_the_lines_bear_out(net):
    lines = search(evaluate(net), Lines.none(6), 4, 30, np.random.default_rng(4))
    true, wrong = net.weights[0][0], net.weights[0][0] + 0.1
    planes, offsets = np.stack([true, wrong]), np.full(2, net.biases[0][0])
    value = lines.x @ planes.T + offsets
    backed = support(lines, lambda x: x @ planes.T + offsets, np.abs(value) < lines.near[:, None])
    assert backed.hits[0] == backed.expected[0] >= 3
    assert backed.hits[1] == 0
    assert backed.share[0] == 1


def test_lines_between_points_pass_through_both(net):
    start, goal = np.ones((1, 6)), np.full((1, 6), 3.0)
    lines = between(evaluate(net), Lines.none(6), start, goal, 10)
    np.testing.assert_allclose(lines.at(np.array([0]), np.array([np.sqrt(24.0)])), goal)
    assert lines.end[0, 0] < 0
    assert lines.end[0, 1] > np.sqrt(24.0)


def test_a_line_without_kinks_has_none():
    lines = search(lambda x: x.sum(axis=1), Lines.none(3), 2, 10, np.random.default_rng(5))
    assert lines.count == 2
    assert len(lines.x) == 0
    assert normals(lambda x: x.sum(axis=1), lines, np.zeros(0, int)).shape == (0, 3)
