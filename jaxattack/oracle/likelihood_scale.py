"""Scores of classes that are probabilities or their logarithms on another scale, told by their rows.

Read as logits, each of these would pass, and every number made of them would be wrong. What tells them is a sum that is the
same in every row, which raw outputs of a network never keep:

    ====================  ==================================
    in every row          the scores are
    ====================  ==================================
    none below 0, sum c   probabilities times c
    whole numbers from 0  the same in so many steps, as of quantised networks, where sums differ by the roundings of
                          the classes alone
    sum 10^z is 1         logarithms of probabilities to base 10
    sum 2^z is 1          to base 2
    sum e^-z is 1         negative logarithms of probabilities
    ====================  ==================================

Rows that are all alike tell nothing: a model that answers every record the same may answer anything. Nor do whole numbers
that may be raw outputs of a quantised network about its zero point, which a softmax regression's sum to as many times as there
are classes: those of two classes, and of more where none is 0, which shares often are, and the mean is a whole number. They are
told as either, and who says which is believed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

STEPPED = 8
"""Rows from which sums of whole numbers that differ by their roundings alone are no chance."""

SAME = 24
"""Rows from which whole numbers of one sum are no raw outputs: the roundings of three classes cancel with probability 3/4, and
in as many rows with .001."""

SUM = 1e-3
"""How far sums may be from one another, relative to their size: those of numbers in float16 are."""

_LOGARITHMS = {
    np.log(10): ("logarithms of probabilities to base 10", "multiply them by 2.302585, the logarithm of 10"),
    np.log(2): ("logarithms of probabilities to base 2", "multiply them by 0.693147, the logarithm of 2"),
    -1.0: ("negative logarithms of probabilities", "change their sign"),
    -np.log(10): ("negative logarithms of probabilities to base 10", "multiply them by -2.302585"),
    -np.log(2): ("negative logarithms of probabilities to base 2", "multiply them by -0.693147"),
}
"""What a score is multiplied by to give the natural logarithm: what it is, and the remedy."""


def other_scale(scores: Float[np.ndarray, "row cls"], *, stated: bool = False) -> tuple[str, str] | None:
    """What scores are that are taken for logits, and how they become so; None where nothing tells.

    Args:
        scores: finite, of at least two classes; those whose rows sum to 1 are plain probabilities and not told here.
        stated: whether somebody says that they are logits.
    """
    if len(scores) < 2 or np.ptp(scores, axis=0).max() <= SUM * np.abs(scores).max():
        return None
    total = scores.sum(axis=1)
    mean, apart = float(total.mean()), float(np.ptp(total))
    whole = bool((scores == np.rint(scores)).all())
    # Sums of whole numbers are apart by their roundings, and of few rows nothing else tells shares in fine steps.
    few = len(scores) < STEPPED and SUM * mean > scores.shape[1]
    slack = SUM * mean if few or not whole else 0.0
    exact = scores.min() >= 0 and mean > 0 and abs(mean - 1) > SUM and apart <= slack
    shares = whole and scores.min() >= 0 and len(scores) >= STEPPED and _rounded_shares(scores, total)
    if (exact or shares) and whole and (zero := _zero_point(scores, mean)) is not None:
        steps, divide = _in_steps(mean)
        about = f"{steps}, or raw outputs about a zero point of {zero:.6g}", f"{divide}, or subtract {zero:.6g}"
        return None if stated else about
    if exact:
        return f"probabilities times {mean:.6g}", f"divide them by {mean:.6g}"
    if shares:
        return _in_steps(mean)
    with np.errstate(over="ignore"):  # what overflows sums to no 1
        return next(
            (kind for factor, kind in _LOGARITHMS.items() if np.abs(logsumexp(factor * scores, axis=1)).max() <= SUM),
            None,
        )


def _in_steps(mean: float) -> tuple[str, str]:
    return f"probabilities in whole numbers of {mean:.0f} in all", "divide each row by its sum"


def _zero_point(scores: Float[np.ndarray, "row cls"], mean: float) -> float | None:
    """About which whole numbers with a sum of `mean` may be raw outputs; None where they are shares."""
    rows, classes = scores.shape
    if classes == 2:
        return float(np.rint(mean) / classes)
    if rows >= SAME and not np.ptp(scores.sum(axis=1)):
        return None
    zero = np.rint(mean / classes)
    # The mean of sums that are each off by the roundings of their classes, three standard deviations of that.
    off = 3 * np.sqrt(classes / 12 / rows)
    return float(zero) if scores.min() > 0 and abs(mean - classes * zero) <= off else None


def _rounded_shares(scores: Float[np.ndarray, "row cls"], total: Float[np.ndarray, "row"]) -> bool:
    """Whether whole numbers have sums that are apart by half a step a class and no more, of far more steps than classes.

    Raw outputs of a softmax regression, whose weights sum to 0 over the classes, are as near together about classes times their
    zero point; but no number of 8 or 16 bits that holds them holds that sum, as one of shares does, unless the zero point is low.

    Of simulated confidences of 3 to 100 classes in 255 steps 59% are told at 20 a class, 74% at 10 and 46% at 40. Of simulated raw
    outputs in 8 bits about zero points of 10 to 128, half of them of sum 0, .5% are taken for shares alone, .9% and none, and 6, 6
    and 4% are told as either; of 16 bits about 32,768 none are and .3%.
    """
    classes, most = scores.shape[1], scores.max()
    largest = next((2.0**bits for bits in (8, 16) if most < 2**bits), np.inf)
    shares = 20 * classes <= total.mean() <= largest + classes
    return bool(shares and np.ptp(total) <= classes)
