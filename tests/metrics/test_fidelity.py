"""Fidelity against loops over queries, and against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from jaxattack.metrics.fidelity import (
    accuracy,
    agreement,
    align_rms,
    fidelity,
    gauge,
    linear_error,
    logit_error,
    total_variation,
)
from jaxattack.types import Answer, InputError


def answers(queries: int, classes: int, seed: int) -> tuple[Answer, Answer]:
    rng = np.random.default_rng(seed)
    f = rng.standard_normal((queries, classes))
    g = f + 0.3 * rng.standard_normal(f.shape)
    return Answer(f.argmax(1), softmax(f, axis=1), f), Answer(g.argmax(1), softmax(g, axis=1), g)


@given(st.integers(1, 20), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_every_scale_equals_a_loop_over_queries_and_classes(queries, classes, seed):
    victim, stolen = answers(queries, classes, seed)
    y = np.random.default_rng(seed).integers(classes, size=queries)
    found = fidelity(victim, stolen, y)
    equal, variations, largest = 0, [], 0.0
    for p, q, f, g in zip(victim.probability, stolen.probability, victim.logit, stolen.logit, strict=True):
        equal += p.argmax() == q.argmax()
        variations.append(sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2)
        shift = sum(g - f) / classes
        largest = max(largest, *(abs(b - a - shift) for a, b in zip(f, g, strict=True)))
    assert (found.agreements, found.queries) == (equal, queries)
    assert found.agreement == agreement(victim, stolen) == pytest.approx(1 - found.disagreement)
    assert found.variation_mean == pytest.approx(np.mean(variations))
    assert found.variation_max == pytest.approx(max(variations))
    assert found.logit_error == pytest.approx(largest)
    assert found.accuracy == sum(stolen.label == y) / queries
    assert found.victim_accuracy == accuracy(victim, y)


def test_a_case_worked_by_hand():
    victim = Answer(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    stolen = Answer(np.array([0, 0]), np.array([[0.6, 0.4], [0.7, 0.3]]))
    found = fidelity(victim, stolen)
    assert (found.agreement, found.disagreement) == (0.5, 0.5)
    assert found.variation_mean == pytest.approx(0.4)
    assert found.variation_max == pytest.approx(0.5)
    assert (found.logit_error, found.accuracy, found.victim_accuracy) == (None, None, None)
    # Clopper-Pearson for 1 of 2: 1 - sqrt(1 - tail) and sqrt(1 - tail).
    assert found.interval == pytest.approx((1 - np.sqrt(0.975), np.sqrt(0.975)))


def test_equal_answers_agree_wholly_and_the_interval_ends_at_one():
    victim, _ = answers(1000, 3, 0)
    found = fidelity(victim, victim)
    assert (found.disagreement, found.variation_max, found.logit_error) == (0.0, 0.0, 0.0)
    assert found.interval == (pytest.approx(0.025 ** (1 / 1000)), 1.0)


def test_a_shift_shared_by_classes_is_no_difference_between_logits():
    victim, _ = answers(50, 4, 1)
    shifted = Answer(victim.label, None, victim.logit + np.arange(50.0)[:, None])
    found = fidelity(victim, shifted)
    assert found.logit_error < 1e-13
    assert found.variation_max < 1e-13


def test_a_single_output_is_compared_as_it_is():
    zeros = np.zeros(3, int)
    victim, stolen = Answer(zeros, None, np.zeros((3, 1))), Answer(zeros, None, np.full((3, 1), 0.25))
    found = fidelity(victim, stolen)
    assert found.logit_error == 0.25
    assert (found.variation_mean, found.variation_max) == (None, None)


def test_labels_alone_give_agreement_alone():
    _, stolen = answers(5, 3, 2)
    found = fidelity(Answer(stolen.label), stolen)
    assert found.agreement == 1.0
    assert (found.variation_mean, found.variation_max, found.logit_error) == (None, None, None)


def test_withheld_classes_count_as_one_class():
    p = np.array([[0.5, 0.3, np.nan, np.nan], [0.4, 0.3, 0.2, 0.1]])
    q = np.array([[0.4, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4]])
    # First query: known (.5, .3 | .2 for the rest) against (.4, .2 | .4).
    np.testing.assert_allclose(total_variation(p, q), [(0.1 + 0.1 + 0.2) / 2, 0.4])
    np.testing.assert_allclose(total_variation(q, p), total_variation(p, q))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_withholding_classes_only_lowers_the_total_variation(seed, top):
    victim, stolen = answers(10, 4, seed)
    p = victim.probability.copy()
    np.put_along_axis(p, np.argsort(p, axis=1)[:, : 4 - top], np.nan, axis=1)
    whole = total_variation(victim.probability, stolen.probability)
    assert (total_variation(p, stolen.probability) <= whole + 1e-12).all()


def test_withheld_logits_are_left_out_of_the_shift_and_of_the_error():
    f = np.array([[5.0, 3.0, np.nan], [np.nan, np.nan, 1.0]])
    g = np.array([[6.0, 4.0, -70.0], [1.0, 2.0, 3.0]])
    assert logit_error(Answer(np.zeros(2, int), None, f), Answer(np.zeros(2, int), None, g)) == 0.0


def test_a_model_that_answers_nan_is_not_taken_for_a_faithful_one():
    victim, stolen = answers(6, 4, 2)
    for part in (stolen.probability, stolen.logit):
        part[:2] = np.nan
    found = fidelity(victim, stolen)
    assert found.variation_max == 1.0
    assert found.variation_mean > 2 / 6
    assert found.logit_error is None


def test_the_gauge_changes_parameters_and_not_the_softmax():
    rng = np.random.default_rng(3)
    weight, bias, x = rng.standard_normal((6, 4)), rng.standard_normal(4), rng.standard_normal((9, 6))
    w, b = gauge(weight, bias)
    np.testing.assert_allclose(w.sum(axis=1), 0, atol=1e-14)
    assert abs(b.sum()) < 1e-14
    np.testing.assert_allclose(softmax(x @ w + b, axis=1), softmax(x @ weight + bias, axis=1), atol=1e-14)


def test_linear_errors_ignore_what_the_softmax_cannot_show():
    rng = np.random.default_rng(4)
    weight, bias = rng.standard_normal((6, 4)), rng.standard_normal(4)
    moved = (weight + rng.standard_normal((6, 1)), bias + 3.0)
    assert linear_error(moved, (weight, bias)).largest < 1e-14
    change = np.zeros((6, 4))
    change[2, :2] = 0.5, -0.5
    found = linear_error((moved[0] + change, moved[1]), (weight, bias))
    assert found.largest == pytest.approx(0.5)
    assert found.rms == pytest.approx(np.sqrt(0.5 / 28))


def test_a_single_output_has_no_gauge():
    weight, bias = np.ones((3, 1)), np.zeros(1)
    assert linear_error((weight + 1, bias), (weight, bias)).largest == 1.0


def test_projections_are_compared_up_to_a_change_of_basis():
    rng = np.random.default_rng(5)
    truth, change = rng.standard_normal((80, 6)), rng.standard_normal((6, 6))
    assert align_rms(truth @ change, truth) < 1e-13
    # Column k of the truth is out of reach of the others: what is left is its part orthogonal to them.
    missing = truth[:, 1:]
    rest = truth[:, 0] - missing @ np.linalg.lstsq(missing, truth[:, 0], rcond=None)[0]
    assert align_rms(missing, truth) == pytest.approx(np.sqrt((rest**2).sum() / truth.size))


def test_noise_is_measured_in_the_units_of_the_truth():
    rng = np.random.default_rng(6)
    truth = 100 * rng.standard_normal((5000, 4))
    assert align_rms(truth + 1e-3 * rng.standard_normal(truth.shape), truth) == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a, b: fidelity(a, b.take(slice(2))), "labels have shapes"),
        (lambda a, b: agreement(a.take([]), b.take([])), "at least one"),
        (lambda a, b: accuracy(a, np.zeros(2, int)), "one for each query"),
        (lambda a, b: total_variation(a.probability, b.probability[:, :2]), "probabilities have shapes"),
        (lambda a, b: logit_error(a, Answer(b.label, None, b.logit[:, :2])), "the same classes"),
        (lambda a, b: linear_error((a.logit, a.logit[0]), (a.logit[:1], a.logit[0])), "parameters have shapes"),
        (lambda a, b: align_rms(a.logit, b.logit[:2]), "projections have shapes"),
        (lambda a, b: align_rms(np.full((5, 2), np.nan), np.ones((5, 2))), "holds NaN"),
    ],
)
def test_answers_that_cannot_be_compared_are_refused(ask, message):
    with pytest.raises(InputError, match=message):
        ask(*answers(4, 3, 7))
