"""Lower bounds on the epsilon of differential privacy, from how well an attack tells runs or canaries apart.

Each bound refutes a claim at a confidence of 1 - alpha: if the claim held, the bound would lie above the claimed epsilon in
at most the share alpha of experiments. What the claim is, and which experiments may be counted, differs:

| bound | counts | what must be independent | refutes |
| --- | --- | --- | --- |
| `many_runs` | runs with one canary in or out | the runs | (eps, delta) |
| `many_runs_gdp` | the same | the runs | mu-GDP, read as its eps at delta |
| `one_run` | m canaries of a run | their coins | (eps, delta) |
| `one_run_fdp` | the same | their coins | the trade-off of the Gaussian mechanism with (eps, delta) |
| `one_run_gdp` | the same | their coins and their losses | mu-GDP, read as its eps at delta |
| `gaussian` | canaries with normal scores of one variance | the scores | mu-GDP, read as its eps at delta |

Scores are higher for canaries that are in. A threshold, a number of guesses or a canary that is chosen by the outcome must be
paid for: `many_runs` chooses on some runs and counts on others, and the bounds of one run try 12 numbers of guesses at a
twelfth of alpha each.

Sources: Clopper-Pearson bounds of many runs (Jagielski, Ullman, Oprea 2020); GDP (Nasr et al. 2023, arXiv 2302.07956; Dong, Roth,
Su 2019, arXiv 1905.02383, corollary 2.13); one run (Steinke, Nasr, Jagielski 2023, arXiv 2305.08846, theorem 5.2); f-DP in one
run (Mahloujifar, Melis, Chaudhuri 2024, arXiv 2410.22235, algorithm 3); order statistics under GDP (arXiv 2509.08704), whose
counterexample is in the tests: canaries that share one loss make it, and only it, too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq
from scipy.special import chdtr, log_ndtr, ndtr, ndtri
from scipy.stats import beta, binom

from jaxattack.types import InputError

LARGEST = 60.0  # epsilon above which no bound is sought: e^60 is beyond any count of runs
LARGEST_MU = 100.0  # of Gaussian differential privacy, likewise
GUESSES = 12  # numbers of guesses tried in one run, from 10 of each side to half of the canaries
FEWEST = 10
TIES = 2023  # of the draw that breaks ties: any number, the same for ever


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A lower bound on epsilon.

    Attributes:
        epsilon: at least 0; 0 where nothing is refuted.
        delta: of the claim.
        confidence: 1 - alpha.
        method: the function's name.
        claim: what is refuted above this epsilon, in words.
        assumes: what must hold of the experiment, in words.
        trials: runs or guesses counted.
        errors: of them, wrong ones.
    """

    epsilon: float
    delta: float
    confidence: float
    method: str
    claim: str
    assumes: str
    trials: int
    errors: int


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
    return _root(excess, 0.0, mu * mu + 40 * mu)


@cache
def gaussian_mu(epsilon: float, delta: float) -> float:
    """The mu whose epsilon at delta is given: the inverse of `gaussian_epsilon`."""
    if epsilon <= 0:
        return float(2 * ndtri((1 + delta) / 2))
    return _root(lambda mu: gaussian_epsilon(mu, delta) - epsilon, 1e-6, 20 + math.sqrt(2 * epsilon))


@cache
def upper_rate(errors: int, trials: int, alpha: float) -> float:
    """The one-sided upper Clopper-Pearson bound on a rate."""
    return 1.0 if errors >= trials else float(beta.ppf(1 - alpha, errors + 1, trials - errors))


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


def one_run(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], *, delta: float, alpha: float = 0.05
) -> Bound:
    """Steinke et al. 2023: the k highest scores are guessed in, the k lowest out, the others not at all.

    Args:
        scores: of one run's canaries.
        member: their coins, independent and fair.
        delta: of the claim.
        alpha: chance of error.

    Raises:
        InputError: fewer than 20 canaries, or values out of range.
    """
    return _over_guesses(
        scores, member, lambda canaries, guesses, right, level: _one_run_epsilon(canaries, guesses, right, delta, level),
        delta=delta, alpha=alpha, method="one_run", claim="(epsilon, delta)-differential privacy",
    )  # fmt: skip


def one_run_fdp(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], *, delta: float, alpha: float = 0.05
) -> Bound:
    """Mahloujifar et al. 2024, with guesses of both sides; arguments as of `one_run`."""
    return _over_guesses(
        scores, member, lambda canaries, guesses, right, level: _one_run_fdp_epsilon(canaries, guesses, right, delta, level),
        delta=delta, alpha=alpha, method="one_run_fdp",
        claim="the trade-off of the Gaussian mechanism that is (epsilon, delta)-differentially private",
    )  # fmt: skip


