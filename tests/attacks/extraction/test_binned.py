"""Bins and one-hot blocks by partial queries: edges to the resolution, weights exactly, and what cannot work refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_circles

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.binned import Binned
from jaxattack.oracle import budgeted, from_function
from jaxattack.oracle.pipeline import BinnedLogistic
from jaxattack.types import Access, InputError, Inputs


def _inputs(x, categories=None):
    counts = np.zeros(x.shape[1], int) if categories is None else np.asarray(categories)
    return Inputs(low=x.min(axis=0), high=x.max(axis=0), categories=counts)


def _centred(scores):
    return scores - scores.mean(axis=-1, keepdims=True)


def _equal(found, pipeline, queries):
    """The stolen pipeline answers alike on random records, a tenth of the features missing."""
    rng = np.random.default_rng(1)
    x = uniform(pipeline.inputs, queries, rng)
    x[rng.random(x.shape) < 0.1] = np.nan
    truth, answer = pipeline.oracle()(x), found.answer(x)
    np.testing.assert_array_equal(answer.label, truth.label)
    np.testing.assert_allclose(answer.probability, truth.probability, rtol=0, atol=1e-9)


def _mixed():
    """Two numbers and a category of three values, which decide the class together."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=600), rng.uniform(0, 5, 600), rng.integers(0, 3, 600)])
    y = ((x[:, 0] > 0).astype(int) + (x[:, 2] == 1)).astype(int)
    return x, y, _inputs(x, [0, 0, 3])


def test_a_pipeline_written_by_hand_is_read_off_exactly():
    pipeline = BinnedLogistic(
        edges=(np.array([0.25, 0.5]),),
        weights=(np.array([[1.0, -1.0], [0.0, 0.0], [-2.0, 2.0]]),),
        bias=np.array([0.5, -0.5]),
        inputs=Inputs.box(0, 1, (1,), missing=True),
    )
    found = Binned(resolution=2**-20)(pipeline.oracle())
    np.testing.assert_allclose(found.stolen.edges[0], [0.25, 0.5], atol=2**-20)
    np.testing.assert_allclose(found.stolen.weights[0], pipeline.weights[0], atol=1e-12)
    np.testing.assert_allclose(found.stolen.bias, pipeline.bias, atol=1e-12)
    assert found.notes["bins"] == [3]


