"""Whether a regressor is surer of records than of others: Welch's t-test, and p-values of several of them together.

The test takes records as drawn at random. For ONE pair of sets it says whether their means differ, and they may for every
model alike, independent ones too: that is why scores are held against those of independent models.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr


class Welch(NamedTuple):
    """Welch's one-sided test (Welch 1947).

    Attributes:
        t: the difference of the means over its standard error.
        p_value: of a t so high where there is no difference.
    """

    t: Float[np.ndarray, "*draw"]
    p_value: Float[np.ndarray, "*draw"]


def welch(member: Float[np.ndarray, "*draw record"], other: Float[np.ndarray, "*draw record"]) -> Welch:
    """Whether the others' mean is the higher one.

    Samples that do not vary at all decide nothing where their means are equal (t 0, p 1) and everything where they are not
    (t infinite, p 0 or 1).

    Args:
        member: at least two.
        other: at least two.
    """
    # From a value of their own, so that what does not vary is exactly 0 apart, and no difference of two roundings.
    moments = [_moments(sample - member[..., :1]) for sample in (member, other)]
    share = [variance / sample.shape[-1] for (_, variance), sample in zip(moments, (member, other), strict=True)]
    difference, square = moments[1][0] - moments[0][0], share[0] + share[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0, 0.0, difference / np.sqrt(square))
        freedom = square**2 / sum(
            part**2 / (sample.shape[-1] - 1) for part, sample in zip(share, (member, other), strict=True)
        )
    constant = square == 0
    p = stdtr(np.where(constant, 1.0, freedom), -t)
    return Welch(t, np.where(constant & (difference == 0), 1.0, p))


def _moments(
    sample: Float[np.ndarray, "*draw record"],
) -> tuple[Float[np.ndarray, "*draw"], Float[np.ndarray, "*draw"]]:
    """Mean and variance, exact where all are the same."""
    constant = np.ptp(sample, axis=-1) == 0
    mean = np.where(constant, sample[..., 0], sample.mean(axis=-1))
    return mean, np.where(constant, 0.0, sample.var(axis=-1, ddof=1))


def combined_p_value(
    member: Float[np.ndarray, "record"],
    other: Float[np.ndarray, "record"],
    *,
    exposure: int,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """The paper's p-value where so many records of either side are exposed: the harmonic mean over draws of them.

    Draws overlap, and the harmonic mean stands that (Wilson 2019); it may be below a valid p-value by a factor of about the
    logarithm of the draws, which the paper does not correct.

    Args:
        member: what a regressor says of records that were trained on.
        other: of others.
        exposure: records of either side, at least two; at most all.
        draws: how often they are drawn.
        rng: draws.
    """
    rows = [np.argsort(rng.random((draws, len(side))), axis=1)[:, :exposure] for side in (member, other)]
    p = welch(member[rows[0]], other[rows[1]]).p_value
    return float(1 / np.mean(1 / p)) if (p > 0).all() else 0.0
