from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax

from jaxattack.defences import ReverseSigmoid
from jaxattack.types import Answer, InputError


def bent(p, defence=ReverseSigmoid()):  # noqa: B008 (frozen)
    p = np.atleast_2d(np.asarray(p, np.float64))
    return defence.answer((), Answer(p.argmax(1), p), p, None).probability


def test_it_bends_as_the_authors_code_does():
    np.testing.assert_allclose(bent([0.9, 0.08, 0.02])[0], [0.682, 0.159, 0.159], atol=1e-3)


@given(st.integers(0, 2**30), st.floats(0, 1), st.floats(0.05, 4))
def test_it_is_the_formula_and_no_class_rises_above_the_label(seed, strength, slope):
    p = softmax(np.random.default_rng(seed).standard_normal((20, 5)) * 3, axis=1)
    label = p.argmax(1)
    answer = bent(p, ReverseSigmoid(strength=strength, slope=slope))
    # Record by record, class by class.
    for row, own, ours in zip(p, label, answer, strict=True):
        naive = [value - strength * (expit(slope * logit(value)) - 0.5) for value in row]
        naive = np.minimum(naive, naive[own])
        np.testing.assert_allclose(ours, naive / naive.sum(), atol=1e-9)
    assert (answer >= 0).all()
    np.testing.assert_allclose(answer.sum(1), 1)
    assert (answer.max(1) <= answer[np.arange(20), label] * (1 + 1e-12)).all()


def test_strength_0_changes_nothing_and_sure_answers_stay_finite():
    p = softmax(np.random.default_rng(0).standard_normal((4, 3)), axis=1)
    assert bent(p, ReverseSigmoid(strength=0.0)) is p or (bent(p, ReverseSigmoid(strength=0.0)) == p).all()
    sure = np.eye(3, dtype=np.float32)
    traced = jax.jit(lambda p: ReverseSigmoid().answer((), Answer(p.argmax(1), p), p, None).probability)(sure)
    np.testing.assert_allclose(traced, bent(sure), atol=1e-6)  # 1 - 0.45, and 0.45 each, scaled
    np.testing.assert_allclose(traced[0], np.array([0.55, 0.45, 0.45]) / 1.45, atol=1e-6)


@pytest.mark.parametrize("fields", [{"strength": 1.5}, {"strength": -0.1}, {"slope": 0.0}])
def test_values_out_of_range_are_refused(fields):
    with pytest.raises(InputError, match=f"{next(iter(fields))} is"):
        ReverseSigmoid(**fields)
