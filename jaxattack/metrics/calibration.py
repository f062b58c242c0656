"""Whether a pooled false-positive rate is every record's: one threshold for all accuses some records far more than others.

At the pooled threshold a record's own false-positive rate is the share of its non-member targets that call it a member.
A threshold of the record's own instead keeps its rate at what was asked for: a signal is replaced by how few of the
record's non-member models show as much (arXiv 2605.25819 sets the two side by side). Models that tell the members of the one
that is scored are left out of that count, so that both worlds are compared with as many and, where nothing leaks, the count
is uniform whatever the record. That holds of signals, each of which one model gives. The scores of an
attack with references are tied to one another across targets, and their ranks within a record are not uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.stats import binom, norm

from jaxattack.metrics.inputs import read_pair
from jaxattack.threads import map_threads, record_blocks

VALUES = 2**18  # ranked at a time


@dataclass(frozen=True, kw_only=True)
class OwnRates:
    """The records' own false-positive rates at one threshold.

    Attributes:
        above: the share of records whose own rate is more than twice the pooled one.
        chance: the share that would be if every record had the pooled rate.
        dispersion: the mean squared deviation of the records' counts over the binomial one; 1 where every record has the
            pooled rate.
        p_value: of that every record has it, one-sided.
    """

    above: float
    chance: float
    dispersion: float
    p_value: float


def own_rates(
    scores: Shaped[np.ndarray, "target record"], member: Shaped[np.ndarray, "target record"], threshold: float
) -> OwnRates:
    """How the false positives at a pooled threshold spread over the records.

    The null hypothesis is that each non-member score of a target is as likely to be a false positive as any other; counts
    are then at most as dispersed as binomial ones.

    Args:
        scores: higher means "more likely a member".
        member: the truth for each target: Booleans, or 0 and 1.
        threshold: a record is called a member when its score is at least this.

    Raises:
        InputError: no numbers, a truth of other than 0 and 1, shapes that disagree, or nothing.
    """
    scores, member = read_pair(scores, member)
    trials = (~member).sum(axis=0)
    hits = ((scores >= threshold) & ~member).sum(axis=0)[trials > 0]
    trials = trials[trials > 0]
    rate = hits.sum() / trials.sum()
    if not 0 < rate < 1:
        return OwnRates(above=0.0, chance=0.0, dispersion=1.0, p_value=1.0)
    variance = trials * rate * (1 - rate)
    dispersion = float(np.mean((hits - trials * rate) ** 2 / variance))
    spread = np.sqrt(np.mean(2 + (1 - 6 * rate * (1 - rate)) / variance) / len(trials))
    return OwnRates(
        above=float(np.mean(hits > 2 * rate * trials)),
        chance=float(np.mean(binom.sf(np.floor(2 * rate * trials), trials, rate))),
        dispersion=dispersion,
        p_value=float(norm.sf((dispersion - 1) / spread)),
    )


def calibrated(
    scores: Shaped[np.ndarray, "target record"],
    member: Shaped[np.ndarray, "target record"],
    left_out: Sequence[Int[np.ndarray, "target #record"]],
) -> Float[np.ndarray, "target record"]:
    """Each score by how few of the record's non-member targets score as high.

    Args:
        scores: higher means "more likely a member".
        member: the truth for each target: Booleans, or 0 and 1.
        left_out: targets that are not counted for each target and record, beside itself; -1 for none.

    Returns:
        Minus (1 + how many of the record's other non-member targets that are counted score at least as high) over (1 + how
        many such targets there are): -1 to below 0, higher means "more likely a member".

    Raises:
        InputError: no numbers, a truth of other than 0 and 1, shapes that disagree, or nothing.
    """
    scores, member = read_pair(scores, member)
    values = np.empty(scores.shape)

    def count_above(block: slice) -> None:
        some, others = scores[:, block], ~member[:, block]
        above = _at_least(some, others) - others  # each reaches its own score
        count = others.sum(axis=0) - others
        for models in left_out:
            part = np.broadcast_to(models if models.shape[1] == 1 else models[:, block], some.shape)
            their_score, counted = (np.take_along_axis(rows, np.maximum(part, 0), axis=0) for rows in (some, others))
            counted = counted & (part >= 0)
            above -= counted & (their_score >= some)
            count -= counted
        values[:, block] = -(1 + above) / (1 + count)

    map_threads(count_above, record_blocks(len(scores), scores.shape[1], 1, VALUES))
    return values


def _at_least(some: Float[np.ndarray, "target record"], others: Bool[np.ndarray, "target record"]) -> np.ndarray:
    """How many of the record's non-member targets score at least as high, the target itself among them if it is one."""
    order = np.argsort(-some, axis=0, kind="stable")
    ordered, population = np.take_along_axis(some, order, axis=0), np.take_along_axis(others, order, axis=0)
    running = np.cumsum(population, axis=0)
    # Equal scores count alike: each takes the count of the last of them, the lowest that is no less.
    inner = np.zeros(some.shape, bool)
    np.equal(ordered[1:], ordered[:-1], out=inner[:-1])
    running = np.minimum.accumulate(np.where(inner, running[-1], running)[::-1], axis=0)[::-1]
    above = np.empty_like(running)
    np.put_along_axis(above, order, running, axis=0)
    return above
