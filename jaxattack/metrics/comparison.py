"""How much better one guesser is than another on the same trials, with intervals of 95% or another confidence.

share_interval        Clopper-Pearson of a share
paired_difference     a - b of two shares over the same trials, exact (`jaxattack.metrics.proportions`)
difference            a - b of two shares over different trials, exact
interval_difference   a - b of two figures of which the intervals alone are known (Donner and Zou 2012)
widened               an interval of a share at another confidence
mean_interval         Student's t of a mean
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit, stdtrit
from scipy.stats import t as student

from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.metrics.proportions import paired_limits, unpaired_limits

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
    alone, theirs_alone = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    low, high = paired_limits(alone, theirs_alone, len(ours), confidence)
    return Interval(value=(alone - theirs_alone) / len(ours) if len(ours) else float("nan"), low=low, high=high)


def difference(
    ours: Bool[np.ndarray, "trial"], theirs: Bool[np.ndarray, "other"], confidence: float = CONFIDENCE
) -> Interval:
    """How much larger the share of ours is than the share of theirs, over different trials."""
    low, high = unpaired_limits(int(ours.sum()), len(ours), int(theirs.sum()), len(theirs), confidence)
    value = float(ours.mean() - theirs.mean()) if len(ours) and len(theirs) else float("nan")
    return Interval(value=value, low=low, high=high)


def interval_difference(ours: Interval, theirs: Interval) -> Interval:
    """How much larger our figure is than theirs, by the intervals of either, which are independent.

    Each end lies as far from the difference as the ends that it is made of lie from their figures, added in squares.
    """
    return Interval(
        value=ours.value - theirs.value,
        low=ours.value - theirs.value - math.hypot(ours.value - ours.low, theirs.high - theirs.value),
        high=ours.value - theirs.value + math.hypot(ours.high - ours.value, theirs.value - theirs.low),
    )


def widened(share: Interval, confidence: float, freedom: float | None = None) -> Interval:
    """The interval of a share at another confidence than 95%.

    Args:
        share: 0 to 1, with its 95% interval.
        confidence: between 0 and 1.
        freedom: of Student's t on the logit scale, if the interval is that; else it is that of Clopper and Pearson, exactly
            widened at 0 and 1, and otherwise as the normal distribution widens its logit.
    """
    if not 0 < share.value < 1:
        power = float(np.log((1 - confidence) / 2) / np.log((1 - CONFIDENCE) / 2))
        low, high = (share.low**power, 1.0) if share.value else (0.0, 1 - (1 - share.high) ** power)
        return Interval(value=share.value, low=low, high=high)
    ours, usual = (
        stdtrit(np.inf if freedom is None else freedom, (1 + level) / 2) for level in (confidence, CONFIDENCE)
    )
    centre = logit(share.value)
    low, high = (float(expit(centre + (logit(end) - centre) * ours / usual)) for end in (share.low, share.high))
    return Interval(value=share.value, low=low, high=high)


def corrected(comparisons: int) -> float:
    """The confidence of each of several comparisons at which all of them hold together with 95% (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / comparisons


def mean_interval(x: Float[np.ndarray, "trial"]) -> Interval:
    """A mean; its interval is everything where there are fewer than two trials."""
    if len(x) < 2:
        return Interval(value=float(x.mean()) if len(x) else float("nan"), low=-np.inf, high=np.inf)
    mean, reach = float(x.mean()), float(student.ppf((1 + CONFIDENCE) / 2, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5)
    return Interval(value=mean, low=mean - reach, high=mean + reach)
