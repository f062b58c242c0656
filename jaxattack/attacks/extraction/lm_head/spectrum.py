"""The hidden size and the output projection, from logits of prompts (Carlini et al. 2024, section 4).

Z["prompt token"] = G W^T for hidden states G["prompt hidden"], so it has as many singular values above the noise as
there are hidden units, and for U, the left singular vectors that belong to them, Z^T U = W (G^T U): the projection up
to a change of basis. U is taken from some of the tokens; any basis of what G spans serves, so the decomposition is
small and what remains is one product.

Answers that hold log-probabilities hide a number a prompt. It is taken out with the mean over tokens, and so is the
mean row of W, which no such answer shows.

An offset b of the logits, Z = G W^T + 1 b^T, adds 1 to the rank. The gap is sought without the mean over prompts, which
takes out the offset, and with it the one direction that is often a hundred times longer than the others; then the rank
with the mean tells whether there is an offset. In all:

    ===========================================  =======  ======  ===============
    victim with d hidden units                   rank     offset  hidden size
    ===========================================  =======  ======  ===============
    W g, also after RMS norm                     d        no      d
    W g + b                                      d + 1    yes     d
    W (layer norm with scale)                    d - 1    no      d - 1
    W (layer norm with scale and shift)          d        yes     d - 1
    ===========================================  =======  ======  ===============

Layer norm leaves d - 1 directions; no answer shows that there was one more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.types import EPSILON

GAP, MARGIN = 100.0, 16
"""The least ratio of neighbouring singular values that ends the spectrum, and how many are wanted below it.

The least singular value of a square random matrix is so far below the next with chance 1 / GAP or so (Edelman 1988), and so many of them one
after the other with chance GAP^-MARGIN. Of 108 heads all are stolen with gaps of 10 to 10,000 from as many queries, and with margins of 8 and 32
from 16% fewer and 47% more. Of 60 with 6 to 20 directions far smaller than the others all are stolen, with 8 54."""


class Spectrum(NamedTuple):
    """How many singular values are above the noise with the mean over prompts and without, and the gap without it."""

    rank: int
    ratio: float
    hidden: int
    offset: bool


def spectrum(logit: Float[np.ndarray, "prompt token"]) -> Spectrum | None:
    """Where the singular values of logits, without the number a prompt, have their largest gap.

    None where that is a ratio below `GAP`, or fewer than `MARGIN` values lie below it, so that noise may be a small one.
    """
    if not logit.size:
        return None
    # Taking out means leaves one singular value that is zero but for rounding, a gap of its own.
    value = _singular(logit - logit.mean(axis=0))[:-1]
    ratio = value[:-1] / value[1:]
    hidden = int(ratio.argmax()) + 1 if len(ratio) else 0
    if not hidden or len(value) - hidden < MARGIN or ratio[hidden - 1] < GAP:
        return None
    noise = np.sqrt(value[hidden - 1] * value[hidden])
    rank = int((_singular(logit) > noise).sum())
    return Spectrum(rank, float(ratio[hidden - 1]), hidden, rank > hidden)


def projection(
    logit: Float[np.ndarray, "prompt token"], sample: Float[np.ndarray, "prompt some"], hidden: int, offset: bool
) -> tuple[Float[np.ndarray, "token hidden"], Float[np.ndarray, "token"]]:
    """The projection, in the basis in which the hidden states of these prompts are orthonormal, and the offset or zero.

    Where there is an offset the mean over prompts is a point of the affine space.
    """
    at = logit.mean(axis=0) if offset else np.zeros(logit.shape[1])
    # The mean over prompts of both, so that U is orthogonal to 1 and no copy of the logits is needed.
    states = np.linalg.svd(sample - sample.mean(axis=0) if offset else sample, full_matrices=False)[0][:, :hidden]
    return logit.T @ states, at


def _singular(matrix: Float[np.ndarray, "prompt token"]) -> Float[np.ndarray, "value"]:
    value = np.linalg.svd(matrix, compute_uv=False)
    # What is below rounding is no number: it would make gaps among zeros.
    least = EPSILON["float64"] * max(matrix.shape) * value.max(initial=0.0)
    return np.maximum(value, least + np.finfo(np.float64).tiny)
