"""Confidence intervals of a share of trials (Clopper and Pearson 1934) and of an area under a curve of few scores (Newcombe 2006)."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtri

from jaxattack.types import InputError

_EDGE = 1e-9
"""How near to 0 and 1 an end of an interval is looked for."""


def clopper_pearson(
    successes: Real[np.ndarray, "*shape"] | int | float,
    trials: Int[np.ndarray, "*shape"] | int,
    confidence: float = 0.95,
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The Clopper-Pearson interval of a binomial proportion.

    It covers the true proportion with at least the stated confidence when the trials are independent. Scores of one
    record under several targets, or of several records under one target, are not quite independent; the spread over
    targets is then the honest figure.

    Args:
        successes: how many trials succeeded, 0 to `trials`; of a trial that succeeds in part the share, as of a cluster's mean.
        trials: how many trials there were.
        confidence: coverage, between 0 and 1.

    Returns:
        The lower and the upper end, each in 0..1: exactly 0 below no successes, exactly 1 above no failures, and
        (0, 1) where there were no trials.

    Raises:
        InputError: a confidence outside 0..1, NaN, or more successes than trials.

    Example:
        >>> low, high = clopper_pearson(0, 30)  # the rule of three: none in 30 is at most about 1 in 10
        >>> float(low), round(float(high), 3)
        (0.0, 0.116)
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95.")
    k, n = np.broadcast_arrays(np.asarray(successes), np.asarray(trials))
    if not ((k >= 0) & (k <= n)).all():
        raise InputError("successes are below 0 or above trials: give counts out of the trials.")
    tail = (1 - confidence) / 2
    low = np.where(k > 0, betaincinv(np.where(k > 0, k, 1), n - k + 1.0, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1.0, np.where(k < n, n - k, 1), 1 - tail), 1.0)
    return low, high


def area_interval(area: float, positives: int, negatives: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of an AUC of so few independent scores that their spread cannot be counted on: Newcombe 2006, method 5.

    The ends are the areas a at which (a - area)^2 is z^2 times the variance that Hanley and McNeil 1982 give two exponential
    distributions, with n* = (positives + negatives) / 2 in the place of each number less one:

        a (1 - a) (1 + (n* - 1) ((1 - a) / (2 - a) + a / (1 + a))) / (positives negatives)

    Where all positives are above all negatives the interval still has a width, unlike DeLong's.

    Args:
        area: the share of pairs in which the positive's score is higher, ties counting half.
        positives: how many there are.
        negatives: how many there are.
        confidence: coverage, between 0 and 1.

    Raises:
        InputError: an area or a confidence outside 0..1, or no scores of a kind.

    Example:
        >>> low, high = area_interval(1.0, 3, 30)  # three copies above all of thirty independent models
        >>> round(low, 3), high
        (0.68, 1.0)
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95.")
    if not 0 <= area <= 1:
        raise InputError(f"area is {area}: give the area under a curve, 0 to 1.")
    if min(positives, negatives) < 1:
        raise InputError(f"there are {positives} positives and {negatives} negatives: give at least one of each.")
    reach, more = float(ndtri((1 + confidence) / 2)), (positives + negatives) / 2 - 1

    def beyond(a: float) -> float:
        variance = a * (1 - a) * (1 + more * ((1 - a) / (2 - a) + a / (1 + a))) / (positives * negatives)
        return (a - area) ** 2 - reach**2 * variance

    inside = min(max(area, _EDGE), 1 - _EDGE)  # at 0 and 1 nothing varies
    low = 0.0 if area <= 0 else brentq(beyond, 0.0, inside)
    high = 1.0 if area >= 1 else brentq(beyond, inside, 1.0)
    return float(cast(float, low)), float(cast(float, high))
