from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from jaxattack.oracle.likelihood_scale import other_scale

LOGITS = np.random.default_rng(0).normal(0, 3, (30, 5))
LOG_P = log_softmax(LOGITS, axis=1)


@pytest.mark.parametrize(
    ("scores", "what", "back"),
    [
        (100 * softmax(LOGITS, axis=1), "probabilities times 100", lambda z: z / 100),
        (0.5 * softmax(LOGITS, axis=1), "probabilities times 0.5", lambda z: z / 0.5),
        (LOG_P / np.log(10), "to base 10", lambda z: np.exp(2.302585 * z)),
        (LOG_P / np.log(2), "to base 2", lambda z: np.exp(0.693147 * z)),
        (-LOG_P, "negative logarithms", lambda z: np.exp(-z)),
        (-LOG_P / np.log(10), "negative logarithms of probabilities to base 10", lambda z: np.exp(-2.302585 * z)),
        (-LOG_P / np.log(2), "negative logarithms of probabilities to base 2", lambda z: np.exp(-0.693147 * z)),
    ],
)
def test_each_scale_is_told_and_its_remedy_gives_the_probabilities(scores, what, back):
    told = other_scale(scores)
    assert told is not None
    assert what in told[0]
    np.testing.assert_allclose(back(scores), softmax(LOGITS, axis=1), rtol=1e-4)


@pytest.mark.parametrize("steps", [255, 1000])
def test_confidences_of_a_quantised_network_are_told(steps):
    confidences = softmax(LOGITS, axis=1)
    scores = np.rint(steps * confidences)
    assert len(np.unique(scores.sum(axis=1))) > 1
    assert other_scale(scores) == (f"probabilities in whole numbers of {steps} in all", "divide each row by its sum")
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), confidences, atol=2 / steps)


@given(st.floats(10, 60), st.integers(2, 6), st.integers(0, 99))
def test_raw_outputs_of_a_quantised_network_are_not(spread, classes, seed):
    logits = np.random.default_rng(seed).normal(128, spread, (20, classes))
    assert other_scale(np.rint(logits).clip(0, 255)) is None


@pytest.mark.parametrize("classes", [3, 6, 10])
def test_raw_outputs_of_a_quantised_softmax_regression_are_not(classes):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, classes))
    weight -= weight.mean(axis=1, keepdims=True)  # as its training leaves them
    scores = np.rint(128 + 20 * rng.uniform(-1, 1, (20, 4)) @ weight)
    assert scores.min() >= 0
    assert scores.max() <= 255
    assert np.ptp(scores.sum(axis=1)) <= classes
    assert other_scale(scores) is None


@pytest.mark.parametrize(("classes", "zero", "bits"), [(3, 32, 8), (3, 85, 8), (6, 40, 8), (10, 25, 8), (3, 9000, 16)])
def test_raw_outputs_about_a_low_zero_point_are_told_as_either_and_whoever_says_so_is_believed(classes, zero, bits):
    """Three classes about 32 were taken for shares of 96 alone, and divided by their sums were no logits any more."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, classes))
    weight -= weight.mean(axis=1, keepdims=True)
    scores = np.rint(zero * (1 + 0.2 * rng.uniform(-1, 1, (20, 4)) @ weight))
    assert 0 < scores.min() <= scores.max() < 2**bits
    what, remedy = other_scale(scores)
    assert what.endswith(f", or raw outputs about a zero point of {zero}")
    assert remedy == f"divide each row by its sum, or subtract {zero}"
    assert other_scale(scores, stated=True) is None
    assert other_scale(scores - zero) is None


@pytest.mark.parametrize("zero", [128, 32768])
def test_raw_outputs_of_many_bits_are_no_shares_of_a_sum_that_their_numbers_do_not_hold(zero):
    """Of 16 bits, sums that are apart by the roundings of three classes are a thousandth of themselves apart."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 3))
    weight -= weight.mean(axis=1, keepdims=True)
    assert other_scale(np.rint(zero + 0.1 * zero * rng.uniform(-1, 1, (20, 4)) @ weight)) is None


@pytest.mark.parametrize("steps", [2**16 - 1, 2**31])
def test_fine_steps_are_told_of_few_records_too(steps):
    told = other_scale(np.rint(np.random.default_rng(1).dirichlet(np.ones(10), 5) * steps))
    assert told is not None
    assert f"{steps:.2g}"[:3] in told[0] or "probabilities times" in told[0]


def test_votes_are_told_whatever_their_number():
    votes = np.random.default_rng(0).multinomial(37, np.full(5, 0.2), 30).astype(float)
    assert other_scale(votes) == ("probabilities times 37", "divide them by 37")


def test_whole_numbers_of_two_classes_may_be_either_and_whoever_says_so_is_believed():
    z = np.random.default_rng(0).normal(0, 20, 30)
    for scores in (
        np.rint(128 + np.stack([z, -z], axis=1)),
        np.rint(256 * softmax(np.stack([z, -z], axis=1) / 20, axis=1)),
    ):
        what, remedy = other_scale(scores)
        assert what == "probabilities in whole numbers of 256 in all, or raw outputs about a zero point of 128"
        assert remedy == "divide each row by its sum, or subtract 128"
        assert other_scale(scores, stated=True) is None
        assert other_scale(scores - 128) is None  # which does not change what logits say
    assert other_scale(100 * softmax(LOGITS[:, :2], axis=1), stated=True) is not None


@given(st.floats(0.1, 30), st.floats(-50, 50), st.integers(2, 6), st.integers(0, 99))
def test_raw_outputs_natural_logarithms_and_constant_answers_are_not(spread, offset, classes, seed):
    logits = np.random.default_rng(seed).normal(offset, spread, (20, classes))
    assert other_scale(logits) is None
    assert other_scale(log_softmax(logits, axis=1)) is None
    assert other_scale(softmax(logits, axis=1)) is None
    assert other_scale(np.full((20, classes), 100 / classes)) is None
