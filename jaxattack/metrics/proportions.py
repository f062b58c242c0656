"""The difference of two shares, with exact limits: at no share of either is one beyond the truth oftener than stated.

Tables are ordered by the lower limit that the score test has, of Mee (1984) for shares of different trials and of Tango (1998) for
shares of the same. Those limits, as all that rest on a normal approximation, fail where a Bonferroni correction puts them far out:
of 20 and 20 trials one of 99.6% can be above the truth 37 times as often as stated. The limit here is that of Buehler (1957): the
smallest difference at which a table that is ordered no lower than the one observed has the probability alpha, at the worst of all
pairs of shares of that difference. It keeps to the order, and no limit that does and holds its level is larger.

    different trials    ours ~ Bin(n, p), theirs ~ Bin(m, q), independent
    the same trials     theirs alone ~ Bin(n, q), ours alone ~ Bin(n - theirs, p / (1 - q)); the other trials tell nothing

Tables ordered no lower hold, with each of theirs, all of ours from a least number on, and that number grows with theirs; so their
probability is a sum over theirs of tails, and grows with the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq
from scipy.special import bdtr, betainc, gammaln, ndtri, xlog1py, xlogy

SHARES = np.sin(np.linspace(0, np.pi / 2, 65)) ** 2
"""Where between its ends the worst share is looked for: closer at the ends, where a share varies less."""
SLIGHT = 1e-18
"""Of theirs with less probability the tail is not computed."""
_EDGE = 1e-9


class Tables(Protocol):
    """What may be observed: two counts, and how likely they are.

    Attributes:
        ours: count that was observed.
        theirs: likewise.
        trials: of theirs.
    """

    @property
    def ours(self) -> int: ...
    @property
    def theirs(self) -> int: ...
    @property
    def trials(self) -> int: ...
    @property
    def difference(self) -> float:
        """That was observed."""
        ...

    def most(self, theirs: Int[np.ndarray, "table"]) -> Int[np.ndarray, "table"]:
        """The most of ours that there can be beside so many of theirs."""
        ...

    def score(
        self, difference: float, ours: Int[np.ndarray, "*table"], theirs: Int[np.ndarray, "*table"]
    ) -> Float[np.ndarray, "*table"]:
        """By how many of its standard deviations at a difference the observed one is above it."""
        ...

    def shares(self, difference: float) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
        """Of pairs with a difference: the share of theirs, and that of ours among `most`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Unpaired:
    """Successes in different trials.

    Attributes:
        ours: successes.
        theirs: likewise.
        our_trials: how many.
        trials: of theirs.
    """

    ours: int
    theirs: int
    our_trials: int
    trials: int

    @property
    def difference(self) -> float:
        """Our share less theirs, -1 to 1."""
        return self.ours / self.our_trials - self.theirs / self.trials

    def most(self, theirs: Int[np.ndarray, "table"]) -> Int[np.ndarray, "table"]:
        """All of our trials, whatever theirs are."""
        return np.full(theirs.shape, self.our_trials)

    def score(self, difference, ours, theirs):
        """Mee 1984; the shares of this difference that suit the table best are a root of a cubic (Miettinen and Nurminen 1985)."""
        n, m = self.our_trials, self.trials
        p, q, ratio = ours / n, theirs / m, m / n
        a = 1 + ratio
        b = -(1 + ratio + p + ratio * q + difference * (ratio + 2))
        c = difference**2 + difference * (2 * p + ratio + 1) + p + ratio * q
        d = -p * difference * (1 + difference)
        v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
        u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 1e-30))
        angle = (np.pi + np.arccos(np.clip(v / u**3, -1, 1))) / 3
        best = np.clip(2 * u * np.cos(angle) - b / (3 * a), max(difference, 0.0), min(1 + difference, 1.0))
        rest = best - difference
        variance = best * (1 - best) / n + rest * (1 - rest) / m
        return (p - q - difference) / np.sqrt(np.maximum(variance, 1e-30))

    def shares(self, difference: float) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
        """Theirs from the least to the most that leaves ours between 0 and 1; and ours."""
        low, high = max(0.0, -difference), min(1.0, 1 - difference)
        share = low + (high - low) * SHARES
        return share, (share + difference).clip(0, 1)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Successes in the same trials, where one side alone has one.

    Attributes:
        ours: ours alone.
        theirs: theirs alone.
        trials: all of them.
    """

    ours: int
    theirs: int
    trials: int

    @property
    def difference(self) -> float:
        """Our share less theirs, -1 to 1."""
        return (self.ours - self.theirs) / self.trials

    def most(self, theirs: Int[np.ndarray, "table"]) -> Int[np.ndarray, "table"]:
        """The trials in which theirs have none."""
        return self.trials - theirs

    def score(self, difference, ours, theirs):
        """Tango 1998; the share of theirs alone that suits the table best is a root of a quadratic."""
        n = self.trials
        b = -ours - theirs + (2 * n - ours + theirs) * difference
        best = (np.sqrt(np.maximum(b**2 + 8 * n * theirs * difference * (1 - difference), 0.0)) - b) / (4 * n)
        variance = n * (2 * best + difference * (1 - difference))
        return (ours - theirs - n * difference) / np.sqrt(np.maximum(variance, 1e-30))

    def shares(self, difference: float) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
        """Theirs alone, from the least to the most; and ours alone, among the trials without theirs."""
        low, high = max(0.0, -difference), (1 - difference) / 2
        share = low + (high - low) * SHARES
        rest = 1 - share
        return share, np.divide(share + difference, rest, out=np.zeros_like(share), where=rest > 0).clip(0, 1)


def paired_limits(ours: int, theirs: int, trials: int, confidence: float) -> tuple[float, float]:
    """The interval of the difference of two shares of the same trials.

    Args:
        ours: trials in which we alone succeed.
        theirs: in which they alone do.
        trials: all of them.
        confidence: of both ends together.

    Returns:
        -1 and 1 where there was no trial.

    Example:
        >>> low, high = paired_limits(6, 0, 50, 0.95)  # six trials of fifty differ, all one way
        >>> round(low, 3), round(high, 3)
        (0.025, 0.252)
    """
    if not trials:
        return -1.0, 1.0
    tail = (1 - confidence) / 2
    return _paired_limit(ours, theirs, trials, tail), -_paired_limit(theirs, ours, trials, tail)


def unpaired_limits(ours: int, our_trials: int, theirs: int, trials: int, confidence: float) -> tuple[float, float]:
    """The interval of the difference of two shares of different trials.

    Args:
        ours: our successes.
        our_trials: among so many.
        theirs: their successes.
        trials: among so many.
        confidence: of both ends together.

    Returns:
        -1 and 1 where either had no trial.
    """
    if not our_trials or not trials:
        return -1.0, 1.0
    tail = (1 - confidence) / 2
    low = lower_limit(Unpaired(ours=ours, our_trials=our_trials, theirs=theirs, trials=trials), tail)
    return low, -lower_limit(Unpaired(ours=theirs, our_trials=trials, theirs=ours, trials=our_trials), tail)


def _paired_limit(ours: int, theirs: int, trials: int, tail: float) -> float:
    """The lower limit; above 0 only where McNemar's exact test, which looks at no more than the trials that differ, says so too."""
    low = lower_limit(Paired(ours=ours, theirs=theirs, trials=trials), tail)
    return min(low, 0.0) if bdtr(theirs, ours + theirs, 0.5) > tail else low