def _repeating(low, high):
    """A number whose outer bins have the same weights, with another bin between; one with two bins, and one with a slope."""
    return BinnedLogistic(
        edges=(np.array([low, high]), np.array([0.37]), np.zeros(0)),
        weights=(
            np.array([[1.0, -1.0], [-2.0, 2.0], [1.0, -1.0]]),
            np.array([[0.4, 0.0], [0.0, 0.9]]),
            np.zeros((1, 2)),
        ),
        bias=np.array([0.3, -0.3]),
        inputs=Inputs.box(0, 1, (3,), missing=True),
        slopes=np.array([[0.0, 0.0], [0.0, 0.0], [0.7, -0.7]]),
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("low", [0.02, 0.2, 0.59, 0.9])
def test_a_bin_of_a_sixteenth_is_found_between_two_that_are_answered_alike(low, precision):
    pipeline = _repeating(low, low + 1 / 16 + 1e-6)
    access = Access(level="probability", classes=2, inputs=pipeline.inputs, precision=precision)
    exact = pipeline.oracle()
    found = Binned(resolution=1e-5)(from_function(lambda x: exact(x).probability.astype(precision), access))
    assert found.notes["bins"] == [3, 2, 1]
    np.testing.assert_allclose(found.stolen.edges[0], pipeline.edges[0], atol=1e-5)
    np.testing.assert_allclose(found.stolen.weights[0], pipeline.weights[0], atol=1e-5)
    np.testing.assert_allclose(found.stolen.slopes[2], pipeline.slopes[2], atol=1e-5)


def test_where_no_number_has_bins_one_that_moves_nothing_hides_none():
    one = np.zeros((1, 2))
    pipeline = BinnedLogistic(
        edges=(np.zeros(0),) * 3,
        weights=(one, one, one),
        bias=np.array([0.3, -0.3]),
        inputs=Inputs.box(0, 1, (3,), missing=True),
        slopes=np.array([[2.0, -2.0], [0.0, 0.0], [0.7, -0.7]]),
    )
    found = Binned()(pipeline.oracle())
    assert found.complete, found.reason


@pytest.mark.parametrize("high", [0.8, 0.30001])
def test_bins_between_two_that_are_answered_alike_may_be_missed_and_that_is_said(high):
    found = Binned()(_repeating(0.3, high).oracle())
    assert not found.complete
    assert found.reason == (
        "numbers that are answered alike in places that are apart (0) may have other bins between these, "
        "narrower than 1/16 of the range."
    )


@pytest.mark.parametrize(("data", "published"), [("circles", 278), ("iris", 644)])
def test_published_pipelines_cost_no_more_than_published_and_agree(data, published):
    x, y = (
        make_circles(2000, noise=0.1, factor=0.5, random_state=0) if data == "circles" else load_iris(return_X_y=True)
    )
    pipeline = BinnedLogistic.fit(x, y, _inputs(x))
    found = Binned()(pipeline.oracle())
    assert found.complete
    assert found.attack_cost.queries <= published
    for mine, edges, low, high in zip(found.stolen.edges, pipeline.edges, x.min(axis=0), x.max(axis=0), strict=True):
        np.testing.assert_allclose(mine, edges, rtol=0, atol=1e-7 * (high - low) / 2)
    _equal(found, pipeline, 100_000)


def test_a_number_that_never_changes_is_one_bin_and_no_category():
    x = np.ones((40, 2)) * [1.0, 7.5]
    x[:, 0] = np.arange(40)
    pipeline = BinnedLogistic.fit(x, np.arange(40) % 2, _inputs(x), bins=3)
    assert [len(weight) for weight in pipeline.weights] == [3, 1]
    assert np.isfinite(pipeline.logits(np.array([[3.0, 7.5], [np.nan, 99.0]]))).all()


def test_numbers_that_are_not_cut_into_bins_take_three_queries_each():
    x, y = load_digits(return_X_y=True)
    low, high = x.min(axis=0), x.max(axis=0)
    inputs = Inputs(low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(64, int))
    pipeline = BinnedLogistic.fit(x, y, inputs, bins=0)
    found = Binned()(pipeline.oracle())
    assert found.attack_cost.queries <= 1 + 3 * 64
    assert found.attack_cost.calls == 2
    np.testing.assert_allclose(found.stolen.slopes, _centred(pipeline.slopes), atol=1e-9)
    _equal(found, pipeline, 10_000)


def test_two_edges_within_one_coarse_gap_are_told_apart_though_their_features_are_asked_together():
    rng = np.random.default_rng(0)
    edges = tuple(np.sort(np.append(rng.uniform(0.1, 0.9, 3), [0.5, 0.5 + 2.0**-7])) for _ in range(9))
    pipeline = BinnedLogistic(
        edges=edges,
        weights=tuple(rng.normal(size=(6, 3)) for _ in range(9)),
        bias=rng.normal(size=3),
        inputs=Inputs.box(0, 1, (9,), missing=True),
    )
    found = Binned()(pipeline.oracle())
    assert found.notes["bins"] == [6] * 9
    np.testing.assert_allclose(found.stolen.edges, edges, rtol=0, atol=1e-7)
    _equal(found, pipeline, 10_000)


def test_bins_whose_sums_cannot_be_told_apart_are_asked_one_feature_at_a_time():
    """Two features with the same weights: moving one or the other over its edge scores alike."""
    weight = np.array([[1.0, -1.0], [-0.5, 0.5]])
    pipeline = BinnedLogistic(
        edges=(np.array([0.3]), np.array([0.61])),
        weights=(weight, weight),
        bias=np.zeros(2),
        inputs=Inputs.box(0, 1, (2,), missing=True),
    )
    found = Binned()(pipeline.oracle())
    np.testing.assert_allclose(found.stolen.edges, [[0.3], [0.61]], rtol=0, atol=1e-7)
    _equal(found, pipeline, 1000)


def test_a_victim_in_float32_is_asked_one_feature_at_a_time_and_read_off_too():
    x, y, inputs = _mixed()
    pipeline = BinnedLogistic.fit(x, y, inputs, bins=4)
    access = Access(level="probability", classes=3, inputs=pipeline.inputs, precision="float32")
    exact = pipeline.oracle()
    found = Binned(resolution=1e-4)(from_function(lambda q: exact(q).probability.astype(np.float32), access))
    assert found.notes["bins"] == [4, 4, 3]
    assert np.mean(found.answer(x).label == exact(x).label) == 1


def test_categories_and_missing_features_are_answered_alike():
    x, y, inputs = _mixed()
    pipeline = BinnedLogistic.fit(x, y, inputs)
    found = Binned()(pipeline.oracle())
    queries = uniform(inputs, 500, np.random.default_rng(1))
    queries[::7, 2] = np.nan
    queries[::11, 0] = np.nan
    assert np.mean(found.answer(queries).label == pipeline.oracle()(queries).label) > 0.995
    assert len(found.stolen.weights[2]) == 3


def test_a_rounded_victim_keeps_its_bins_where_they_are_further_apart_than_the_rounding():
    x, y, inputs = _mixed()
    exact = BinnedLogistic.fit(x, y, inputs)
    access = Access(level="probability", classes=3, inputs=exact.inputs, decimals=3)
    rounded = from_function(lambda queries: exact.oracle()(queries).probability.round(3), access)
    found = Binned()(rounded)
    assert np.mean(found.answer(x).label == exact.oracle()(x).label) > 0.97


def test_a_budget_that_ends_early_gives_coarser_edges_and_says_so():
    x, y, inputs = _mixed()
    pipeline = BinnedLogistic.fit(x, y, inputs)
    whole = Binned()(pipeline.oracle())
    oracle = budgeted(pipeline.oracle(), whole.attack_cost.queries // 2)
    found = Binned()(oracle)
    assert not found.complete
    assert "edges are not yet found" in found.reason
    assert np.mean(found.answer(x).label == pipeline.oracle()(x).label) > 0.8
    with pytest.raises(InputError, match="needs at least 8 queries"):
        Binned()(budgeted(pipeline.oracle(), 7))


def test_a_victim_that_needs_every_feature_is_refused():
    access = Access(level="probability", classes=2, inputs=Inputs.box(0, 1, (2,)))
    with pytest.raises(InputError, match="needs every feature"):
        Binned()(from_function(lambda x: np.full((len(x), 2), 0.5), access))


def test_a_negative_number_of_bins_is_refused():
    x, y, inputs = _mixed()
    with pytest.raises(InputError, match="bins is -1"):
        BinnedLogistic.fit(x, y, inputs, bins=-1)


@pytest.mark.parametrize("resolution", [0.0, 1.0, float("nan")])
def test_a_resolution_that_is_none_is_refused(resolution):
    with pytest.raises(InputError, match="resolution"):
        Binned(resolution=resolution)
