"""Whether the coins that put canaries in or out may be counted as independent, from the coins alone.

A bound of one run needs a fair coin for each canary, independent of all others. Where exactly half of a run's canaries are
in, as by complementary halves, they are not: no theorem covers such coins, and where exactly one of each pair is in, the
bound of a mechanism with epsilon 1 reads 1.86 (tests/metrics/test_epsilon.py).

Several runs side by side are one mechanism whose coins are all coins of all runs, because each touches its own run alone:
the bounds of one run hold for them together, if the coins are independent over runs too.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool
from scipy.stats import binom

Coins = Bool[np.ndarray, "model canary"]

IMPOSSIBLE = 1e-6
"""The chance below which what is seen of the coins is no coincidence."""

LIKELY = 0.5
"""The chance above which it says nothing."""


def unfair(member: Coins) -> str | None:
    """Why the coins are not fair; None where they may be."""
    ins, count = int(member.sum()), member.size
    if 2 * binom.cdf(min(ins, count - ins), count, 0.5) >= IMPOSSIBLE:
        return None
    return f"{ins:,} of {count:,} coins are in, and a fair coin puts half of them in"


def balanced(member: Coins, independent: bool) -> str | None:
    """Why the coins of a row are tied: all rows have half of them in, or the same number; None where they may be free.

    Args:
        member: rows whose coins are to be independent.
        independent: whether they are declared to be, which a coincidence does not contradict.
    """
    rows, count = member.shape
    ins = member.sum(axis=1)
    half = {count // 2, -(-count // 2)}
    if {*ins.tolist()} <= half:
        chance = sum(float(binom.pmf(number, count, 0.5)) for number in half) ** rows
    elif rows > 1 and len({*ins.tolist()}) == 1:
        chance = float(binom.pmf(ins[0], count, 0.5)) ** (rows - 1)
    else:
        return None
    if chance > LIKELY or (independent and chance > IMPOSSIBLE):
        return None
    return f"{_numbers(ins)} of {count:,}"


def _numbers(ins: np.ndarray) -> str:
    low, high = int(ins.min()), int(ins.max())
    return f"exactly {low:,}" if low == high else f"{low:,} or {high:,}"


def tied_canaries(member: Coins) -> str | None:
    """Which canaries are in together, or never together, in every run; None where that may be chance."""
    pair = _alike(member.T)
    return None if pair is None else f"canaries {pair[0]} and {pair[1]} share one coin in all {len(member):,} runs"


def tied_runs(member: Coins) -> str | None:
    """Which runs have the same canaries in, or exactly those that the other lacks; None where that may be chance."""
    pair = _alike(member)
    if pair is None and complementary(member):
        pair = (0, 1)
    return None if pair is None else f"the coins of runs {pair[0]} and {pair[1]} are the same, or opposite throughout"


def complementary(member: Coins) -> bool:
    """Whether runs come in pairs, 2k + 1 with exactly the canaries that 2k lacks."""
    even = len(member) // 2 * 2
    return even * member.shape[1] >= 40 and bool((member[:even:2] != member[1:even:2]).all())


def _alike(rows: Bool[np.ndarray, "row coin"]) -> tuple[int, int] | None:
    """Two rows that are equal or opposite, if there are so many coins that chance makes none."""
    count, coins = rows.shape
    if coins < 2 * math.log2(max(count, 2)) - math.log2(IMPOSSIBLE):
        return None
    packed = np.packbits(rows ^ rows[:, :1], axis=1)  # the same for a row and its opposite
    first: dict[bytes, int] = {}
    for index, row in enumerate(packed):
        other = first.setdefault(row.tobytes(), index)
        if other != index:
            return other, index
    return None
