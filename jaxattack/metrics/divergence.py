"""How far members' answers lie from non-members', as one number that needs no attack: a predictor of risk.

The square root of the Jensen-Shannon divergence in bits between two histograms, of a quantity such as the cross entropy or the
entropy: He et al. 2022 (Membership-Doctor, arXiv 2208.10445) predict by it what attacks find. It is 0 for equal histograms and
1 for disjoint ones, and a distance. Bins and the null are ours. The losses of members lie decades below 0.3, where bins of one
width start: such bins tell members of 1e-2 and of 1e-4 apart from nothing, and log-spaced ones do.

Two samples of n values of one distribution have a divergence of about (b - 1) / (4 n ln 2) bits over b bins in use. What a
permutation of the values leaves is that floor without the approximation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import InputError, at_least, config


@config
class Bins:
    """Bins of one width, of the values or of their logarithms; what is out of range is in the first or the last.

    Attributes:
        count: how many.
        low: where the first begins.
        high: where the last ends.
        logarithmic: whether they are of one width on a logarithmic scale.

    Raises:
        InputError: no bins, or a range that is empty or, on a logarithmic scale, not above 0.
    """

    count: int = 50
    low: float = 1e-6
    high: float = 15.0
    logarithmic: bool = True

    def __post_init__(self) -> None:
        at_least(1, count=self.count)
        if not self.low < self.high < math.inf or self.low < 0 or (self.logarithmic and self.low == 0):
            above = "above 0" if self.logarithmic else "of at least 0"
            raise InputError(f"low is {self.low} and high {self.high}: give a range {above} that is not empty.")

    @property
    def edges(self) -> Float[np.ndarray, "edge"]:
        """Where bins begin and end; one more than bins."""
        spaced = np.geomspace if self.logarithmic else np.linspace
        return spaced(self.low, self.high, self.count + 1)

    def place(self, values: Float[np.ndarray, "record"]) -> Int[np.ndarray, "record"]:
        """The bin of each value.

        Raises:
            InputError: NaN among them.
        """
        if np.isnan(values).any():
            raise InputError("values contain NaN: drop these records, or mend the signal.")
        return np.searchsorted(self.edges[1:-1], values, side="right")


LOG_BINS = Bins()


class Distance(NamedTuple):
    """How far members' values lie from non-members'.

    Attributes:
        measured: the Jensen-Shannon distance of their histograms, 0 to 1.
        null: the root of the mean divergence where membership is permuted.
        excess: the root of the divergence less that mean; 0 where it is below it.
    """

    measured: float
    null: float
    excess: float


def jensen_shannon(p: Float[np.ndarray, "bin"], q: Float[np.ndarray, "bin"]) -> float:
    """The Jensen-Shannon divergence of two histograms in bits, 0 to 1; each is divided by its sum first.

    Raises:
        InputError: a histogram that is empty or has a count below 0, or others' bins.
    """
    if p.shape != q.shape or not (min(p.min(initial=0), q.min(initial=0)) >= 0):
        raise InputError(
            f"histograms have {p.size} and {q.size} bins, some below 0 or not as many: give counts of the same bins."
        )
    if not p.sum() > 0 or not q.sum() > 0:
        raise InputError("a histogram is empty: give members and non-members.")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    terms = [part * np.log2(np.divide(part, middle, out=np.ones_like(part), where=part > 0)) for part in (p, q)]
    return float(min(max(np.sum(terms) / 2, 0.0), 1.0))


def risk_distance(
    members: Float[np.ndarray, "member"],
    others: Float[np.ndarray, "other"],
    bins: Bins = LOG_BINS,
    *,
    permutations: int = 100,
    seed: int = 0,
) -> Distance:
    """The Jensen-Shannon distance between members' and non-members' values, and what chance makes of it.

    Args:
        members: a value of each member, as its cross entropy.
        others: of each non-member.
        bins: of the histograms.
        permutations: of who is a member.
        seed: of the permutations.

    Raises:
        InputError: no members or no non-members, NaN among the values, or no permutation.
    """
    at_least(1, permutations=permutations)
    place = bins.place(np.concatenate([members, others]))
    total = np.bincount(place, minlength=bins.count).astype(float)

    def divergence(inside: np.ndarray) -> float:
        first = np.bincount(inside, minlength=bins.count).astype(float)
        return jensen_shannon(first, total - first)

    measured = divergence(place[: len(members)])
    rng = np.random.default_rng(seed)
    null = float(np.mean([divergence(rng.permutation(place)[: len(members)]) for _ in range(permutations)]))
    return Distance(math.sqrt(measured), math.sqrt(null), math.sqrt(max(measured - null, 0.0)))
