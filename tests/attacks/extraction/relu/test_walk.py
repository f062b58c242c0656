"""Following zero sets from cell to cell."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import hidden_layers, network, true_trail

from jaxattack.attacks.extraction.relu.cells import flip, heights
from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.rows import take
from jaxattack.attacks.extraction.relu.signature import Trail
from jaxattack.attacks.extraction.relu.walk import follow
from jaxattack.attacks.search.lockstep import Task, run, together


def walks_from(net, layers, x, normal, rng, asked=None):
    cells = Trail(heights(layers, x) > 0, normal / np.linalg.norm(normal, axis=1, keepdims=True), x)

    def ask(x):
        (asked if asked is not None else []).append(len(x))
        return logits(net, x)

    return run(Task(together([follow(layers, take(cells, [k]), rng) for k in range(len(x))]), ask))


@pytest.mark.parametrize("sizes", [(10, 8, 5, 1), (6, 9, 5, 1)])
def test_a_walk_stays_on_the_zero_set_and_measures_its_normals(sizes):
    net = network(sizes, 0)
    layers = hidden_layers(net, 1)
    sign = np.where(np.arange(sizes[1]) % 2, 1.0, -1.0)
    starts = [
        true_trail(layers, weight, bias, 1, points=1)
        for weight, bias in zip(net.weights[1], net.biases[1], strict=True)
    ]
    starts = [(k, trail) for k, trail in enumerate(starts) if len(trail.x)]
    walks = walks_from(
        net,
        (flip(layers[0], sign),),
        np.concatenate([trail.x for _, trail in starts]),
        np.concatenate([trail.normal for _, trail in starts]),
        np.random.default_rng(2),
    )
    assert sum(trail is not None for trail in walks) >= len(walks) - 1
    for (k, _), trail in zip(starts, walks, strict=True):
        if trail is None:
            continue
        on = heights(layers, trail.x) > 0
        true = (net.weights[1][k] * on) @ net.weights[0]
        scale = np.linalg.norm(true[0]) * np.sign(true[0] @ trail.normal[0])
        value = np.maximum(heights(layers, trail.x), 0) @ net.weights[1][k] + net.biases[1][k]
        np.testing.assert_allclose(value, 0, atol=1e-10)
        np.testing.assert_allclose(trail.normal * scale, true, atol=1e-6 * np.abs(true).max())


def test_a_walk_asks_few_queries_for_each_neuron_below():
    net = network((12, 10, 6, 1), 3)
    layers = hidden_layers(net, 1)
    start = true_trail(layers, net.weights[1][0], net.biases[1][0], 4, points=1)
    asked = []
    (walk,) = walks_from(net, layers, start.x, start.normal, np.random.default_rng(5), asked)
    assert walk is not None
    assert sum(asked) <= 20 * 10


def test_a_walk_from_no_critical_point_dies():
    net = network((8, 6, 4, 1), 6)
    rng = np.random.default_rng(7)
    x, normal = rng.normal(size=(3, 8)), rng.normal(size=(3, 8))
    walks = walks_from(net, hidden_layers(net, 1), x, normal, rng)
    assert not any(trail is not None and len(trail.x) > 3 for trail in walks)


def test_a_walk_dies_where_the_second_bend_has_lost_its_digits():
    net = network((10, 8, 5, 1), 0)
    layers = hidden_layers(net, 1)
    start = true_trail(layers, net.weights[1][0], net.biases[1][0], 1, points=1)
    walk = follow(layers, start, np.random.default_rng(2))
    # A crossing asks four queries for the first bend and three for the second.
    assert run(Task(walk, lambda x: logits(net, x) if len(x) == 4 else np.full((len(x), 1), np.nan))) is None
