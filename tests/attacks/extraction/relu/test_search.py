"""Neurons of the first hidden layer, of networks that have one layer or more."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network

from jaxattack.attacks.extraction.relu.cells import affine, heights
from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.rows import take
from jaxattack.attacks.extraction.relu.search import kink_share, search
from jaxattack.attacks.search.lockstep import Task, run


@pytest.mark.parametrize("sizes", [(6, 5, 1), (6, 5, 4, 1), (6, 5, 4, 3, 2)])
def test_neurons_met_on_two_lines_are_the_first_layer_up_to_scale(sizes):
    net = network(sizes, 0)
    task = search(6, sizes[-1], 5, Noise(), np.random.default_rng(3), above=sum(sizes[2:-1]))
    state = run(Task(task, lambda x: logits(net, x)))
    met = take(state.neurons, state.neurons.hits > 0)
    mine = np.column_stack([met.normal, met.offset])
    true = np.column_stack([net.weights[0], net.biases[0]]) / np.linalg.norm(net.weights[0], axis=1, keepdims=True)
    apart = np.minimum(np.abs(mine[:, None] - true).max(axis=2), np.abs(mine[:, None] + true).max(axis=2))
    assert state.complete
    assert (apart.min(axis=1) < 1e-8).all()
    assert sorted(apart.argmin(axis=1)) == [0, 1, 2, 3, 4]


def test_what_is_met_once_is_a_critical_point_of_a_deeper_layer():
    net = network((6, 5, 4, 1), 0)
    state = run(Task(search(6, 1, 5, Noise(), np.random.default_rng(3), above=4), lambda x: logits(net, x)))
    rest = take(state.neurons, state.neurons.hits == 0)
    layers = hidden_layers(net, 2)
    value = heights(layers, rest.x)
    assert len(value) >= 4
    assert np.abs(value[:, 5:]).min(axis=1).max() < 1e-9 * (1 + np.linalg.norm(rest.x, axis=1)).max()
    normal = affine(layers, value > 0).gradient[np.arange(len(value)), 5 + np.abs(value[:, 5:]).argmin(axis=1)]
    cosine = np.abs((normal * rest.normal).sum(axis=1)) / np.linalg.norm(normal, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-9)


def test_bends_are_where_a_hyperplane_is_and_not_beside_it():
    x = np.random.default_rng(1).normal(size=(30, 4)) * [0, 1, 1, 1]
    normal, step = np.tile(np.eye(4)[0], (30, 1)), np.full(30, 1e-3)
    bent = lambda x: np.maximum(x[:, :1], 0) + x[:, 1:2]  # noqa: E731
    assert run(Task(kink_share(x, normal, step), bent)) == 1
    assert run(Task(kink_share(x + 0.1 * normal, normal, step), bent)) == 0
