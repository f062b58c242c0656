"""Where a label changes along many segments at once, found by bisection: one call a round for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import BudgetSpent

Ask = Callable[[Float[np.ndarray, "query *feature"]], Int[np.ndarray, "query"]]
"""Queries to labels."""

OCTAVES = 5
"""Bisections that find the power of two of a share among the 2^OCTAVES below 1; 6 steal no more linear classifiers."""


class Crossings(NamedTuple):
    """Where the label changes on each segment.

    Attributes:
        low: Float["segment"], the largest share of the segment seen to have the start's label.
        high: Float["segment"], the smallest seen to have another; 1 with ``low`` where its end has none.
        label: Int["segment"], just beyond the change.
        reached: Bool["segment"], whether the label changes at all.
        refusal: why the search ended early, with shares as narrow as they had become; None where it did not.
    """

    low: Float[np.ndarray, "segment"]
    high: Float[np.ndarray, "segment"]
    label: Int[np.ndarray, "segment"]
    reached: Bool[np.ndarray, "segment"]
    refusal: BudgetSpent | None = None

    @property
    def share(self) -> Float[np.ndarray, "segment"]:
        """Of the segment, until the change; 1 where there is none."""
        return (self.low + self.high) / 2


def along(
    start: Float[np.ndarray, "segment *feature"],
    end: Float[np.ndarray, "segment *feature"],
    share: Float[np.ndarray, "segment"],
) -> Float[np.ndarray, "segment *feature"]:
    """The point at a share of each segment."""
    return start + share.reshape(-1, *[1] * (start.ndim - 1)) * (end - start)


def bisect(
    ask: Ask,
    start: Float[np.ndarray, "segment *feature"],
    end: Float[np.ndarray, "segment *feature"],
    own: Int[np.ndarray, "segment"],
    bits: int = 40,
    *,
    label: Int[np.ndarray, "segment"] | None = None,
    octaves: int = 0,
) -> Crossings:
    """Search each segment for the share at which its label changes, to 2^-bits, relative to the share if ``octaves``.

    Costs bits + octaves queries for each segment whose end has another label than its start.

    Args:
        ask: the victim.
        start: of each segment.
        end: of each segment.
        own: the start's label, which is not asked.
        bits: halvings; by default nearly to float64's last digits, as where a local model is asked.
        label: the end's label; by default a query each, and where the budget ends later what is known is returned.
        octaves: `OCTAVES` for a share that may lie anywhere down to 2^-32, so that its power of two is found first.

    Raises:
        BudgetSpent: before the ends were asked; at any time if ``label`` is given.
    """
    partial = label is None
    label = ask(end) if label is None else label.copy()
    reached = label != own
    active = np.flatnonzero(reached)
    low, high = np.where(reached, 0.0, 1.0), np.ones(len(own))
    for step in range(octaves + bits if len(active) else 0):
        below, above = low[active], high[active]
        floor = np.maximum(below, 2.0 ** -(2**OCTAVES))
        middle = np.sqrt(floor * above) if step < octaves else (below + above) / 2
        try:
            answer = ask(along(start[active], end[active], middle))
        except BudgetSpent as refusal:
            if not partial:
                raise
            return Crossings(low, high, label, reached, refusal)
        same = answer == own[active]
        low[active] = np.where(same, middle, below)
        high[active] = np.where(same, above, middle)
        label[active] = np.where(same, label[active], answer)
    return Crossings(low, high, label, reached)
