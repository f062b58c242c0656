"""The epsilon of Gaussian differential privacy at delta, and back (Dong, Roth, Su 2019, arXiv 1905.02383, corollary 2.13)."""

from __future__ import annotations

import math
from functools import cache

from scipy.special import log_ndtr, ndtri

from jaxattack.metrics.epsilon.bound import root

LARGEST_MU = 100.0  # above which no bound is sought


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The epsilon of a mu-GDP mechanism at delta: delta = Phi(-eps/mu + mu/2) - e^eps Phi(-eps/mu - mu/2), solved in logs.

    Returns:
        0 where mu is at most 0 or delta covers it.

    Example:
        >>> round(gaussian_epsilon(1.0, 1e-5), 2)
        4.38
    """
    if mu <= 0:
        return 0.0
    if mu > LARGEST_MU:
        return math.inf

    def excess(epsilon: float) -> float:
        first = log_ndtr(-epsilon / mu + mu / 2)
        second = epsilon + log_ndtr(-epsilon / mu - mu / 2)
        return (
            first + math.log1p(-math.exp(min(second - first, 0.0))) - math.log(delta) if second < first else -math.inf
        )

    if excess(0.0) <= 0:
        return 0.0
    return root(excess, 0.0, mu * mu + 40 * mu)


@cache
def gaussian_mu(epsilon: float, delta: float) -> float:
    """The mu whose epsilon at delta is given: the inverse of `gaussian_epsilon`."""
    if epsilon <= 0:
        return float(2 * ndtri((1 + delta) / 2))
    return root(lambda mu: gaussian_epsilon(mu, delta) - epsilon, 1e-6, 20 + math.sqrt(2 * epsilon))
