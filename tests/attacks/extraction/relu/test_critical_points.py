"""Kinks of random piecewise linear functions against where they are known to be."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.extraction.relu.relu_victims import network
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.relu.critical_points import Kinks, seek_kinks, tangents
from jaxattack.attacks.extraction.relu.intervals import Line
from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.search.lockstep import Task, run


def find_kinks(evaluate, origin, direction, grid, noise=Noise()) -> Kinks:  # noqa: B008  frozen
    return run(Task(seek_kinks(Line(origin, direction), grid, noise), evaluate))


def truth(net, origin, direction, reach=1e4):
    """Where the line crosses each neuron's hyperplane."""
    position = -(origin @ net.weights[0].T + net.biases[0]) / (direction @ net.weights[0].T)
    return np.sort(position[np.abs(position) < reach])


def naive(f, low, high):
    """One kink at a time: halve an interval until it is straight or tiny."""
    if high - low < 1e-7:
        return [(low + high) / 2]
    start, end = f(low), f(high)
    off = [f(low + share * (high - low)) - start - share * (end - start) for share in (0.3, 0.5, 0.62)]
    if max(map(abs, off)) < 1e-5 * (high - low):
        return []
    middle = low + 0.5003 * (high - low)
    return naive(f, low, middle) + naive(f, middle, high)


@given(st.integers(0, 10**6), st.sampled_from([(5, 4, 1), (20, 12, 1), (30, 40, 3), (3, 9, 2)]))
def test_all_kinks_of_a_line_are_found_and_no_others(seed, sizes):
    rng, net = np.random.default_rng(seed), network(*sizes, seed=seed)
    for line in rng.normal(size=(3, 2, sizes[0])):
        kinks = find_kinks(lambda x: logits(net, x), *line, tangents(2 * sizes[1] + 1, 1e4))
        wanted, found = truth(net, *line), kinks.position
        # Kinks that are too close, or bend too little, are reported or rare; what is found is a kink.
        assert np.all(np.diff(found) > 0)
        apart = np.abs(wanted[:, None] - found)
        assert np.all(apart.min(axis=0) <= kinks.error + 1e-9 * (1 + np.abs(found)))
        assert len(wanted) - len(found) <= 2 * len(kinks.unresolved)


def test_each_round_is_one_call():
    net, rng = network(30, 16, 1), np.random.default_rng(0)
    calls = []

    def evaluate(x):
        calls.append(len(x))
        return logits(net, x)

    for line in rng.normal(size=(4, 2, 30)):
        before = len(calls)
        find_kinks(evaluate, *line, tangents(33, 1e4))
        assert len(calls) - before <= 30
    assert sum(calls) <= 4 * 10 * 16


def test_the_search_agrees_with_halving_one_interval_after_another():
    net = network(6, 5, 1, seed=3)
    origin, direction = np.random.default_rng(2).normal(size=(2, 6))

    def f(t):
        return float(logits(net, (origin + t * direction)[None])[0, 0])

    kinks = find_kinks(lambda x: logits(net, x), origin, direction, np.linspace(-3, 3, 11))
    wanted = np.array(naive(f, -3.0, 3.0))
    np.testing.assert_allclose(kinks.position, wanted[np.append(True, np.diff(wanted) > 1e-5)], atol=1e-6)


def test_several_kinks_that_add_up_to_one_are_not_taken_for_it():
    # Outside of 0.3..0.4 the function is that of one kink at 0.1, where the answer agrees with both outer lines.
    def f(x):
        t = x[:, :1]
        return 3 * np.maximum(t - 0.3, 0) - 2 * np.maximum(t - 0.4, 0) + 0.0 * t

    kinks = find_kinks(f, np.zeros(1), np.ones(1), np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]))
    np.testing.assert_allclose(kinks.position, [0.3, 0.4], atol=1e-12)
    np.testing.assert_allclose(kinks.left[:, 0], [0, 3], atol=1e-12)
    np.testing.assert_allclose(kinks.right[:, 0], [3, 1], atol=1e-12)
    np.testing.assert_allclose(kinks.jump[:, 0], [3, -2], atol=1e-12)


def test_kinks_too_close_to_part_are_reported_as_not_resolved():
    def f(x):
        t = x[:, :1]
        return np.maximum(t - 0.3, 0) + np.maximum(t - 0.3 - 1e-5, 0) + 1

    line = np.zeros(1), np.ones(1), np.linspace(-1, 1, 9)
    assert len(find_kinks(f, *line).position) == 2
    coarse = find_kinks(f, *line, noise=Noise(2.0**-23))
    assert len(coarse.position) + len(coarse.unresolved) >= 1
    assert len(coarse.position) <= 1


def test_answers_that_are_not_finite_end_the_line_there():
    def f(x):
        t = x[:, :1]
        return np.where(t < 2, np.maximum(t - 0.3, 0) + 1, np.nan)

    kinks = find_kinks(f, np.zeros(1), np.ones(1), np.linspace(-3, 5, 17))
    np.testing.assert_allclose(kinks.position, [0.3], atol=1e-9)


def test_noise_is_given_up_instead_of_halved_for_ever():
    rng, calls = np.random.default_rng(0), []

    def f(x):
        calls.append(len(x))
        return rng.normal(size=(len(x), 1))

    kinks = find_kinks(f, np.ones(1), np.ones(1), np.linspace(-1, 1, 33))
    assert sum(calls) < 200 * 33
    assert len(kinks.unresolved) > len(kinks.position)


@pytest.mark.parametrize("points", [3, 10])
def test_an_affine_function_has_no_kinks(points):
    kinks = find_kinks(lambda x: x @ np.ones((4, 2)) + 3, *np.eye(4)[:2], tangents(points, 1e4))
    assert isinstance(kinks, Kinks)
    assert len(kinks.position) == len(kinks.unresolved) == 0
