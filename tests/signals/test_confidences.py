"""Signals of confidences: equal to those of raw outputs where nothing was cut, and finite where much was."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack import signals
from jaxattack.signals.scores import TINY, completed
from jaxattack.types import Answer, InputError, Signal, sees

RNG = np.random.default_rng(3)
Z = RNG.standard_normal((40, 6)) * 4
Y = jnp.asarray(RNG.integers(0, 6, 40))
P = softmax(Z, axis=1)
NAMES = [name for name, signal in signals.SIGNALS.items() if sees(signal, "logit")] + ["softmax_t2", "taylor_t2"]
FROM_CONFIDENCES = [name for name in NAMES if sees(signals.lookup(name), "probability")]


class Shown:
    """A view that answers what it is given."""

    refuses = False

    def __init__(self, p, floor):
        self.p, self.floor = jnp.asarray(p, jnp.float32), floor

    def answer(self, x):
        return Answer(jnp.argmax(jnp.nan_to_num(self.p, nan=-1.0), axis=1), self.p)


def read(name, p, floor=TINY):
    return np.asarray(signals.lookup(name)(Shown(p, floor), None, Y, None))


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_is_a_hashable_value_of_its_name(name):
    signal = signals.lookup(name)
    assert isinstance(signal, Signal)
    assert signal.name == name
    assert signal.queries == 1
    assert hash(signal) == hash(signals.lookup(name))


@pytest.mark.parametrize("name", FROM_CONFIDENCES)
def test_exact_confidences_give_the_signal_of_raw_outputs(name):
    expected = signals.compute((name,), jnp.asarray(Z, jnp.float32), Y)[name]
    np.testing.assert_allclose(read(name, P), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", FROM_CONFIDENCES)
def test_rounded_confidences_give_finite_signals_that_differ_little_where_they_can(name):
    rounded = read(name, np.round(P, 2), 0.005)
    assert np.isfinite(rounded).all()
    assert np.corrcoef(rounded.ravel(), read(name, P).ravel())[0, 1] > 0.8


def test_phi_of_rounded_confidences_is_cut_at_half_a_step():
    p = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    found = np.asarray(signals.Phi()(Shown(p, 0.005), None, jnp.zeros(3, int), None))
    np.testing.assert_allclose(found, [-np.log(0.005), np.log(0.005), 0.0], rtol=1e-5, atol=1e-6)


def test_classes_that_are_left_out_share_what_remains():
    p = jnp.asarray([[0.7, np.nan, 0.2, np.nan], [0.25, 0.25, 0.25, 0.25]])
    np.testing.assert_allclose(completed(p), [[0.7, 0.05, 0.2, 0.05], [0.25] * 4], rtol=1e-5)


def test_a_shift_changes_the_taylor_confidence_so_that_confidences_are_not_enough():
    assert not sees(signals.lookup("taylor_t2"), "probability")
    assert sees(signals.Correct(), "label")
    assert not sees(signals.Phi(), "label")


def test_written_outputs_have_no_weights():
    with pytest.raises(InputError, match="needs the models"):
        _ = signals.Outputs(Z).variables


def test_a_label_whose_confidences_round_to_the_same_counts_where_nothing_refuses():
    even, refusing = Shown(np.full((40, 6), 1 / 6), TINY), Shown(np.full((40, 6), 1 / 6), TINY)
    refusing.refuses = True
    correct = signals.lookup("correct")
    np.testing.assert_array_equal(correct(even, None, jnp.zeros(40, int), None), 1)
    np.testing.assert_array_equal(correct(refusing, None, jnp.zeros(40, int), None), 0)
