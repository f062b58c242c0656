"""Upper bounds on the epsilon of DP-SGD, from what its steps do: the accountants of `dp-accounting` (extra `private`).

A step of `jaxattack.training.learners.dp_sgd` is a Gaussian mechanism on a Poisson sample, with the noise multiplier as its
standard deviation and one record added or removed as its neighbour. PLD is the tighter accountant, RDP the older one.

A step has room for so many records. With some probability the other records alone fill it, and what a step then says of one
more record is not accounted for: that probability, once for each step, is taken from delta. It does not depend on the
record, so that the bound holds at delta as it is asked for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import binom

from jaxattack.absl_log import without_warnings
from jaxattack.metrics.epsilon import gaussian_epsilon
from jaxattack.release import installation
from jaxattack.types import InputError


class Upper(NamedTuple):
    """An upper bound on epsilon.

    Attributes:
        name: the accountant, and the sampling it assumes.
        epsilon: infinite where there is none.
    """

    name: str
    epsilon: float


def overflow(slots: int, batch: int, room: int) -> float:
    """The probability that the other slots alone fill the room of a step."""
    return float(binom.sf(room - 1, slots - 1, batch / slots))


def poisson(noise: float, rate: float, steps: int, delta: float, overflow: float = 0.0) -> tuple[Upper, Upper]:
    """PLD and RDP for steps on Poisson samples.

    Args:
        noise: standard deviation of the noise, in units of the clip.
        rate: the probability that a step takes a record.
        steps: how many.
        delta: at which epsilon is asked for.
        overflow: probability, each step, of what is not accounted for.

    Raises:
        InputError: dp-accounting is not installed, or a number out of range.
    """
    if not (noise >= 0 and 0 < rate <= 1 and steps >= 1 and 0 < delta < 1):
        raise InputError(
            f"noise {noise}, rate {rate}, steps {steps} and delta {delta} describe no training: see the docstring."
        )
    left = delta - steps * overflow
    if noise == 0 or left <= 0:
        return Upper("PLD, Poisson sampling", math.inf), Upper("RDP, Poisson sampling", math.inf)
    event, pld, rdp = _accounting()
    step = event.GaussianDpEvent(noise)
    training = event.SelfComposedDpEvent(step if rate == 1 else event.PoissonSampledDpEvent(rate, step), steps)
    # RDP says of orders that do not converge that it leaves them out, which costs tightness alone.
    with without_warnings():
        epsilons = [
            float(kind().compose(training).get_epsilon(left)) for kind in (pld.PLDAccountant, rdp.RdpAccountant)
        ]
    return Upper("PLD, Poisson sampling", epsilons[0]), Upper("RDP, Poisson sampling", epsilons[1])


def shuffling(noise: float, epochs: int, delta: float) -> Upper:
    """Without amplification, where each epoch goes once through shuffled records: a record is in one step of each.

    Exact for that many Gaussian mechanisms: mu = sqrt(epochs) / noise.
    """
    name = "no amplification, shuffled"
    return Upper(name, math.inf if noise == 0 else gaussian_epsilon(math.sqrt(epochs) / noise, delta))


def require_accountant() -> None:
    """Refuse what would find no accountant after hours of training.

    Raises:
        InputError: dp-accounting is not installed.
    """
    _accounting()


def _accounting():
    try:
        from dp_accounting import dp_event, pld, rdp
    except ImportError as error:
        raise InputError(f"the upper bound on epsilon needs dp-accounting: {installation('private')}.") from error
    return dp_event, pld, rdp
