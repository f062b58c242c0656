from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from jaxattack import signals
from jaxattack.audit.confidences import read_confidences
from jaxattack.types import InputError

RNG = np.random.default_rng(0)
NAMES = ("phi", "correct", "hinge", "entropy", "modified_entropy", "softmax_t2", "taylor_t2")
LABEL = RNG.integers(0, 4, 30)
LOGITS = RNG.normal(0, 2, (3, 30, 1, 4))

compute = jax.jit(signals.compute, static_argnames="names")


def read(kind, values, label=LABEL):
    """Every signal of the arrays, [model, record]."""
    made = [compute(NAMES, z[:, 0], label) for z in read_confidences("here", kind, np.asarray(values), label).logits()]
    return {name: np.stack([np.asarray(one[name]) for one in made]) for name in NAMES}


def same(ours, theirs, but=(), **tolerance):
    for name in set(NAMES) - {*but}:
        np.testing.assert_allclose(ours[name], theirs[name], err_msg=name, **tolerance)


def test_a_masked_class_counts_for_nothing():
    masked = LOGITS.copy()
    masked[..., 3] = -np.inf
    label = LABEL % 3
    same(read("logits", masked, label), read("logits", LOGITS[..., :3], label), ("taylor_t2",), rtol=1e-5, atol=1e-6)
    p = softmax(masked, axis=-1)
    same(read("probability", p, label), read("logits", LOGITS[..., :3], label), ("taylor_t2",), rtol=1e-4, atol=1e-5)
    assert np.isfinite(read("logits", masked, label)["taylor_t2"]).all()
    # A masked class was put above others that are further than ten thousand below the largest.
    far = 3e4 * masked
    same(read("logits", far, label), read("logits", far[..., :3], label), ("taylor_t2",), rtol=1e-5, atol=1e-6)


@given(st.lists(st.sampled_from([-np.inf, -800.0, -5.0, 0.0, 3.0, 800.0]), min_size=4, max_size=4), st.integers(0, 3))
def test_every_signal_is_finite_where_some_class_is_there(row, label):
    for dtype in (np.float16, np.float32, np.float64):
        z = np.array(row, dtype).reshape(1, 1, 1, 4)
        if np.isneginf(z).all():
            continue
        for kind, values in (("logits", z), ("probability", softmax(z.astype(np.float64), axis=-1).astype(dtype))):
            for name, signal in read(kind, values, np.array([label])).items():
                assert np.isfinite(signal).all(), (kind, dtype, name)


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        # One less than half a step: a p of 0 or 1 lies within half of what the file can tell apart.
        (np.array([1, 0, 0.3, 0.7], np.float64).reshape(2, 2), 0.05),
        (np.array([1, 0, 0.123, 0.877], np.float64).reshape(2, 2), 0.0005),
        (np.array([1, 0, 1 / 3, 2 / 3], np.float32).reshape(2, 2), np.finfo(np.float32).eps / 2),
        (np.array([1, 0, 1 / 3, 2 / 3], np.float16).reshape(2, 2), np.finfo(np.float16).eps / 2),
        (np.array([1, 0, 1e-30, 1], np.float32).reshape(2, 2), 0.5e-30),
    ],
)
def test_phi_of_0_and_1_is_bounded_by_what_the_file_tells_apart(values, bound):
    probability = values.reshape(1, 2, 1, 2)
    for label, sign in ((0, 1), (1, -1)):
        found = read_confidences("here", "probability", probability, np.array([label, 0]))
        assert found.saturated() == 1
        phi = read("probability", probability, np.array([label, 0]))["phi"][0, 0]
        assert phi == pytest.approx(-sign * np.log(bound), rel=1e-3)


def test_more_certain_answers_never_have_a_smaller_phi():
    z = np.linspace(-120, 120, 481)
    for dtype in (np.float16, np.float32, np.float64):
        p = softmax(np.stack([z, 0 * z, 0 * z - 1], axis=1), axis=1).astype(dtype)[None, :, None]
        phi = read("probability", p, np.zeros(481, int))["phi"][0]
        assert (np.diff(phi) >= 0).all(), dtype


@pytest.mark.parametrize(("dtype", "decimals"), [(np.float64, 2), (np.float64, 5), (np.float32, 3), (np.float16, None)])
def test_rounding_is_seen(dtype, decimals):
    p = softmax(LOGITS, axis=-1)
    p = p.astype(dtype) if decimals is None else p.round(decimals).astype(dtype)
    assert read_confidences("here", "probability", p, LABEL).decimals == decimals


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_precision_of_a_file_is_that_of_its_signals(dtype):
    p = softmax(LOGITS, axis=-1).astype(dtype)
    error = 40 * float(np.finfo(dtype).eps) + 1e-5
    same(read("probability", p), read("logits", log_softmax(LOGITS, axis=-1)), rtol=error, atol=error)


def test_answers_that_are_not_there_are_not_counted_as_certain():
    values = LOGITS.copy()
    values[0, 3, 0, 1], values[1, 4] = np.nan, -np.inf
    assert read_confidences("here", "logits", values, LABEL).saturated() == 0
    values[2, 5, 0, LABEL[5]] = -np.inf
    assert read_confidences("here", "logits", values, LABEL).saturated() == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (log_softmax(LOGITS, axis=-1) / np.log(10), "to base 10 in every row: multiply them by 2.302585"),
        (-log_softmax(LOGITS, axis=-1), "negative logarithms of probabilities in every row: change their sign"),
        (40 * softmax(LOGITS, axis=-1), "probabilities times 40 in every row: divide them by 40"),
        (np.where(np.arange(30)[:, None, None] < 4, softmax(LOGITS, axis=-1), LOGITS), "4 rows of 30 that are prob"),
    ],
)
def test_logits_that_are_none_are_refused(values, told):
    with pytest.raises(InputError, match=told):
        read_confidences("here", "logits", values, LABEL)
