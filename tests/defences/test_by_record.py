from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from jaxattack.defences import by_record

X = np.random.default_rng(0).standard_normal((2000, 7))


def naive(row, salt):
    """One record, in whole numbers of Python."""
    m = 0xFFFFFFFF

    def mix(h):
        h = ((h ^ (h >> 16)) * 0x85EBCA6B) & m
        h = ((h ^ (h >> 13)) * 0xC2B2AE35) & m
        return h ^ (h >> 16)

    total = 0
    for place, word in enumerate(np.asarray(row, np.float32).view(np.uint32).tolist(), 1):
        at = (place * 0x9E3779B9) & m
        total += mix((word + at) & m) * (mix((at + salt) & m) | 1)
    return mix(total & m)


def test_the_hash_is_that_of_python_and_the_same_in_numpy_and_jax():
    found = by_record.hashed(X[:5], 12345)
    assert found.tolist() == [naive(row, 12345) for row in X[:5]]
    traced = by_record.hashed(jnp.asarray(X[:5], jnp.float32), jnp.uint32(12345))
    np.testing.assert_array_equal(found, traced)
    np.testing.assert_allclose(by_record.normal(found, 4), by_record.normal(traced, 4), rtol=1e-4, atol=1e-5)


def test_zero_and_minus_zero_are_one_record_and_bytes_are_their_numbers():
    np.testing.assert_array_equal(by_record.hashed(np.zeros((1, 3)), 0), by_record.hashed(-np.zeros((1, 3)), 0))
    np.testing.assert_array_equal(
        by_record.hashed(np.full((1, 3), 7, np.uint8), 0), by_record.hashed(np.full((1, 3), 7.0), 0)
    )


def test_near_records_and_other_secrets_hash_apart():
    moved = X.copy()
    moved[:, 3] = np.nextafter(np.float32(moved[:, 3]), np.float32(9))
    hashes = [by_record.hashed(X, 1), by_record.hashed(moved, 1), by_record.hashed(X, 2)]
    assert len(np.unique(np.concatenate(hashes))) > 5990
    bits = [(h[:, None] >> np.arange(32, dtype=np.uint32)) & 1 for h in hashes]
    for other in bits[1:]:
        assert (bits[0] != other).mean() == pytest.approx(0.5, abs=0.01)


def test_numbers_of_records_are_uniform_and_normal_and_independent():
    h = by_record.hashed(X, 3)
    assert kstest(by_record.uniform(h, 3).ravel(), "uniform").pvalue > 0.01
    normal = by_record.normal(h, 3)
    assert kstest(normal.ravel(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(normal.T) - np.eye(3)).max() < 0.08
