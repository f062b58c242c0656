"""How far a pooled true-positive rate would move with other targets, at rates that one target cannot resolve.

25,000 non-members of one target resolve a false-positive rate of 0.1% and not 0.001%, so that only pooled scores give a
figure there, and its binomial interval takes the scores of one record under many targets for independent. Disjoint groups
of targets, each large enough to resolve the rate, show the spread instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.metrics.roc import roc_curve, tpr_at_fpr
from jaxattack.metrics.summary import Spread

RESOLVING = 10  # false positives that a group's non-members must allow


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A true-positive rate over groups of targets.

    Attributes:
        targets: how many targets a group has.
        groups: how many groups there are.
        tpr: mean and sample standard deviation over groups, each pooled over its targets.
    """

    targets: int
    groups: int
    tpr: Spread


def group_tpr(
    scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"], fpr: float
) -> Grouped | None:
    """The true-positive rate over the smallest groups of consecutive targets that allow ten false positives.

    Args:
        scores: higher means "more likely a member".
        member: the truth for each target.
        fpr: the bound on the false-positive rate, above 0.

    Returns:
        None where one target allows as many, or where fewer than two such groups can be made.
    """
    size = math.ceil(RESOLVING / (fpr * max((~member).sum(axis=1).min(), 1)))
    groups = len(member) // size
    if size == 1 or groups < 2:
        return None
    # Groups of equal size as far as possible, all targets used.
    parts = np.array_split(np.arange(len(member)), groups)
    rates = [tpr_at_fpr(roc_curve(scores[part].ravel(), member[part].ravel()), fpr).tpr for part in parts]
    return Grouped(targets=size, groups=groups, tpr=Spread(mean=float(np.mean(rates)), sd=float(np.std(rates, ddof=1))))
