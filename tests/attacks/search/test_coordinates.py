"""A victim in standard form, against what is written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.search.coordinates import Coordinates
from jaxattack.types import Inputs

NUMBERS = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(NUMBERS, st.floats(0.1, 1e3)), min_size=1, max_size=5), st.booleans())
def test_records_reach_the_ends_of_every_range(ranges, alike):
    low = np.array([start for start, _ in ranges])
    high = low + [width for _, width in ranges]
    where = Coordinates.of(Inputs(low=low, high=high, categories=np.zeros(len(low), int)), alike=alike)
    ends = where.records(np.stack([-where.reach, where.reach]))
    np.testing.assert_allclose(ends, [low, high], atol=1e-9)


def test_a_constant_is_asked_at_its_value_and_its_weight_is_zero():
    inputs = Inputs(
        low=np.array([[0.0, 7.0], [2.0, -1.0]]),
        high=np.array([[4.0, 7.0], [4.0, 1.0]]),
        categories=np.zeros((2, 2), int),
    )
    where = Coordinates.of(inputs)
    assert where.records(np.array([[0.5, 0.0, -1.0]])).tolist() == [[[3.0, 7.0], [3.0, -1.0]]]
    weight, bias = where.fold(np.array([[2.0, 1.0, 0.0]]), np.array([1.0]))
    assert weight.tolist() == [[1.0, 0.0, 1.0, 0.0]]
    assert bias.tolist() == [1.0 - 2.0 - 3.0]


@pytest.mark.parametrize("alike", [False, True])
def test_a_folded_layer_answers_records_as_it_answers_points(alike):
    rng = np.random.default_rng(0)
    low = rng.normal(size=5)
    where = Coordinates.of(
        Inputs(low=low, high=low + np.array([1, 0, 2, 3, 0.5]), categories=np.zeros(5, int)), alike=alike
    )
    u, weight, bias = rng.normal(size=(7, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    full, shift = where.fold(weight, bias)
    np.testing.assert_allclose(where.records(u) @ full.T + shift, u @ weight.T + bias)
