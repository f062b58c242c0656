"""Layers known so far, cell by cell."""

import numpy as np
from attacks.extraction.relu.peeled_networks import hidden_layers, network

from jaxattack.attacks.extraction.relu.cells import affine, affine_at, flip, heights, last, last_heights


def naive_heights(layers, x):
    rows = []
    for point in x:
        row, signal = [], point
        for layer in layers:
            value = [float(layer.weight[k] @ signal + layer.bias[k]) for k in range(len(layer.bias))]
            row += value
            signal = [max(v, 0.0) for v in value]
        rows.append(row)
    return np.array(rows)


def test_heights_are_the_pre_activations():
    layers = hidden_layers(network((4, 5, 3, 2), 0), 2)
    x = np.random.default_rng(1).normal(size=(7, 4))
    np.testing.assert_allclose(heights(layers, x), naive_heights(layers, x), atol=1e-14)
    np.testing.assert_array_equal(last_heights(layers, x), heights(layers, x)[:, 5:])


def test_affine_maps_give_the_heights_in_their_cells():
    layers = hidden_layers(network((4, 5, 3, 2), 2), 2)
    x = np.random.default_rng(3).normal(size=(50, 4))
    value = heights(layers, x)
    np.testing.assert_allclose(affine(layers, value > 0).heights(x), value, atol=1e-14)


def test_affine_gradients_are_differences():
    layers = hidden_layers(network((3, 4, 2, 1), 4), 2)
    x = np.random.default_rng(5).normal(size=(10, 3))
    gradient = affine_at(layers, x).gradient
    for feature in range(3):
        step = 1e-7 * np.eye(3)[feature]
        slope = (heights(layers, x + step) - heights(layers, x - step)) / 2e-7
        np.testing.assert_allclose(gradient[:, :, feature], slope, atol=1e-7)


def test_distances_are_to_where_the_heights_would_be_zero():
    layers = hidden_layers(network((3, 4, 2, 1), 4), 2)
    x = np.random.default_rng(5).normal(size=(10, 3))
    maps = affine_at(layers, x)
    unit = maps.gradient / np.linalg.norm(maps.gradient, axis=2, keepdims=True)
    for neuron in range(6):
        foot = x - (np.sign(maps.heights(x)) * maps.distances(x))[:, [neuron]] * unit[:, neuron]
        np.testing.assert_allclose(maps.heights(foot)[:, neuron], 0, atol=1e-12)


def test_the_pattern_of_the_last_layer_does_not_matter():
    layers = hidden_layers(network((3, 4, 2, 1), 6), 2)
    on = np.random.default_rng(7).random((8, 6)) > 0.5
    other = on.copy()
    other[:, last(layers)] ^= True
    np.testing.assert_array_equal(affine(layers, on).gradient, affine(layers, other).gradient)


def test_flipped_rows_are_negated():
    (layer,) = hidden_layers(network((3, 2, 1), 8), 1)
    turned = flip(layer, np.array([1.0, -1.0]))
    np.testing.assert_array_equal(turned.weight, np.stack([layer.weight[0], -layer.weight[1]]))
    np.testing.assert_array_equal(turned.bias, [layer.bias[0], -layer.bias[1]])
