"""Thresholds along segments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.search.bisect import OCTAVES, along, bisect
from jaxattack.types import BudgetSpent


class Thresholds:
    """One feature; 1 above its threshold. A second feature chooses the threshold."""

    def __init__(self, thresholds: np.ndarray, calls: int = 10**9) -> None:
        self.thresholds, self.queries, self.calls = thresholds, 0, calls

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if not self.calls:
            raise BudgetSpent("spent", left=0)
        self.calls -= 1
        self.queries += len(x)
        return (x[:, 0] > self.thresholds[x[:, 1].astype(int)]).astype(np.int64)


def segments(count: int) -> tuple[np.ndarray, np.ndarray]:
    which = np.arange(count, dtype=float)
    return np.stack([np.zeros(count), which], axis=1), np.stack([np.ones(count), which], axis=1)


@given(st.lists(st.floats(1e-9, 2.0), min_size=1, max_size=8), st.integers(2, 30))
def test_every_threshold_is_found_to_its_relative_precision(thresholds, bits):
    victim = Thresholds(np.array(thresholds))
    start, end = segments(len(thresholds))
    found = bisect(victim, start, end, np.zeros(len(thresholds), int), bits, octaves=OCTAVES)
    inside = victim.thresholds < 1
    assert (found.reached == inside).all()
    assert np.allclose(found.share[inside], victim.thresholds[inside], rtol=2.0**-bits, atol=0)
    assert (found.share[~inside] == 1).all()
    assert victim.queries == len(thresholds) + inside.sum() * (bits + OCTAVES)


def test_the_label_beyond_is_told():
    def ask(x):
        return np.select([x[:, 0] < 0.25, x[:, 0] < 0.75], [0, 1], 2)

    found = bisect(ask, np.zeros((1, 1)), np.ones((1, 1)), np.zeros(1, int), 20, octaves=OCTAVES)
    assert found.label.tolist() in ([1], [2])
    assert np.isclose(found.share[0], 0.25 if found.label[0] == 1 else 0.75, atol=1e-5)


def test_a_spent_budget_leaves_what_was_narrowed():
    victim = Thresholds(np.array([0.3]), calls=1 + OCTAVES)
    found = bisect(victim, *segments(1), np.zeros(1, int), 20, octaves=OCTAVES)
    assert found.refusal is not None
    assert 0.15 < found.share[0] < 0.6


def test_a_budget_spent_before_the_ends_is_not_caught():
    with pytest.raises(BudgetSpent):
        bisect(Thresholds(np.array([0.3]), calls=0), *segments(1), np.zeros(1, int), 20, octaves=OCTAVES)


def test_along_meets_both_ends():
    start, end = segments(3)
    assert (along(start, end, np.zeros(3)) == start).all()
    assert (along(start, end, np.ones(3)) == end).all()


def test_known_ends_are_not_asked_and_records_keep_their_shape():
    sizes = []

    def ask(x):
        sizes.append(x.shape)
        return (x.sum(axis=(1, 2)) > 1).astype(np.int64)

    start, end = np.zeros((2, 2, 2)), np.ones((2, 2, 2))
    found = bisect(ask, start, end, np.zeros(2, int), 10, label=np.array([1, 0]))
    assert sizes == [(1, 2, 2)] * 10
    # The sum is 4 at the end, so it passes 1 at a quarter.
    assert found.low[0] <= 0.25 <= found.high[0] == found.low[0] + 2**-10
    assert found.share[1] == 1
    assert not found.reached[1]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5), st.integers(1, 20))
def test_each_segment_ends_as_it_would_alone(thresholds, bits):
    together = bisect(
        Thresholds(np.array(thresholds)), *segments(len(thresholds)), np.zeros(len(thresholds), int), bits
    )
    for place, threshold in enumerate(thresholds):
        low, high = 0.0, 1.0
        for _ in range(bits if threshold < 1 else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if middle > threshold else (middle, high)
        assert together.share[place] == ((low + high) / 2 if threshold < 1 else 1)
