"""Bounds from many runs with one canary in or out (Jagielski, Ullman, Oprea 2020; under GDP Nasr et al. 2023, arXiv 2302.07956)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtri

from jaxattack.metrics.epsilon.bound import Bound, check_scores, upper_rate
from jaxattack.metrics.epsilon.gaussian_privacy import gaussian_epsilon
from jaxattack.types import InputError


def many_runs(
    scores: Float[np.ndarray, "run canary"],
    member: Bool[np.ndarray, "run canary"],
    *,
    delta: float,
    alpha: float = 0.05,
    seed: int = 0,
) -> Bound:
    """Clopper-Pearson over independent runs; canary and threshold are chosen on half of them and counted on the others.

    Args:
        scores: of each canary in each run.
        member: whether the canary was in.
        delta: of the claim.
        alpha: chance of error.
        seed: decides which runs choose.

    Raises:
        InputError: no runs with a canary in and with it out on both halves.
    """
    return _over_runs(
        scores, member, _pure_epsilon(delta), delta=delta, alpha=alpha, seed=seed,
        method="many_runs", claim="(epsilon, delta)-differential privacy",
    )  # fmt: skip


def many_runs_gdp(
    scores: Float[np.ndarray, "run canary"],
    member: Bool[np.ndarray, "run canary"],
    *,
    delta: float,
    alpha: float = 0.05,
    seed: int = 0,
) -> Bound:
    """Nasr et al. 2023: mu = isf(FPR) - ppf(FNR) at upper bounds of both rates; arguments as of `many_runs`."""
    return _over_runs(
        scores, member, lambda fpr, fnr: gaussian_epsilon(float(-ndtri(fpr) - ndtri(fnr)), delta),
        delta=delta, alpha=alpha, seed=seed, method="many_runs_gdp", claim="Gaussian differential privacy with its epsilon at delta",
    )  # fmt: skip


def _pure_epsilon(delta: float) -> Callable[[float, float], float]:
    def epsilon(fpr: float, fnr: float) -> float:
        sides = ((1 - fnr - delta, fpr), (1 - fpr - delta, fnr))
        return max([0.0, *(math.log(hit / miss) for hit, miss in sides if hit > 0 and miss > 0)])

    return epsilon


def _over_runs(scores, member, epsilon, *, delta, alpha, seed, method, claim) -> Bound:
    scores, member = check_scores(scores, member, delta, alpha)
    order = np.random.default_rng(seed).permutation(len(scores))
    choose, judge = order[: len(order) // 2], order[len(order) // 2 :]
    candidates = [
        (_best_threshold(scores[choose, canary], member[choose, canary], epsilon, alpha), canary)
        for canary in range(scores.shape[1])
    ]
    (_, threshold), canary = max(candidates)
    fp, fn, outs, ins = _errors(scores[judge, canary], member[judge, canary], threshold)
    if not ins or not outs:
        raise InputError(
            f"canary {canary} is in {ins} and out in {outs} of the {len(judge)} runs that are counted: give more runs, "
            "with each canary in half of them."
        )
    rates = upper_rate(fp, outs, alpha / 2), upper_rate(fn, ins, alpha / 2)
    return Bound(
        epsilon=epsilon(*rates), delta=delta, confidence=1 - alpha, method=method, claim=claim,
        assumes="runs independent, each canary's coin fair or not but independent of everything else in the run",
        trials=int(ins + outs), errors=int(fp + fn),
    )  # fmt: skip


def _best_threshold(scores, member, epsilon, alpha) -> tuple[float, float]:
    """The largest bound of any threshold on the runs that choose, and the threshold."""
    best = (-1.0, float(np.median(scores)))
    if member.all() or not member.any():
        return best
    for threshold in np.unique(np.quantile(scores, np.linspace(0, 1, 65))):
        fp, fn, outs, ins = _errors(scores, member, threshold)
        rates = upper_rate(fp, outs, alpha / 2), upper_rate(fn, ins, alpha / 2)
        best = max(best, (epsilon(*rates), float(threshold)))
    return best


def _errors(scores, member, threshold) -> tuple[int, int, int, int]:
    positive = scores >= threshold
    return int((positive & ~member).sum()), int((~positive & member).sum()), int((~member).sum()), int(member.sum())
