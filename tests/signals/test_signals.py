from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_softmax, logsumexp

from jaxattack import signals
from jaxattack.types import InputError

NAMES = (
    "phi",
    "correct",
    "loss",
    "hinge",
    "entropy",
    "modified_entropy",
    "softmax_t2",
    "taylor_t2",
    "softmax_t0.5",
    "taylor_t1",
)
CLASSES = 5
compute = jax.jit(signals.compute, static_argnums=0)
logits_of = lambda bound: arrays(np.float32, (4, CLASSES), elements=st.floats(-bound, bound, width=32))  # noqa: E731
Y = np.array([0, 4, 2, 1])


def naive(z, y):
    """Every signal a record at a time in float64, by its definition."""
    found = {name: [] for name in NAMES}
    for row, label in zip(np.asarray(z, np.float64), y, strict=True):
        others = np.delete(row, label)
        log_p = log_softmax(row)
        p = np.exp(log_p)
        # log(1 - p_k) as the mass of the other classes, so that nothing cancels.
        log_not = np.array([logsumexp(np.delete(log_p, k)) for k in range(len(row))])
        wrong = [k for k in range(len(row)) if k != label]
        found["phi"].append(row[label] - logsumexp(others))
        found["correct"].append(float(np.argmax(row) == label))
        found["loss"].append(-log_p[label])
        found["hinge"].append(row[label] - others.max())
        found["entropy"].append(-(p * log_p).sum())
        found["modified_entropy"].append(-np.exp(log_not[label]) * log_p[label] - (p[wrong] * log_not[wrong]).sum())
        for t in (2.0, 0.5):
            found[f"softmax_t{t:g}"].append(log_softmax(row / t)[label])
        for t in (2.0, 1.0):
            x = row / t - 0.6 * (np.arange(len(row)) == label)
            taylor = np.maximum(sum(x**k / np.prod(range(1, k + 1)) for k in range(4)), 1e-6)
            found[f"taylor_t{t:g}"].append(np.log(taylor[label]) - np.log(taylor.sum()))
    return {name: np.array(values) for name, values in found.items()}


def computed(z, y=Y):
    return {name: np.asarray(value) for name, value in compute(NAMES, jnp.asarray(z), jnp.asarray(y)).items()}


def assert_equal_to_naive(z, y=Y, atol=2e-5, names=NAMES):
    found, expected = computed(z, y), naive(z, y)
    for name in names:
        assert found[name].dtype == np.float32
        assert np.isfinite(found[name]).all(), name
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-5, atol=atol, err_msg=name)


SMOOTH = tuple(name for name in NAMES if not name.startswith("taylor"))


@given(z=logits_of(30))
def test_every_signal_equals_its_definition_in_float64(z):
    # Near -1.596 the Taylor polynomial crosses its floor, where float32 and float64 differ by more than rounding.
    assert_equal_to_naive(z, names=SMOOTH)


@given(z=logits_of(4))
def test_taylor_confidences_equal_their_definition_in_float64(z):
    assert_equal_to_naive(np.abs(z))


EXTREME = np.array(
    [
        [1e4, -1e4, 0, 3, -3],
        [1e4, -1e4, 0, 3, -3],
        [-1e4, -1e4, -1e4, -1e4, -1e4],
        [1e4, 1e4, -1e4, 0, 0],
    ],
    np.float32,
)


def test_extreme_logits_give_finite_signals_equal_to_their_definition():
    assert_equal_to_naive(EXTREME, atol=2e-3)
    assert_equal_to_naive(-EXTREME, atol=2e-3)


def test_large_common_offsets_lose_no_digits():
    # What float32 can hold exactly: multiples of 1/1024 up to 8192. Only the differences matter.
    z = np.random.default_rng(0).integers(-4096, 4096, (4, CLASSES)).astype(np.float32) / 1024
    assert_equal_to_naive(z + 4096, names=SMOOTH, atol=1e-4)


