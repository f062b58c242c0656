"""Limits of a mean over pairs of independent trials, whatever their distribution.

A mean U, over all pairs of one trial and another, of a number from 0 to 1 is the mean over all ways to pair the trials off, and
each way is a mean over independent pairs. With m pairs in each (Hoeffding 1963, "Probability inequalities for sums of bounded
random variables", sections 2 and 5)

    P[U >= u] <= exp(-m KL(u || truth)) for u above the truth,    KL(u || p) = u log(u / p) + (1 - u) log((1 - u) / (1 - p))

and likewise below it, so that the limits are the two p at which m KL(U || p) is minus the logarithm of the tail.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import xlogy

HALVINGS = 50  # of the interval in which a limit is looked for


def pair_limits(
    mean: Float[np.ndarray, "record"], pairs: Int[np.ndarray, "record"], tail: float
) -> tuple[Float[np.ndarray, "record"], Float[np.ndarray, "record"]]:
    """The limits that are beyond the truth with at most this probability each.

    Args:
        mean: over all pairs, 0 to 1.
        pairs: how many of them are independent in each way to pair the trials off.
        tail: between 0 and 1.

    Returns:
        0 and 1 where there are no pairs.
    """
    return _lower(mean, pairs, tail), 1 - _lower(1 - mean, pairs, tail)


def _lower(mean: Float[np.ndarray, "record"], pairs: Int[np.ndarray, "record"], tail: float):
    low, high = np.zeros(mean.shape), mean.copy()
    with np.errstate(divide="ignore", invalid="ignore"):  # at 0 and 1 the divergence has an end without the one term
        known = xlogy(mean, mean) + xlogy(1 - mean, 1 - mean)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            divergence = known - xlogy(mean, middle) - xlogy(1 - mean, 1 - middle)
            beyond = pairs * divergence > -np.log(tail)
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return low


def cluster_limits(
    area: Float[np.ndarray, "record"],
    member: Bool[np.ndarray, "model record"],
    starts: Int[np.ndarray, "cluster"],
    tail: float,
) -> tuple[Float[np.ndarray, "record"], Float[np.ndarray, "record"]]:
    """The same of an AUC over pairs of a model with the record and one without it, where clusters of models are the trials.

    What pairs within a cluster say is taken for the worst.

    Args:
        area: of each record.
        member: who was trained on what, the models of a cluster beside one another.
        starts: where the clusters begin.
        tail: between 0 and 1.

    Returns:
        0 and 1 where clusters differ in their size, or in how many of their models have the record and are not all on one side:
        their pairs do not count alike.
    """
    sizes = np.diff(np.append(starts, len(member)))
    inside = np.add.reduceat(member.astype(np.int32), starts, axis=0)
    outside = sizes[:, None] - inside
    within = (inside * outside).sum(axis=0) / np.maximum(inside.sum(axis=0) * outside.sum(axis=0), 1)
    alike = (np.ptp(sizes) == 0) & ((np.ptp(inside, axis=0) == 0) | (within == 0))
    sides = np.count_nonzero(inside, axis=0), np.count_nonzero(outside, axis=0)
    pairs = np.where(alike, np.minimum(np.minimum(*sides), len(sizes) // 2), 0)
    across = 1 - within
    low, _ = pair_limits(
        np.divide(area - within, across, out=np.zeros_like(area), where=across > 0).clip(0, 1), pairs, tail
    )
    _, high = pair_limits(np.divide(area, across, out=np.ones_like(area), where=across > 0).clip(0, 1), pairs, tail)
    return low, high