def one_run_gdp(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], *, delta: float, alpha: float = 0.05
) -> Bound:
    """All canaries guessed, the upper half in: their errors are Bin(m, Phi(-mu/2)) at best under mu-GDP with independent losses."""
    scores, member = check_scores(scores[None], member[None], delta, alpha)
    count = scores.shape[1]
    # All of them: to leave out the one in the middle would be to leave out the one that is the least sure.
    right = _right_of(member[0, _ascending(scores[0])], count // 2, count - count // 2)
    mu = -2 * float(ndtri(min(upper_rate(count - right, count, alpha), 0.5)))
    return Bound(
        epsilon=gaussian_epsilon(mu, delta), delta=delta, confidence=1 - alpha, method="one_run_gdp",
        claim="Gaussian differential privacy with its epsilon at delta",
        assumes="fair independent coins, and losses of the canaries independent, as of gradient canaries in orthogonal directions",
        trials=count, errors=count - right,
    )  # fmt: skip


def gaussian(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], *, delta: float, alpha: float = 0.05
) -> Bound:
    """Scores that are normal with one variance, in and out mu standard deviations apart: a t test of mu.

    As of gradient canaries, whose score adds up the noisy sums along the canary (one step at sampling rate 1 is a Gaussian
    mechanism; T of them have mu = sqrt(T) / noise multiplier). The t statistic of two groups is noncentral with mu times
    sqrt(in * out / (in + out)); the bound is the mu at which a statistic as large has probability alpha.
    """
    scores, member = check_scores(scores[None], member[None], delta, alpha)
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
    mu = _shift_at(statistic, freedom, alpha) / scale
    return Bound(
        epsilon=gaussian_epsilon(min(mu, LARGEST_MU), delta), delta=delta, confidence=1 - alpha, method="gaussian",
        claim="Gaussian differential privacy with its epsilon at delta",
        assumes="scores independent and normal with one variance, as of gradient canaries",
        trials=len(ins) + len(outs), errors=0,
    )  # fmt: skip


def _shift_at(statistic: float, freedom: int, alpha: float) -> float:
    """The noncentrality at which a t as large has probability alpha; 0 where it is likelier without any."""

    def excess(shift: float) -> float:
        return _t_tail(statistic, freedom, shift) - alpha

    if statistic <= 0 or excess(0.0) >= 0:
        return 0.0
    high = statistic
    while excess(high) < 0:
        high = 2 * high + 1
    return _root(excess, 0.0, high)


def _t_tail(statistic: float, freedom: int, shift: float) -> float:
    """P[T >= statistic] of a noncentral t, statistic above 0: over normal z, that of z + shift >= statistic sqrt(chi^2 / freedom).

    Sums with the trapezoidal rule, whose error vanishes with the step for what is so smooth; far out no series is accurate.
    """
    # A tiny alpha lies far out; beyond 38 float64 has no density.
    z = np.linspace(-9, np.clip(statistic - shift + 5, 9, 38), 8001)
    least = np.maximum(z + shift, 0.0) / statistic
    inside = chdtr(freedom, freedom * least**2) * np.exp(-(z**2) / 2)
    return float(inside.sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))