def test_confidence_and_loss_follow_from_phi():
    z = np.random.default_rng(1).normal(0, 3, (4, CLASSES)).astype(np.float32)
    phi = computed(z)["phi"].astype(np.float64)
    log_p = log_softmax(z.astype(np.float64), axis=1)[np.arange(4), Y]
    np.testing.assert_allclose(expit(phi), np.exp(log_p), rtol=1e-5)
    np.testing.assert_allclose(np.logaddexp(0, -phi), -log_p, rtol=1e-5)


def test_phi_does_not_saturate_where_probabilities_do():
    z = np.zeros((3, CLASSES), np.float32)
    z[:, 0] = [50, 500, 5000]
    np.testing.assert_allclose(computed(z, np.zeros(3, int))["phi"], z[:, 0] - np.log(4), rtol=1e-6)


@given(z=logits_of(20), shift=st.floats(-50, 50, width=32))
def test_a_shift_of_all_logits_changes_nothing_but_the_taylor_confidence(z, shift):
    # Multiples of a power of two, so that adding the shift is exact.
    z, shift = np.round(z * 64) / 64, np.round(shift * 64) / 64
    plain, moved = computed(z.astype(np.float32)), computed((z + shift).astype(np.float32))
    for name in ("phi", "hinge", "entropy", "modified_entropy", "softmax_t2"):
        np.testing.assert_allclose(moved[name], plain[name], rtol=1e-5, atol=5e-5, err_msg=name)
    np.testing.assert_array_equal(moved["correct"], plain["correct"])


@given(z=logits_of(20))
def test_the_order_of_the_other_classes_does_not_matter(z):
    order = np.array([0, 3, 1, 4, 2])
    first, second = computed(z, np.zeros(4, int)), computed(z[:, order], np.zeros(4, int))
    for name in NAMES:
        if name != "correct":  # a tie goes to the first class
            np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_entropies_of_a_uniform_and_of_a_sure_prediction():
    uniform = computed(np.zeros((4, CLASSES), np.float32))
    np.testing.assert_allclose(uniform["entropy"], np.log(5), rtol=1e-6)
    np.testing.assert_allclose(uniform["modified_entropy"], 0.8 * np.log(5) - 4 * 0.2 * np.log(0.8), rtol=1e-6)
    sure = np.full((4, CLASSES), -100, np.float32)
    sure[np.arange(4), Y] = 100
    np.testing.assert_allclose(computed(sure)["modified_entropy"], 0, atol=1e-6)
    assert (computed(sure, (Y + 1) % CLASSES)["modified_entropy"] > 100).all()


def test_two_classes_make_phi_the_difference_of_the_logits():
    z = np.random.default_rng(2).normal(0, 5, (6, 2)).astype(np.float32)
    found = computed(z, np.zeros(6, int))
    np.testing.assert_allclose(found["phi"], z[:, 0] - z[:, 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["hinge"], found["phi"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["confidence", "softmax", "softmax_t", "softmax_t0", "taylor_t-1", "taylor_t2.", "", "PHI"]
)
def test_an_unknown_signal_is_refused_in_a_sentence(name):
    with pytest.raises(InputError, match="give one of phi, correct") as caught:
        signals.lookup(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "close"), [("softmax_t2", 2.0000001), ("taylor_t2", 1e-07), ("noise_robustness_9_0.1", 0.1234567)]
)
def test_settings_that_differ_past_six_digits_have_names_of_their_own(name, close):
    """Signals are kept by their names: one was answered from what the other was."""
    signal = signals.lookup(name)
    field = next(one.name for one in dataclasses.fields(signal) if isinstance(getattr(signal, one.name), float))
    other = dataclasses.replace(signal, **{field: close})
    assert signal.name == name != other.name
    assert signals.lookup(other.name) == other


def test_correct_and_phi_are_always_kept():
    assert signals.ALWAYS == ("phi", "correct")
