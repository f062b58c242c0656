"""Refinement: from a rough network to one that is exact to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.relu.relu_victims import network
from attacks.extraction.relu.test_piecewise_linear import unsigned

from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.piecewise_linear import PiecewiseLinear
from jaxattack.attacks.extraction.relu.refine import astride, longest_steps, points, refine
from jaxattack.attacks.search.lockstep import Task, run


def rough(net, seed=0, error=1e-6):
    """The network as it stands after a poor search."""
    rng = np.random.default_rng(seed)
    function, _ = unsigned(net, seed)
    off = PiecewiseLinear(*(field + error * rng.normal(size=field.shape) for field in function))
    return off._replace(normal=off.normal / np.linalg.norm(off.normal, axis=1)[:, None])


@pytest.mark.parametrize("sizes", [(20, 10, 1), (8, 20, 1), (2, 6, 1), (30, 12, 4), (6, 9, 2)])
def test_a_rough_network_becomes_exact(sizes):
    net = network(*sizes, seed=1)
    asked = []

    def ask(x):
        asked.append(len(x))
        return logits(net, x)

    function = rough(net)
    better = run(Task(refine(function, Noise(), np.random.default_rng(0)), ask))
    x = np.random.default_rng(3).normal(size=(200, sizes[0]))
    assert np.abs(function(x) - logits(net, x)).max() > 1e-7
    assert np.abs(better(x) - logits(net, x)).max() < 1e-11
    # A gradient a neuron and output, a few to spare, and four points a neuron where there are several outputs.
    features, neurons, outputs = sizes
    gradients = -(-(neurons + outputs) // outputs) + 4
    assert sum(asked) <= gradients * (features + 1) + (4 * neurons if outputs > 1 else 0)


def test_no_step_crosses_a_hyperplane_and_none_could_be_twice_as_long():
    function, _ = unsigned(network(20, 10, 1))
    for x in points(function, np.random.default_rng(0)):
        step = longest_steps(function, x)
        on = function.heights(x[None]) > 0
        assert (on == (function.heights(x + np.diag(step)) > 0)).all()
        ends = function.heights(x + np.diag(2.001 * step)) > 0
        crossed = (ends != on).any(axis=1)
        assert (crossed | np.isclose(np.abs(step), np.linalg.norm(x))).all()


def test_the_points_part_every_neuron_from_the_others():
    function, _ = unsigned(network(3, 12, 1))
    on = function.heights(points(function, np.random.default_rng(0))) > 0
    assert np.linalg.matrix_rank(np.column_stack([on, np.ones(len(on))])) == 13


def test_four_points_lie_on_both_sides_of_their_own_hyperplane_alone():
    function, _ = unsigned(network(12, 7, 2))
    found = astride(function, np.random.default_rng(0))
    on = function.heights(found.reshape(-1, 12)).reshape(7, 4, 7) > 0
    for neuron in range(7):
        assert list(on[neuron, :, neuron]) == [False, False, True, True]
        others = np.delete(on[neuron], neuron, axis=1)
        assert (others == others[0]).all()