def check_scores(scores, member, delta: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and members of one shape, finite, with delta and alpha in range.

    Raises:
        InputError: they are not.
    """
    scores, member = np.asarray(scores, np.float64), np.asarray(member, bool)
    if scores.ndim != 2 or scores.shape != member.shape:
        raise InputError(f"scores have shape {scores.shape} and member {member.shape}: give one of each a canary.")
    if not np.isfinite(scores).all():
        raise InputError(f"{np.sum(~np.isfinite(scores)):,} scores are NaN or infinite: drop these canaries or runs.")
    if not 0 < delta < 1:
        raise InputError(f"delta is {delta}: give a number between 0 and 1, as 1e-5.")
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha}: give a number between 0 and 1, as 0.05.")
    return scores, member


def count_right(
    scores: Float[np.ndarray, "canary"], member: Bool[np.ndarray, "canary"], each: Int[np.ndarray, "number"]
) -> Int[np.ndarray, "number"]:
    """How many guesses are right of the highest scores, called in, and of as many of the lowest, called out.

    Ties are broken by a draw of their own, which knows no coin: the order in which canaries are given tells nothing.
    """
    truth = member[_ascending(scores)]
    return np.array([_right_of(truth, guesses, guesses) for guesses in each])


def _ascending(scores: Float[np.ndarray, "canary"]) -> Int[np.ndarray, "canary"]:
    return np.lexsort((np.random.default_rng(TIES).permutation(len(scores)), scores))


def _right_of(truth: Bool[np.ndarray, "canary"], out: int, in_: int) -> int:
    """How many guesses are right of canaries in ascending order, the first called out and the last called in."""
    return int((~truth[:out]).sum() + truth[len(truth) - in_ :].sum())


def guess_grid(canaries: int) -> Int[np.ndarray, "number"]:
    """How many canaries are guessed on each side: a geometric grid from 10 to half of them."""
    return np.unique(np.geomspace(FEWEST, canaries // 2, GUESSES).astype(int))


def _over_guesses(scores, member, epsilon, *, delta, alpha, method, claim) -> Bound:
    scores, member = check_scores(np.asarray(scores)[None], np.asarray(member)[None], delta, alpha)
    scores, member = scores[0], member[0]
    if len(scores) < 2 * FEWEST:
        raise InputError(f"there are {len(scores)} canaries in the run: give at least {2 * FEWEST}.")
    grid = guess_grid(len(scores))
    rights = count_right(scores, member, grid)
    bounds = [
        epsilon(len(scores), 2 * int(each), int(right), alpha / len(grid))
        for each, right in zip(grid, rights, strict=True)
    ]
    best = int(np.argmax(bounds))
    return Bound(
        epsilon=float(bounds[best]), delta=delta, confidence=1 - alpha, method=method, claim=claim,
        assumes="fair coins, independent of one another and of all else",
        trials=2 * int(grid[best]), errors=int(2 * grid[best] - rights[best]),
    )  # fmt: skip


@cache
def _one_run_epsilon(canaries: int, guesses: int, right: int, delta: float, alpha: float) -> float:
    """The largest epsilon that so many right guesses refute."""

    def p_value(epsilon: float) -> float:
        share = 1 / (1 + math.exp(-epsilon))
        wins = np.arange(right + 1)
        mass = binom.pmf(wins, guesses, share)
        tail = float(binom.sf(right - 1, guesses, share))
        below = np.cumsum(mass[:right][::-1])  # of the i wins just under, i from 1
        correction = float((below / np.arange(1, right + 1)).max()) if right else 0.0
        return min(1.0, tail + 2 * canaries * delta * correction)

    return _largest(lambda epsilon: p_value(epsilon) - alpha)


@cache
def _one_run_fdp_epsilon(canaries: int, guesses: int, right: int, delta: float, alpha: float) -> float:
    """The largest epsilon whose Gaussian trade-off so many right guesses refute."""
    if 2 * right <= guesses:
        return 0.0
    low, high = 0.0, LARGEST
    for _ in range(3):  # a grid of epsilons in one pass, refined
        epsilons = np.linspace(low, high, 33)
        refuted = _fdp_refuted(canaries, guesses, right, epsilons, delta, alpha)
        if not refuted[0]:
            return low
        last = int(np.argmin(refuted)) - 1 if not refuted.all() else len(epsilons) - 2
        low, high = float(epsilons[last]), float(epsilons[last + 1])
    return low


def _fdp_refuted(canaries, guesses, right, epsilons, delta, alpha) -> Bool[np.ndarray, "epsilon"]:
    mu = np.array([gaussian_mu(float(epsilon), delta) for epsilon in epsilons])
    hits = np.full(len(mu), alpha * right / canaries)
    misses = np.full(len(mu), alpha * (guesses - right) / canaries)
    for wins in range(right - 1, -1, -1):
        more = np.maximum(misses, ndtr(ndtri(np.minimum(hits, 1.0)) - mu))
        if np.array_equal(more, misses):
            break
        hits = np.minimum(1.0, hits + wins / (guesses - wins) * (more - misses))
        misses = more
    return hits + misses > guesses / canaries


def _root(function: Callable[[float], float], low: float, high: float, tolerance: float = 2e-12) -> float:
    root: Any = brentq(function, low, high, xtol=tolerance)
    return float(root)


def _largest(excess: Callable[[float], float]) -> float:
    """The epsilon at which a growing p-value crosses alpha; 0 where it is above from the start."""
    if excess(0.0) >= 0:
        return 0.0
    if excess(LARGEST) < 0:
        return LARGEST
    return _root(excess, 0.0, LARGEST, tolerance=1e-6)
