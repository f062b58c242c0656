"""Upper bounds: golden values of the accountants, and what is known in closed form."""

from __future__ import annotations

import math
import sys

import pytest
from scipy.stats import binom

from jaxattack.audit import accountant
from jaxattack.metrics.epsilon import gaussian_epsilon
from jaxattack.training.learners import DPSGD
from jaxattack.types import InputError

pytest.importorskip("dp_accounting")

GOLDEN = [
    (60_000, 256, 60, 1.1, 1e-5, 2.597, 2.382),
    (25_000, 256, 100, 0.8, 1e-5, 11.094, 10.199),
    (1500, 128, 50, 2.91, 1e-5, 3.406, 3.131),
    (1500, 128, 50, 2.91, 1 / 1500, 2.569, 2.268),
    (1200, 50, 30, 1.0, 1e-4, 7.182, 6.425),
    (898, 64, 30, 1.0, 1e-3, 8.482, 7.364),
]


@pytest.mark.parametrize(("records", "batch", "epochs", "noise", "delta", "rdp", "pld"), GOLDEN)
def test_golden_values_of_both_accountants(records, batch, epochs, noise, delta, rdp, pld):
    steps = math.ceil(epochs * records / batch)
    tight, loose = accountant.poisson(noise, batch / records, steps, delta)
    assert tight.epsilon == pytest.approx(pld, abs=0.002)
    assert loose.epsilon == pytest.approx(rdp, abs=0.002)


def test_at_rate_1_the_tight_accountant_is_the_gaussian_mechanism():
    tight, loose = accountant.poisson(2.0, 1.0, 4, 1e-5)
    assert tight.epsilon == pytest.approx(gaussian_epsilon(1.0, 1e-5), rel=1e-3)
    assert loose.epsilon > tight.epsilon


@pytest.mark.parametrize(("noise", "epsilon"), [(1.0, 37.6), (2.0, 14.8)])
def test_without_amplification(noise, epsilon):
    assert accountant.shuffling(noise, 30, 1e-5).epsilon == pytest.approx(epsilon, abs=0.1)
    assert accountant.shuffling(0.0, 30, 1e-5).epsilon == math.inf


def test_what_a_step_has_no_room_for_is_paid_out_of_delta():
    slots, batch = 1000, 64
    room = DPSGD().room(slots, batch)
    lost = accountant.overflow(slots, batch, room)
    assert lost == pytest.approx(
        sum(binom.pmf(count, slots - 1, batch / slots) for count in range(room, slots)), rel=1e-6
    )
    assert 0 < lost < 1e-11
    assert accountant.overflow(10, 10, 10) == 0
    exact, _ = accountant.poisson(1.0, batch / slots, 100, 1e-5)
    less, _ = accountant.poisson(1.0, batch / slots, 100, 1e-5, overflow=5e-8)
    assert exact.epsilon < less.epsilon
    half, _ = accountant.poisson(1.0, batch / slots, 100, 5e-6)
    assert less.epsilon == pytest.approx(half.epsilon, rel=1e-6)
    assert accountant.poisson(1.0, 0.1, 100, 1e-5, overflow=1e-7)[0].epsilon == math.inf


def test_without_noise_there_is_no_bound_and_nonsense_is_refused():
    assert accountant.poisson(0.0, 0.1, 10, 1e-5)[0].epsilon == math.inf
    with pytest.raises(InputError, match="no training"):
        accountant.poisson(1.0, 0.0, 10, 1e-5)


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(InputError, match=r"needs dp-accounting: pip install "):
        accountant.require_accountant()
