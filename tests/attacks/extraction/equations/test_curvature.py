"""Weights from gradients and Hessians, against networks whose weights are known."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.attacks.extraction.equations.curvature import Steps, derivatives, fewest, gradients, hidden_layer
from jaxattack.attacks.extraction.equations.families import ACTIVATIONS


def _network(features, hidden, equations, seed=0):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(hidden, features)) / features**0.5, rng.normal(size=hidden)
    return weight, bias, rng.normal(size=(equations, hidden)), rng.normal(size=equations)


def _stolen(network, noise, hidden, seed=1, *, coarse=False):
    """What is found of a network whose answers carry so much noise, and how many queries that took."""
    weight, bias, output, offset = network
    rng, asked = np.random.default_rng(seed), []

    def ask(u):
        asked.append(len(u))
        exact = np.tanh(u @ weight.T + bias) @ output.T + offset
        return exact + noise * rng.uniform(-1, 1, exact.shape)

    def points(count):
        u = rng.uniform(-0.7, 0.7, (count, weight.shape[1]))
        return u, ask(u)

    steps = Steps.of(noise, coarse)
    found, basis = gradients(ask, points, steps, hidden)
    layer = None if basis is None else hidden_layer(ask, found, basis, steps, "tanh", rng)
    return layer, sum(asked)


def _apart(layer, network):
    """The largest error of a weight, over units in the order and sign that fit best."""
    found = np.concatenate([layer.weight, layer.bias[:, None]], axis=1)
    truth = np.concatenate([network[0], network[1][:, None]], axis=1)
    both = np.concatenate([found, -found])
    return max(np.abs(both - unit).max(axis=1).min() for unit in truth)


@pytest.mark.parametrize("hidden", [None, 5])
def test_weights_and_their_number_come_out_of_exact_answers(hidden):
    network = _network(12, 5, 3)
    layer, asked = _stolen(network, 1e-15, hidden)
    assert layer is not None
    assert layer.weight.shape == (5, 12)
    assert _apart(layer, network) < 1e-2
    assert asked == fewest(12, 3, 5, coarse=False)


def test_coarse_answers_are_asked_for_to_both_sides():
    network = _network(12, 3, 3)
    layer, asked = _stolen(network, 1e-8, 3, coarse=True)
    assert layer is not None
    assert _apart(layer, network) < 0.1
    assert asked >= fewest(12, 3, 3, coarse=True)


def test_as_many_units_as_features_leave_no_span():
    layer, _ = _stolen(_network(4, 6, 3), 1e-15, None)
    assert layer is None


def test_answers_that_are_no_equations_show_nothing():
    rng = np.random.default_rng(0)
    points = lambda count: (rng.uniform(-1, 1, (count, 8)), np.full((count, 2), np.nan))  # noqa: E731
    _, basis = gradients(lambda u: np.full((len(u), 2), np.nan), points, Steps.of(1e-15, coarse=False), None)
    assert basis is None


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_the_unit_has_its_derivatives(activation):
    z, step = np.linspace(-3, 3, 13), 1e-5
    value, first, second = derivatives(activation, z)
    ahead, behind = derivatives(activation, z + step), derivatives(activation, z - step)
    np.testing.assert_allclose(value, ACTIVATIONS[activation](z), rtol=1e-6)
    np.testing.assert_allclose(first, (ahead[0] - behind[0]) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(second, (ahead[1] - behind[1]) / (2 * step), atol=1e-9)
