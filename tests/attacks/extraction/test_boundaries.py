"""Weights from directions and meeting points."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.attacks.extraction.boundaries import join, tree


def test_a_tree_takes_the_first_boundaries_that_close_no_cycle():
    own, other = np.array([0, 1, 2, 0, 3]), np.array([1, 2, 0, 3, 2])
    assert tree(own, other).tolist() == [0, 1, 3]


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_weights_are_found_up_to_a_factor_and_a_shift(classes):
    rng = np.random.default_rng(classes)
    weight = rng.standard_normal((classes, 5))
    own, other = np.arange(classes - 1), np.arange(1, classes)
    direction = (weight[own] - weight[other]) * rng.uniform(0.1, 10, (classes - 1, 1))
    # A point with two given classes equal: a random one, moved along the difference of their weights.
    pairs = np.array([(k, m) for k in range(classes) for m in range(k + 1, classes)])
    x = rng.standard_normal((len(pairs), 5))
    gap = weight[pairs[:, 0]] - weight[pairs[:, 1]]
    x -= (np.sum(x * gap, axis=1) / np.sum(gap**2, axis=1))[:, None] * gap
    found, fixed = join(direction, own, other, (x, *pairs.T), classes)
    assert fixed
    wanted = weight - weight.mean(axis=0, keepdims=True)
    assert np.allclose(found / np.linalg.norm(found), wanted / np.linalg.norm(wanted), atol=1e-9)


def test_scales_without_a_meeting_beyond_the_tree_are_open():
    direction = np.array([[1.0, 0, 0], [0, 2.0, 0]])
    own, other = np.array([0, 1]), np.array([1, 2])
    inside = np.array([[0.0, 1, 0]]), np.array([0]), np.array([1])
    found, fixed = join(direction, own, other, inside, 3)
    assert not fixed
    assert np.allclose([found[0] - found[1], found[1] - found[2]], [[1, 0, 0], [0, 1, 0]])


def test_a_class_without_a_boundary_gets_no_weight():
    found, fixed = join(
        np.array([[3.0, 4.0]]), np.array([0]), np.array([2]), (np.zeros((0, 2)), *[np.zeros(0, int)] * 2), 3
    )
    assert fixed
    assert np.allclose(found, [[0.3, 0.4], [0, 0], [-0.3, -0.4]])
