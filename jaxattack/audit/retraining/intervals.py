"""Intervals of 95% over victims trained from scratch on the same records.

A share over many records, as an accuracy, has one value a seed: Student's t over the seeds on the logit scale. On its own scale the
lower end of eight seeds about .95 was above the truth in 9 of 100 audits, and here in 5. Where all seeds are alike their spread says
only that it is below what so many records can show: the interval holds Clopper and Pearson's for one trial a record, and the one
that seeds of which one differs by a record would have, which of two seeds is nearly everything. One seed says nothing of others, and
its interval is everything. An event a victim, as that it takes a target for another class, is a trial:
Clopper and Pearson's over all victims of all targets, which for targets of unequal chances is on the safe side (Hoeffding 1956).
Where every victim meets all targets, as those without poison do, what it does with one tells of what it does with another: the
victim is the trial, and what counts is the share of its targets. Both speak of new seeds on these records and targets. The
difference of two independent shares has the interval of Zou and Donner (2008), made of theirs.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool
from scipy.special import expit, logit

from jaxattack.audit.findings.poisoning import ShareFindings
from jaxattack.metrics import clopper_pearson
from jaxattack.metrics.uncertainty import CONFIDENCE, t_quantile


def share_over_seeds(hit: Bool[np.ndarray, "seed record"], confidence: float = CONFIDENCE) -> ShareFindings:
    """The share of the records, its mean over the seeds."""
    by_seed = hit.mean(axis=1)
    value = float(by_seed.mean())
    if len(by_seed) == 1:
        return ShareFindings(value=value, interval=(0.0, 1.0))
    alike = not np.ptp(by_seed)  # of equal shares the deviation may be a rounding above 0
    step = (
        1 / hit.size
    )  # what one record of one seed moves the mean by, and the deviation of the mean where it alone differs
    deviation = step if alike else float(by_seed.std(ddof=1)) / math.sqrt(len(by_seed))
    centre = min(max(value, step), 1 - step)
    reach = t_quantile(len(by_seed) - 1, confidence) * deviation / (centre * (1 - centre))
    low, high = float(expit(logit(centre) - reach)), float(expit(logit(centre) + reach))
    if alike:
        ends = clopper_pearson(round(value * hit.shape[1]), hit.shape[1], confidence)
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return ShareFindings(value=value, interval=(low, high))


def share_of_victims(hit: Bool[np.ndarray, "victim target"], confidence: float = CONFIDENCE) -> ShareFindings:
    """The share of its targets with which something happens, of each victim; several targets of one victim are no more trials than one."""
    low, high = clopper_pearson(hit.mean(axis=1).sum(), len(hit), confidence)
    return ShareFindings(value=float(hit.mean()), interval=(float(low), float(high)))


def difference(first: ShareFindings, second: ShareFindings) -> ShareFindings:
    """The first less the second, of independent victims."""
    value = first.value - second.value
    below = math.hypot(first.value - first.interval[0], second.interval[1] - second.value)
    above = math.hypot(first.interval[1] - first.value, second.value - second.interval[0])
    return ShareFindings(value=value, interval=(max(value - below, -1.0), min(value + above, 1.0)))
