"""A bound from canaries whose scores are normal with one variance, as of gradient canaries: a t test."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import chdtr

from jaxattack.metrics.epsilon.bound import Bound, check_scores, root
from jaxattack.metrics.epsilon.gaussian_privacy import LARGEST_MU, gaussian_epsilon
from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.types import InputError


def gaussian(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], *, delta: float, alpha: float = 0.05
) -> Bound:
    """Scores that are normal with one variance, in and out mu standard deviations apart: a t test of mu.

    As of gradient canaries, whose score adds up the noisy sums along the canary (one step at sampling rate 1 is a Gaussian
    mechanism; T of them have mu = sqrt(T) / noise multiplier). The t statistic of two groups is noncentral with mu times
    sqrt(in * out / (in + out)); the bound is the mu at which a statistic as large has probability alpha.
    """
    scores, member = check_scores(read_scores(scores)[None], read_truth(member)[None], delta, alpha)
    ins, outs = scores[0, member[0]], scores[0, ~member[0]]
    if min(len(ins), len(outs)) < 2:
        raise InputError(f"{len(ins)} canaries are in and {len(outs)} out: give at least 2 of each.")
    constant = not np.ptp(ins) and not np.ptp(outs)
    if constant and ins[0] != outs[0]:
        raise InputError(
            f"all canaries that are in have the score {ins[0]:g} and all others {outs[0]:g}, and normal scores vary: give scores "
            "that are not rounded, or take one_run."
        )
    unit = np.ptp(scores) or 1.0  # in which no square is 0 or infinite
    ins, outs, freedom = ins / unit, outs / unit, len(ins) + len(outs) - 2
    pooled = (((ins - ins.mean()) ** 2).sum() + ((outs - outs.mean()) ** 2).sum()) / freedom
    scale = math.sqrt(len(ins) * len(outs) / (len(ins) + len(outs)))
    statistic = 0.0 if constant else float((ins.mean() - outs.mean()) / math.sqrt(pooled) * scale)
    mu = shift_at(statistic, freedom, alpha) / scale
    return Bound(
        epsilon=gaussian_epsilon(min(mu, LARGEST_MU), delta), delta=delta, confidence=1 - alpha, method="gaussian",
        claim="Gaussian differential privacy with its epsilon at delta",
        assumes="scores independent and normal with one variance, as of gradient canaries",
        trials=len(ins) + len(outs), errors=0,
    )  # fmt: skip


def shift_at(statistic: float, freedom: int, alpha: float) -> float:
    """The noncentrality at which a t as large has probability alpha; 0 where it is likelier without any."""

    def excess(shift: float) -> float:
        return t_tail(statistic, freedom, shift) - alpha

    if statistic <= 0 or excess(0.0) >= 0:
        return 0.0
    high = statistic
    while excess(high) < 0:
        high = 2 * high + 1
    return root(excess, 0.0, high)


def t_tail(statistic: float, freedom: int, shift: float) -> float:
    """P[T >= statistic] of a noncentral t, statistic above 0: over normal z, that of z + shift >= statistic sqrt(chi^2 / freedom).

    Sums with the trapezoidal rule, whose error vanishes with the step for what is so smooth; far out no series is accurate.
    """
    # A tiny alpha lies far out; beyond 38 float64 has no density.
    z = np.linspace(-9, np.clip(statistic - shift + 5, 9, 38), 8001)
    least = np.maximum(z + shift, 0.0) / statistic
    inside = chdtr(freedom, freedom * least**2) * np.exp(-(z**2) / 2)
    return float(inside.sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))
