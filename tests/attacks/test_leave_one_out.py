"""Sums over all models but one against sums with the model deleted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from jaxattack.attacks.membership.leave_one_out import leave_one_out
from jaxattack.threads import map_threads, record_blocks


@pytest.mark.parametrize(("combine", "identity", "naive"), [(np.add, 0.0, np.sum), (np.logaddexp, -np.inf, logsumexp)])
def test_each_target_gets_the_sum_of_the_others(combine, identity, naive):
    values = np.random.default_rng(0).standard_normal((7, 5, 2))
    found = leave_one_out(combine, identity, values, np.array([5, 0, 6]))
    for row, target in zip(found, (5, 0, 6), strict=True):
        np.testing.assert_allclose(row, naive(np.delete(values, target, axis=0), axis=0), rtol=1e-12)


def test_a_targets_own_value_leaves_no_trace_however_large_it_is():
    values = np.random.default_rng(0).standard_normal((6, 4))
    loud = values.copy()
    loud[2] = 1e300
    targets = np.array([2])
    np.testing.assert_array_equal(
        leave_one_out(np.add, 0.0, values, targets), leave_one_out(np.add, 0.0, loud, targets)
    )


def test_blocks_cover_every_record_once():
    blocks = record_blocks(256, 50_000, 18)
    assert np.array_equal(np.concatenate([np.arange(50_000)[block] for block in blocks]), np.arange(50_000))
    assert len(record_blocks(5, 10, 1)) == 1
    assert map_threads(lambda block: block.start, blocks) == [block.start for block in blocks]
