"""The order of the records: `shuffled` against what a random permutation must be."""

import jax
import numpy as np
import pytest

from jaxattack.training.single import shuffle


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1000, 70_000])
def test_it_is_a_permutation_that_depends_on_the_key(count):
    first, second = (np.asarray(shuffle(jax.random.key(seed), count)) for seed in (0, 1))
    np.testing.assert_array_equal(np.sort(first), np.arange(count))
    assert count < 10 or (first != second).mean() > 0.9


def test_every_record_is_as_likely_at_every_place():
    draws, count = 20_000, 8
    orders = np.asarray(jax.vmap(lambda key: shuffle(key, count))(jax.random.split(jax.random.key(0), draws)))
    seen = np.stack([(orders == record).mean(axis=0) for record in range(count)])
    np.testing.assert_allclose(seen, 1 / count, atol=5 * np.sqrt(1 / count / draws))


def test_every_pair_is_as_likely_in_either_order_even_where_random_bits_tie():
    # With 15 bits of index there are 17 random bits: among 20,000 records one in seven shares its own with another.
    draws, count = 200, 20_000
    orders = np.asarray(jax.lax.map(lambda key: shuffle(key, count), jax.random.split(jax.random.key(2), draws)))
    place = np.argsort(orders, axis=1)
    pairs = np.random.default_rng(0).integers(0, count, (300, 2))
    before = (place[:, pairs[:, 0]] < place[:, pairs[:, 1]]).mean(axis=0)
    apart = pairs[:, 0] != pairs[:, 1]
    assert np.abs(before[apart] - 0.5).max() < 5 * 0.5 / np.sqrt(draws)
    neighbours = np.abs(np.diff(orders, axis=1))
    assert (np.diff(orders, axis=1) > 0).mean() == pytest.approx(0.5, abs=0.01)
    assert neighbours.mean() == pytest.approx(count / 3, rel=0.01)
