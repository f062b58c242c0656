"""Which columns of a feature map vary, and victims of categories of many values."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.extraction import Softmax, uniform
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.oracle import from_function
from jaxattack.types import Access, Inputs

COUNT = np.array([0, 40, 15, 1, 0, 2])
INPUTS = Inputs(low=np.zeros(6), high=np.array([1.0, 39, 14, 0, 0, 1]), categories=COUNT)
ACCESS = Access(level="probability", classes=3, inputs=INPUTS)


@pytest.mark.parametrize("features", ["linear", "logarithm", "quadratic"])
def test_every_value_of_a_category_and_every_two_values_have_a_column_that_varies(features):
    # Feature 3 has one value and feature 4 a range of none: all but theirs vary, and products within one category do not.
    owner = np.repeat(np.arange(6), np.where(COUNT, COUNT - 1, 1))
    varies = owner != 4
    if features == "quadratic":
        left, right = np.tril_indices(len(owner))
        products = (left != right) | (COUNT[owner[left]] == 0)
        left, right = left[products], right[products]
        apart = (owner[left] != owner[right]) | (left == right)
        varies = np.concatenate([varies, varies[left] & varies[right] & apart])
    np.testing.assert_array_equal(Columns.of(features, ACCESS).varies, varies)


def test_products_of_a_category_of_a_thousand_values_are_not_tried_one_by_one():
    inputs = Inputs(low=np.zeros(2), high=np.array([1.0, 999]), categories=np.array([0, 1000]))
    begin = time.process_time()
    varies = Columns.of("quadratic", Access(level="label", classes=2, inputs=inputs)).varies
    assert varies.sum() == 1000 + 1000  # and the number's products with all and itself
    assert time.process_time() - begin < 30  # half a million columns of a million records would take more


def test_the_square_of_a_number_of_two_values_varies_as_little_as_it_does():
    inputs = Inputs(low=np.zeros(2), high=np.array([1.0, 2]), categories=np.zeros(2, int), whole=True)
    varies = Columns.of("quadratic", Access(level="label", classes=2, inputs=inputs)).varies
    assert varies.tolist() == [True, True, False, True, True]


def test_a_regression_on_a_category_of_many_values_comes_out_exactly():
    rng = np.random.default_rng(0)
    code = [np.eye(count) if count else None for count in COUNT]
    weight = [rng.normal(size=(count or 1, 3)) for count in COUNT]

    def answer(x):
        blocks = [x[:, [i]] if one is None else one[x[:, i].astype(int)] for i, one in enumerate(code)]
        return softmax(sum(block @ w for block, w in zip(blocks, weight, strict=True)), axis=1)

    x = uniform(INPUTS, 2000, rng)
    for queries in (600, None):
        attack = Softmax(queries=queries)
        stolen = attack(from_function(answer, ACCESS))
        assert stolen.complete, stolen.reason
        np.testing.assert_allclose(stolen.answer(x).probability, answer(x), atol=1e-9)
    assert stolen.cost.queries == attack.needs(ACCESS) + stolen.verdict.trials  # no query more than there are unknowns


def test_a_regression_on_categories_comes_out_where_answers_are_saturated():
    inputs = Inputs(low=np.zeros(2), high=np.array([30.0, 19]), categories=np.array([0, 20]))
    access = Access(level="probability", classes=2, inputs=inputs)
    weight = np.random.default_rng(0).normal(0, 5, size=20)

    def answer(x):
        z = x[:, 0] - 15 + weight[x[:, 1].astype(int)]
        return softmax(np.stack([0 * z, z], axis=1), axis=1)

    stolen = Softmax()(from_function(answer, access))
    assert stolen.complete, stolen.reason


def test_whole_numbers_of_two_values_are_asked_in_independent_queries():
    inputs = Inputs(low=np.zeros(12), high=np.ones(12), categories=np.zeros(12, int), whole=True)
    access = Access(level="probability", classes=3, inputs=inputs)
    weight = np.random.default_rng(0).normal(size=(12, 3))
    stolen = Softmax()(from_function(lambda x: softmax(x @ weight, axis=1), access))
    assert stolen.complete, stolen.reason
