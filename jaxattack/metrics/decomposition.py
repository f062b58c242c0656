"""Bias and variance of what models answer, over models that were not trained on the record.

Of confidences p of several models and the label's one-hot y, exactly (means over the models):

    squared error    mean |p - y|^2   = |mean p - y|^2 + mean |p - mean p|^2
    cross entropy    mean -log p_y    = -log q_y       + mean KL(q || p),      q proportional to exp(mean log p)

The first terms are the bias, the second the variance (Yang et al. 2020, arXiv 2002.11328). Baluta et al. (CCS 2022, doi
10.1145/3548606.3560694) have both among what causes membership attacks. The variance divides by the number of models, not by
one less, so that the sums hold: with few models it is small, and the bias large, by their noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from jaxattack.types import InputError

TINY = float(np.finfo(np.float32).tiny)


class Decomposition(NamedTuple):
    """The mean error over records in two parts, in both forms; logarithms in nats.

    Attributes:
        bias: of the squared error, 0 to 2.
        variance: of the squared error, 0 to 2.
        log_bias: of the cross entropy.
        log_variance: of the cross entropy.
    """

    bias: float
    variance: float
    log_bias: float
    log_variance: float


def decompose(
    confidence: Float[np.ndarray, "model record cls"],
    member: Bool[np.ndarray, "model record"],
    label: Int[np.ndarray, "record"],
) -> Decomposition:
    """Bias and variance over the models that do not have a record; the mean over records that two or more do not have.

    Args:
        confidence: of each model, at least 0; what is below the smallest normal float32 counts as that.
        member: who has what.
        label: of each record.

    Raises:
        InputError: no record that two models do not have.
    """
    out = ~member
    count = out.sum(axis=0)
    records = np.flatnonzero(count >= 2)
    if not len(records):
        raise InputError(
            f"member has {len(member)} models and no record that two of them do not have: give more models."
        )
    p = np.maximum(confidence[:, records].astype(np.float64), TINY)
    weight = (out[:, records] / count[records])[:, :, None]
    goal = np.eye(p.shape[2])[label[records]]
    mean, mean_log = (weight * p).sum(axis=0), (weight * np.log(p)).sum(axis=0)
    log_q = mean_log - logsumexp(mean_log, axis=1, keepdims=True)
    divergence = np.exp(log_q) * (log_q - mean_log)  # the mean of KL(q || p): q is of all models
    return Decomposition(
        bias=float(((mean - goal) ** 2).sum(axis=1).mean()),
        variance=float((weight * (p - mean) ** 2).sum(axis=(0, 2)).mean()),
        log_bias=float(-(goal * log_q).sum(axis=1).mean()),
        log_variance=float(divergence.sum(axis=1).mean()),
    )
