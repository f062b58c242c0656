"""Where a victim's label changes along many segments at once, found by bisection: one call a round for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import BudgetSpent

Ask = Callable[[Float[np.ndarray, "query feature"]], Int[np.ndarray, "query"]]
"""Flattened queries to labels."""

OCTAVES = 6
"""Bisections that find the power of two of a share among the 2^OCTAVES below 1."""


class Crossings(NamedTuple):
    """Where the label first changes on each segment.

    Attributes:
        share: Float["segment"], of the segment, until the change; 1 where its end still has the start's label.
        reached: Bool["segment"], whether the label changes at all.
        label: Int["segment"], just beyond the change.
        refusal: why the search ended early, with shares as narrow as they had become; None where it did not.
    """

    share: np.ndarray
    reached: Bool[np.ndarray, "segment"]
    label: np.ndarray
    refusal: BudgetSpent | None = None


def along(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> Float[np.ndarray, "segment feature"]:
    """The point at a share of each segment."""
    return start + share[:, None] * (end - start)


def crossings(
    ask: Ask,
    start: Float[np.ndarray, "segment feature"],
    end: Float[np.ndarray, "segment feature"],
    own: Int[np.ndarray, "segment"],
    bits: int,
) -> Crossings:
    """Search each segment for the share at which its label changes, to a relative precision of 2^-bits.

    A share may lie anywhere down to 2^-64, so its power of two is found first. Costs a query a segment, and bits +
    `OCTAVES` more for each segment whose end has another label.

    Args:
        ask: the victim.
        start: of each segment.
        end: of each segment.
        own: the start's label, which is not asked.
        bits: of precision.

    Raises:
        BudgetSpent: before the ends were asked.
    """
    label = ask(end)
    reached = label != own
    active = np.flatnonzero(reached)
    low, high = np.zeros(len(own)), np.ones(len(own))
    refusal = None
    for step in range(OCTAVES + bits if len(active) else 0):
        below, above = low[active], high[active]
        floor = np.maximum(below, 2.0 ** -(2**OCTAVES))
        middle = np.sqrt(floor * above) if step < OCTAVES else (below + above) / 2
        try:
            answer = ask(along(start[active], end[active], middle))
        except BudgetSpent as error:
            refusal = error
            break
        same = answer == own[active]
        low[active] = np.where(same, middle, below)
        high[active] = np.where(same, above, middle)
        label[active] = np.where(same, label[active], answer)
    return Crossings(np.where(reached, (low + high) / 2, 1.0), reached, label, refusal)
