"""How much better one guesser is than another on the same trials, with intervals of 95% or another confidence.

share_interval        Clopper-Pearson of a share
paired_difference     a - b of two shares over the same trials: hybrid of Wilson intervals (Newcombe 1998, method 10)
difference            a - b of two shares over different trials: the same without correlation
mean_interval         Student's t of a mean
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm
from scipy.stats import t as student

from jaxattack.metrics.intervals import clopper_pearson

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its interval.

    Attributes:
        value: the figure; NaN where there was no trial.
        low: the lower end.
        high: the upper end.
    """

    value: float
    low: float
    high: float


def share_interval(right: Bool[np.ndarray, "trial"]) -> Interval:
    """The share of trials that are right."""
    low, high = clopper_pearson(int(right.sum()), len(right), CONFIDENCE)
    return Interval(value=float(right.mean()) if len(right) else float("nan"), low=float(low), high=float(high))


def paired_difference(
    ours: Bool[np.ndarray, "trial"], theirs: Bool[np.ndarray, "trial"], confidence: float = CONFIDENCE
) -> Interval:
    """How many more trials we have right than they have, as a share of the same trials."""
    a, b = int((ours & theirs).sum()), int((ours & ~theirs).sum())
    c, d = int((~ours & theirs).sum()), int((~ours & ~theirs).sum())
    margins = float((a + b) * (c + d) * (a + c) * (b + d))
    return _difference(ours, theirs, (a * d - b * c) / margins**0.5 if margins else 0.0, confidence)


def difference(
    ours: Bool[np.ndarray, "trial"], theirs: Bool[np.ndarray, "other"], confidence: float = CONFIDENCE
) -> Interval:
    """How much larger the share of ours is than the share of theirs, over different trials."""
    return _difference(ours, theirs, 0.0, confidence)


def corrected(comparisons: int) -> float:
    """The confidence of each of several comparisons at which all of them hold together with 95% (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / comparisons


def mean_interval(x: Float[np.ndarray, "trial"]) -> Interval:
    """A mean; its interval is everything where there are fewer than two trials."""
    if len(x) < 2:
        return Interval(value=float(x.mean()) if len(x) else float("nan"), low=-np.inf, high=np.inf)
    mean, reach = float(x.mean()), float(student.ppf((1 + CONFIDENCE) / 2, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5)
    return Interval(value=mean, low=mean - reach, high=mean + reach)


def _difference(ours: np.ndarray, theirs: np.ndarray, correlation: float, confidence: float) -> Interval:
    (p, low, high), (q, below, above) = _wilson(ours, confidence), _wilson(theirs, confidence)
    return Interval(
        value=p - q,
        low=p - q - _reach(p - low, above - q, correlation),
        high=p - q + _reach(high - p, q - below, correlation),
    )


def _wilson(right: Bool[np.ndarray, "trial"], confidence: float) -> tuple[float, float, float]:
    """A share with its score interval (Wilson 1927); 0 to 1 where there was no trial."""
    n = len(right)
    if not n:
        return float("nan"), 0.0, 1.0
    z, p = float(norm.ppf((1 + confidence) / 2)), float(right.mean())
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return p, (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def _reach(a: float, b: float, correlation: float) -> float:
    return max(a**2 - 2 * correlation * a * b + b**2, 0.0) ** 0.5
