"""The distance of gradients, the roughness of pictures, and records matched to those made back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.inversion.gradient import (
    match_records,
)
from jaxattack.attacks.inversion.gradient.matching import cosine, squared, statistics, total_variation


def test_distances_are_those_of_the_two_long_vectors():
    rng = np.random.default_rng(0)
    trees = [
        {"a": rng.normal(size=(3, 2)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)} for _ in range(2)
    ]
    u, v = (np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]) for tree in trees)
    assert cosine(*trees) == pytest.approx(1 - u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-6)
    assert squared(*trees) == pytest.approx(((u - v) ** 2).sum() / (v**2).sum(), rel=1e-5)
    assert cosine(trees[0], trees[0]) == pytest.approx(0, abs=1e-6)
    zero = jax.tree.map(np.zeros_like, trees[0])
    assert np.isfinite(jax.tree.leaves(jax.grad(cosine)(zero, trees[1]))[0]).all()


def test_total_variation_counts_a_step_once():
    x = np.zeros((1, 4, 5, 1), np.float32)
    x[:, 2:] = 3.0
    assert total_variation(jnp.asarray(x)) == pytest.approx(3 / 3)


def test_statistics_are_compared_in_units_of_what_was_sent():
    assert statistics({"mean": jnp.array([2.0, 2.0])}, {"mean": jnp.array([1.0, 2.0])}) == pytest.approx(1 / 5)
    assert statistics({}, {}) == 0


def test_records_are_matched_whatever_their_order():
    rng = np.random.default_rng(0)
    truth, order = rng.random((6, 4, 4, 1)), rng.permutation(6)
    found = truth[order] + 0.01
    np.testing.assert_allclose(found[match_records(found, truth)], truth + 0.01)