def lower_limit(tables: Tables, tail: float) -> float:
    """The limit that is above the true difference with at most this probability."""
    least = least_of_ours(tables, tail)
    if least is None or probability(tables, -1.0, least) >= tail:
        return -1.0
    if probability(tables, tables.difference, least) < tail:
        return tables.difference
    root = brentq(lambda difference: probability(tables, difference, least) - tail, -1.0, tables.difference, xtol=1e-6)
    return float(cast(float, root))


def least_of_ours(tables: Tables, tail: float) -> Int[np.ndarray, "theirs"] | None:
    """By theirs, the fewest of ours at which the score test's limit is no lower than the one observed; None where that is -1.

    That limit is the difference at which the score is the normal quantile, so a table is ordered no lower where its score
    there is as large.
    """
    ours, theirs = np.array(tables.ours), np.array(tables.theirs)
    quantile = -float(ndtri(tail))

    def excess(difference: float) -> float:
        return float(tables.score(difference, ours, theirs)) - quantile

    if tables.difference - _EDGE <= -1 + _EDGE or excess(-1 + _EDGE) <= 0:
        return None
    limit = cast(float, brentq(excess, -1 + _EDGE, tables.difference, xtol=1e-12))
    reached = float(tables.score(limit, ours, theirs)) - 1e-7
    beside = np.arange(tables.trials + 1)
    most = tables.most(beside)
    low, high = np.zeros_like(beside), most + 1
    while (low < high).any():
        middle = (low + high) // 2
        inside = tables.score(limit, middle, beside) >= reached
        low, high = np.where(inside | (low >= high), low, middle + 1), np.where(inside, middle, high)
    high = np.where(high > most, most.max() + 1, high)  # none there is: more than any number
    high[: tables.theirs + 1] = np.minimum(high[: tables.theirs + 1], tables.ours)
    return np.minimum.accumulate(high[::-1])[::-1]


def probability(tables: Tables, difference: float, least: Int[np.ndarray, "theirs"]) -> float:
    """Of at least so many of ours beside theirs, at the worst pair of shares of a difference."""
    theirs = np.arange(len(least))[:, np.newaxis]
    share, ours_share = tables.shares(difference)
    n = tables.trials
    ways = gammaln(n + 1) - gammaln(theirs + 1) - gammaln(n - theirs + 1)
    weight = np.exp(ways + xlogy(theirs, share) + xlog1py(n - theirs, -share))
    row, pair = np.nonzero(weight > SLIGHT)
    tails = _tail(least[row], tables.most(row), ours_share[pair])
    return float(np.bincount(pair, weights=weight[row, pair] * tails).max())


def _tail(
    least: Int[np.ndarray, "table"], trials: Int[np.ndarray, "table"], share: Float[np.ndarray, "table"]
) -> Float[np.ndarray, "table"]:
    """The probability of at least so many successes."""
    inside = betainc(np.clip(least, 1, np.maximum(trials, 1)), np.maximum(trials - least + 1, 1), share)
    return np.where(least <= 0, 1.0, np.where(least > trials, 0.0, inside))
