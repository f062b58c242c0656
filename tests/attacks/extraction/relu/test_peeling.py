"""One layer after the other."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import Counting, hidden_layers, network

from jaxattack.attacks.extraction.relu.cells import Layer
from jaxattack.attacks.extraction.relu.frame import Victim
from jaxattack.attacks.extraction.relu.peeling import Peeling


def peeling_of(net, hidden, seed=0):
    rng = np.random.default_rng(seed)
    return Peeling(Victim(Counting(net)), hidden, 60, 12, rng)


def cosines(mine, true):
    rows = [np.column_stack([layer.weight, layer.bias]) for layer in (mine, true)]
    rows = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in rows]
    return np.abs(rows[0] @ rows[1].T)


def test_layers_come_out_one_after_the_other():
    net = network((8, 6, 4, 1), 0)
    peeling = peeling_of(net, (6, 4))
    assert peeling.first()
    assert cosines(peeling.layers[0], hidden_layers(net, 1)[0]).max(axis=1) == pytest.approx(np.ones(6), abs=1e-9)
    assert peeling.next()
    assert peeling.complete
    # Settled signs: every row of the first layer points as the victim's does.
    first = peeling.layers[0].weight @ net.weights[0].T / np.linalg.norm(net.weights[0], axis=1)
    assert first.max(axis=1) == pytest.approx(np.ones(6), abs=1e-9)
    assert (
        peeling.summary()
        == f"found were 6 of 6 neurons of layer 1, 4 of 4 neurons of layer 2, on {peeling.lines} lines."
    )


def test_neurons_that_the_last_layer_lacks_are_found_on_lines_through_given_points():
    net = network((8, 6, 4, 1), 1)
    first, second = hidden_layers(net, 2)
    peeling = peeling_of(net, (6, 4), 2)
    peeling.layers = (first, Layer(second.weight[:1], second.bias[:1]))
    assert not peeling.complete
    rng = np.random.default_rng(3)
    for _ in range(4):
        if not peeling.complete:
            peeling.more(*(2 * rng.normal(size=(2, 4, 8))))
    assert peeling.complete
    turned = cosines(peeling.layers[1], second)
    assert sorted(turned.argmax(axis=1)) == [0, 1, 2, 3]
    assert turned.max(axis=1) == pytest.approx(np.ones(4), abs=1e-8)
