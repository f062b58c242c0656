"""A lower bound on epsilon, and what all of them are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta

from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.types import InputError


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


def check_scores(scores, member, delta: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and members of one shape, numbers that are finite and 0 or 1, with delta and alpha in range.

    Raises:
        InputError: they are not.
    """
    scores, member = read_scores(scores).astype(np.float64), read_truth(member)
    if scores.ndim != 2 or scores.shape != member.shape:
        raise InputError(f"scores have shape {scores.shape} and member {member.shape}: give one of each a canary.")
    if not scores.size:
        raise InputError(f"scores have shape {scores.shape}: give some canaries.")
    if not np.isfinite(scores).all():
        raise InputError(f"{np.sum(~np.isfinite(scores)):,} scores are NaN or infinite: drop these canaries or runs.")
    if not 0 < delta < 1:
        raise InputError(f"delta is {delta}: give a number between 0 and 1, as 1e-5.")
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha}: give a number between 0 and 1, as 0.05.")
    return scores, member


@cache
def upper_rate(errors: int, trials: int, alpha: float) -> float:
    """The one-sided upper Clopper-Pearson bound on a rate."""
    return 1.0 if errors >= trials else float(beta.ppf(1 - alpha, errors + 1, trials - errors))


def root(function: Callable[[float], float], low: float, high: float, tolerance: float = 2e-12) -> float:
    """Where a function is 0 between two ends at which its signs differ, to within the tolerance (Brent's method)."""
    root: Any = brentq(function, low, high, xtol=tolerance)
    return float(root)
