"""Exact binomial confidence intervals (Clopper and Pearson 1934)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincinv

from jaxattack.types import InputError


def clopper_pearson(
    successes: Int[np.ndarray, "*shape"] | int, trials: Int[np.ndarray, "*shape"] | int, confidence: float = 0.95
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The Clopper-Pearson interval of a binomial proportion.

    It covers the true proportion with at least the stated confidence when the trials are independent. Scores of one
    record under several targets, or of several records under one target, are not quite independent; the spread over
    targets is then the honest figure.

    Args:
        successes: how many trials succeeded, 0 to `trials`.
        trials: how many trials there were.
        confidence: coverage, between 0 and 1.

    Returns:
        The lower and the upper end, each in 0..1: exactly 0 below no successes, exactly 1 above no failures, and
        (0, 1) where there were no trials.

    Raises:
        InputError: a confidence outside 0..1, or more successes than trials.

    Example:
        >>> low, high = clopper_pearson(0, 30)  # the rule of three: none in 30 is at most about 1 in 10
        >>> float(low), round(float(high), 3)
        (0.0, 0.116)
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95.")
    k, n = np.broadcast_arrays(np.asarray(successes), np.asarray(trials))
    if ((k < 0) | (k > n)).any():
        raise InputError("successes are below 0 or above trials: give counts out of the trials.")
    tail = (1 - confidence) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1.0, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1.0, np.maximum(n - k, 1), 1 - tail), 1.0)
    return low, high
