"""Bounds from the canaries of one run: how many guesses of their coins are right.

Steinke, Nasr, Jagielski 2023 (arXiv 2305.08846, theorem 5.2); under f-DP Mahloujifar, Melis, Chaudhuri 2024 (arXiv 2410.22235,
algorithm 3); order statistics under GDP (arXiv 2509.08704), whose counterexample is in the tests: canaries that share one loss make it,
and only it, too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from jaxattack.metrics.epsilon.bound import Bound, check_scores, root, upper_rate
from jaxattack.metrics.epsilon.gaussian_privacy import gaussian_epsilon, gaussian_mu
from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.types import InputError

LARGEST = 60.0  # epsilon above which no bound is sought: e^60 is beyond any count of runs
GUESSES = 12  # numbers of guesses tried in one run, from 10 of each side to half of the canaries
FEWEST = 10
TIES = 2023  # of the draw that breaks ties: any number, the same for ever


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
        scores, member, lambda canaries, guesses, right, level: one_run_epsilon(canaries, guesses, right, delta, level),
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
    scores, member = check_scores(read_scores(scores)[None], read_truth(member)[None], delta, alpha)
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
    scores, member = check_scores(read_scores(scores)[None], read_truth(member)[None], delta, alpha)
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
def one_run_epsilon(canaries: int, guesses: int, right: int, delta: float, alpha: float) -> float:
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


def _largest(excess: Callable[[float], float]) -> float:
    """The epsilon at which a growing p-value crosses alpha; 0 where it is above from the start."""
    if excess(0.0) >= 0:
        return 0.0
    if excess(LARGEST) < 0:
        return LARGEST
    return root(excess, 0.0, LARGEST, tolerance=1e-6)
