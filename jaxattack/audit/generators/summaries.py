"""Figures of scores on generators that a curve does not show: the precision of the highest ranks, and the set attack."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.audit.findings.generator import SetFindings
from jaxattack.metrics import clopper_pearson

Scores = Float[np.ndarray, "target record"]
Member = Bool[np.ndarray, "target record"]


def precisions(scores: Scores, member: Member) -> Float[np.ndarray, "target"]:
    """The share of members among as many of the highest scores as there are members, of each target (Hayes et al. 2019).

    Of the records that share the lowest score called, the share that chance would take counts.
    """
    return np.array([_precision(row, truth) for row, truth in zip(scores, member, strict=True)])


def _precision(scores: Float[np.ndarray, "record"], member: Bool[np.ndarray, "record"]) -> float:
    called = int(member.sum())
    lowest = np.sort(scores)[-called]
    above, level = scores > lowest, scores == lowest
    return float((member[above].sum() + member[level].mean() * (called - above.sum())) / called)


def tied_share(scores: Scores) -> float:
    """The share of scores that another record of the same target has too."""
    return float(np.mean([_tied(row) for row in scores]))


def _tied(scores: Float[np.ndarray, "record"]) -> float:
    _, at, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return float((counts[at] > 1).mean())


def set_attack(scores: Scores, member: Member, size: int, seed: int) -> SetFindings | None:
    """Which of two sets of records a target was trained on, by the sums of their scores (Hilprecht et al. 2019).

    Members and non-members of each target are cut at random into disjoint sets, and the i-th of one are compared with the i-th of
    the others, so that the pairs of a target are independent given its scores.

    Args:
        scores: higher means "more likely a member".
        member: the truth.
        size: of a set.
        seed: cuts them.

    Returns:
        None where no pair of sets can be cut.
    """
    twice = pairs = 0
    for target, (row, truth) in enumerate(zip(scores, member, strict=True)):
        random = np.random.default_rng([seed, target])
        sides = [random.permutation(np.flatnonzero(side)) for side in (truth, ~truth)]
        count = min(len(side) for side in sides) // size
        inside, outside = (row[side[: count * size]].reshape(count, size).sum(axis=1) for side in sides)
        twice += int(2 * (inside > outside).sum() + (inside == outside).sum())
        pairs += count
    if not pairs:
        return None
    low, high = clopper_pearson(twice / 2, pairs)
    return SetFindings(size=size, pairs=pairs, accuracy=twice / (2 * pairs), interval=(float(low), float(high)))
