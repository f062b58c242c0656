"""Signs of neurons: by least squares, as an integer program, and what is returned where neither tells."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.relu.relu_victims import network
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.relu.network import align, logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.piecewise_linear import (
    PiecewiseLinear,
    orientation,
    scatter,
    with_affine_neurons,
    with_signs,
)


def unsigned(net, seed=0):
    """A network as its kinks show it: normals of length 1 that point at random."""
    rng = np.random.default_rng(seed)
    (first, last), (inner, outer) = net
    against = rng.random(len(inner)) < 0.5
    sign, length = np.where(against, -1.0, 1.0), np.linalg.norm(first, axis=1)
    normal, offset = first * (sign / length)[:, None], inner * sign / length
    jump = (last * length).T
    slope = -(jump[against].T @ normal[against])
    return PiecewiseLinear(normal, offset, jump, slope, outer - offset[against] @ jump[against]), against


def every_sign(function):
    """All 2^h combinations; the one whose affine part fits best."""
    neurons = len(function.offset)
    best = None
    for number in range(2**neurons):
        against = np.array([number >> k & 1 for k in range(neurons)], bool)
        off = np.abs(function.slope + function.jump[against].T @ function.normal[against]).max()
        best = min(best, (off, number, against), key=lambda each: each[0]) if best else (off, number, against)
    return best[2]


@given(st.integers(0, 10**6), st.sampled_from([(5, 5, 1), (4, 7, 1), (3, 8, 2), (2, 7, 1)]))
def test_signs_are_those_that_trying_all_of_them_gives(seed, sizes):
    net = network(*sizes, seed=seed)
    function, against = unsigned(net, seed)
    assert (orientation(function, Noise()) == every_sign(function)).all()
    assert (orientation(function, Noise()) == against).all()


@pytest.mark.parametrize("sizes", [(20, 10, 1), (20, 50, 1), (6, 30, 3)])
def test_the_signed_network_is_the_network(sizes):
    net = network(*sizes, seed=4)
    function, _ = unsigned(net)
    x = np.random.default_rng(1).normal(size=(50, sizes[0]))
    np.testing.assert_allclose(function(x), logits(net, x), atol=1e-12)
    assert align(with_signs(function, orientation(function, Noise())), net).error < 1e-10


def test_far_more_neurons_than_equations_cannot_be_told_apart():
    function, _ = unsigned(network(4, 50, 1))
    assert orientation(function, Noise()) is None


@pytest.mark.parametrize("sizes", [(5, 30, 1), (5, 6, 3)])
def test_the_affine_part_as_further_neurons_leaves_the_function_as_it_is(sizes):
    function, _ = unsigned(network(*sizes))
    wide = with_affine_neurons(function)
    x = 10 * np.random.default_rng(1).normal(size=(50, sizes[0]))
    np.testing.assert_allclose(logits(wide, x), function(x), atol=1e-10)
    assert wide.sizes[1] == sizes[1] + 2 * min(sizes[0], sizes[2])


def test_scattered_inputs_turn_every_neuron_on_and_off_whatever_its_offset():
    net = network(30, 12, 1)
    function, _ = unsigned(net._replace(biases=(net.biases[0] + np.linspace(-20, 20, 12), net.biases[1])))
    on = function.heights(scatter(function, 200, np.random.default_rng(0))) > 0
    assert (on.mean(axis=0) > 0.3).all()
    assert (on.mean(axis=0) < 0.7).all()
