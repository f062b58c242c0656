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

Rows that are all alike tell nothing: a model that answers every record the same may answer anything. Nor do whole numbers of
two classes: they are shares of their sum, or raw outputs of a quantised network about a zero point of half of it. Who says
which is believed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

STEPPED = 8
"""Rows from which sums of whole numbers that differ by their roundings alone are no chance."""

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
    mean = float(total.mean())
    exact = scores.min() >= 0 and mean > 0 and abs(mean - 1) > SUM and np.ptp(total) <= SUM * mean
    shares = scores.min() >= 0 and len(scores) >= STEPPED and _rounded_shares(scores, total)
    steps = f"probabilities in whole numbers of {mean:.0f} in all", "divide each row by its sum"
    if (exact or shares) and scores.shape[1] == 2 and (scores == np.rint(scores)).all():
        about = (
            f", or raw outputs about a zero point of {np.rint(mean) / 2:.6g}",
            f", or subtract {np.rint(mean) / 2:.6g}",
        )
        return None if stated else (steps[0] + about[0], steps[1] + about[1])
    if exact:
        return f"probabilities times {mean:.6g}", f"divide them by {mean:.6g}"
    if shares:
        return steps
    with np.errstate(over="ignore"):  # what overflows sums to no 1
        return next(
            (kind for factor, kind in _LOGARITHMS.items() if np.abs(logsumexp(factor * scores, axis=1)).max() <= SUM),
            None,
        )


def _rounded_shares(scores: Float[np.ndarray, "row cls"], total: Float[np.ndarray, "row"]) -> bool:
    """Whether they are whole numbers whose sums are apart by half a step a class and no more, of far more steps than classes.

    Raw outputs of a softmax regression, whose weights sum to 0 over the classes, are as near together about classes times their
    zero point; but no number of 8 or 16 bits that holds them holds that sum, as one of shares does.

    Of simulated confidences in 255 steps of 3 to 100 classes 58% are told at 20 a class, 83% at 10 and 33% at 40; of simulated raw outputs
    about zero points of 0, 10, 32 and 128, half of them of sum 0, 6% are taken for such, 9% and 2%.
    """
    classes, most = scores.shape[1], scores.max()
    largest = next((2.0**bits for bits in (8, 16) if most < 2**bits), np.inf)
    shares = 20 * classes <= total.mean() <= largest + classes
    return bool(shares and np.ptp(total) <= classes and (scores == np.rint(scores)).all())
