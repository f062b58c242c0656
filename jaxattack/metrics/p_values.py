"""p-values of scores against those that records get where they are no members: how likely so high a score is without membership.

A p-value is valid if it is at most f with probability at most f for a record that is no member, whatever f. Ranks among
exchangeable scores are (conformal p-values: Vovk, Gammerman and Shafer 2005, section 2.2), ties counted against the record.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import stdtr

from jaxattack.types import InputError


def rank_p_values(
    scores: Float[np.ndarray, "record"], null: Float[np.ndarray, "non_member"]
) -> Float[np.ndarray, "record"]:
    """(1 + how many scores of non-members are at least as high) / (1 + how many there are).

    Valid where a record that is no member is exchangeable with those.

    Args:
        scores: higher means "more likely a member"; none of them is among ``null``.
        null: of non-members, at least none.

    Returns:
        From 1 / (n + 1) to 1.

    Raises:
        InputError: NaN.
    """
    return (1 + _at_least(scores, null)) / (1 + len(null))


def leave_one_out_p_values(null: Float[np.ndarray, "non_member"]) -> Float[np.ndarray, "non_member"]:
    """The same of each non-member among the others: from 1 / n to 1."""
    return _at_least(null, null) / max(len(null), 1)


def predictive_p_values(
    value: Float[np.ndarray, "record"],
    references: Float[np.ndarray, "model record"],
    out: Bool[np.ndarray, "model record"],
) -> Float[np.ndarray, "record"]:
    """How likely a new normal value is to be so high, beside those of the record's references that are out.

    With their mean m and sample standard deviation s over k references, (value - m) / (s sqrt(1 + 1 / k)) is Student's t with
    k - 1 degrees of freedom where all are normal (Hahn and Meeker 1991, section 4.7). Where they do not vary the value's rank
    among them stands.

    Args:
        value: of the target.
        references: of the same signal.
        out: which references were not trained on the record.

    Returns:
        0 to 1; 1 where fewer than two references are out.
    """
    count = out.sum(axis=0)
    largest = np.where(out, references, -np.inf).max(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore"):  # of a record without references there is no largest, and its p-value is 1
        below = np.where(out, references - largest, 0.0)  # so that those that are all the same are exactly 0
        above = value - largest
    mean = below.sum(axis=0) / np.maximum(count, 1)
    squares = np.where(out, (below - mean) ** 2, 0.0).sum(axis=0)
    freedom = np.maximum(count - 1, 1)
    scale = np.sqrt(squares / freedom * (1 + 1 / np.maximum(count, 1)))
    varying = (scale > 0) & (count > 1)
    t = np.divide(above - mean, scale, out=np.zeros(len(value)), where=varying)
    rank = np.where(value > largest, 1 / (count + 1), 1.0)
    return np.where(varying, stdtr(freedom, -t), np.where(count > 1, rank, 1.0))


def _at_least(scores: np.ndarray, null: np.ndarray) -> np.ndarray:
    """How many of some scores are at least as high as each.

    Raises:
        InputError: NaN, which would be higher than all.
    """
    if np.isnan(scores).any() or np.isnan(null).any():
        raise InputError("scores contain NaN: drop these records, or mend the signal.")
    return len(null) - np.searchsorted(np.sort(null), scores, side="left")
