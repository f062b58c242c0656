"""LiRA with the arithmetic of the published code (tensorflow/privacy, research/mi_lira_2021), for comparison.

It departs from the paper in five ways, kept here:

- the median of the references serves as the mean;
- standard deviations divide by n, and 1e-30 is added to them;
- with a fixed variance, the standard deviation of all scores of members together, over records, models and queries,
  so with the spread between records in it, serves both sides (offline: that of all scores of non-members);
- offline, the score is -log N(phi; out), two-sided: a very unconfident record counts as a member, too;
- the lists of references of all records are cut to the length of the shortest, the earliest models staying.

The code's sign is turned, so that higher means "more likely a member". All targets come from one sort a record: the
list of a target is the first c + 1 references less one of them (its own place, or the last), and the median of a
sorted list less one follows from that one's rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.leave_one_out import leave_one_out, map_threads, record_blocks
from jaxattack.attacks.membership.predictive import Predictive, log_density

TINY = 1e-30  # the published code's guard against a zero standard deviation


def score(
    phi: Float[np.ndarray, "model record query"],
    sides: Mapping[str, Bool[np.ndarray, "model record"]],
    targets: Int[np.ndarray, "target"],
    fix_variance: bool,
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each target, its references all other models.

    Args:
        phi: the logit-scaled confidence.
        sides: "out", and "in" for the online attack: which models are on this side. Every target leaves each record
            at least one.
        targets: the models under attack, each once.
        fix_variance: one standard deviation for all records instead of one each.
    """
    blocks = record_blocks(*phi.shape)
    lengths = {side: _shortest(held, targets) for side, held in sides.items()}
    fixed = None
    if fix_variance:
        side = "in" if "in" in sides else "out"
        fixed = _overall_deviation(phi, sides[side], targets, lengths[side], blocks)
    out = np.empty((len(targets), phi.shape[1]))

    def score_block(block: slice) -> None:
        x = phi[:, block].astype(np.float64)
        x -= x.mean(axis=0)
        density = {
            side: log_density(x[targets], _predict(x, held[:, block], targets, lengths[side], fixed))
            for side, held in sides.items()
        }
        ratio = density["in"] - density["out"] if "in" in density else -density["out"]
        out[:, block] = ratio.mean(axis=2)

    map_threads(score_block, blocks)
    return out


def _shortest(held, targets) -> Int[np.ndarray, "target"]:
    """For each target, the fewest references that any record is left with."""
    count = held.sum(axis=0)
    return np.array([(count - held[target]).min() for target in targets])


def _lists(
    x, held, length: int
) -> tuple[Float[np.ndarray, "slot record query"], Bool[np.ndarray, "slot record"], Int[np.ndarray, "model record"]]:
    """The first length + 1 references of each record, which slots are filled, and each model's slot.

    A record with just `length` references leaves the last slot empty; no target is in its list then. A model that is
    no reference, or comes after the list, has the last slot: dropping that leaves the list as it is.
    """
    order = np.argsort(~held, axis=0, kind="stable")[: length + 1]
    filled = np.take_along_axis(held, order, axis=0)
    slot = np.where(held, np.minimum(np.cumsum(held, axis=0) - 1, length), length)
    return np.take_along_axis(x, order[:, :, None], axis=0), filled, slot


def _predict(x, held, targets, lengths, fixed: Float[np.ndarray, "target"] | None) -> Predictive:
    location, deviation = np.empty((2, len(targets), *x.shape[1:]))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        values, filled, slot = _lists(x, held, length)
        dropped = slot[targets[rows]][:, :, None]
        location[rows] = np.take_along_axis(_median_less_one(values, filled), dropped, axis=0)
        if fixed is None:
            table = _deviation_less_one(values, filled)
            deviation[rows] = np.take_along_axis(table, dropped, axis=0)
    if fixed is not None:
        deviation[:] = fixed[:, None, None]
    return Predictive(location, (deviation + TINY) ** 2)


def _median_less_one(values, filled) -> Float[np.ndarray, "slot record query"]:
    """The median of each list less the value of one slot, for every slot."""
    values = np.where(filled[:, :, None], values, np.inf)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(values))[:, None, None], axis=0)
    rest = len(values) - 1
    low, high = (np.where(rank <= i, ordered[i + 1], ordered[i]) for i in ((rest - 1) // 2, rest // 2))
    return (low + high) / 2


def _deviation_less_one(values, filled) -> Float[np.ndarray, "slot record query"]:
    """The standard deviation, with n, of each list less the value of one slot, for every slot."""
    total, squares = _sums_less_one(values, filled)
    rest = len(values) - 1
    return np.sqrt(np.maximum(squares / rest - (total / rest) ** 2, 0.0))


def _sums_less_one(values, filled):
    values = np.where(filled[:, :, None], values, 0.0)
    slots = np.arange(len(values))
    return leave_one_out(np.add, 0.0, values, slots), leave_one_out(np.add, 0.0, values**2, slots)


def _overall_deviation(phi, held, targets, lengths, blocks: list[slice]) -> Float[np.ndarray, "target"]:
    """The standard deviation, with n, of all references of all records and queries together."""
    centre = phi.mean(dtype=np.float64)

    def block_sums(block: slice) -> Float[np.ndarray, "2 target"]:
        x = phi[:, block] - centre
        sums = np.empty((2, len(targets)))
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            values, filled, slot = _lists(x, held[:, block], length)
            dropped = slot[targets[rows]][:, :, None]
            for i, table in enumerate(_sums_less_one(values, filled)):
                sums[i, rows] = np.take_along_axis(table, dropped, axis=0).sum(axis=(1, 2))
        return sums

    total, squares = np.sum(map_threads(block_sums, blocks), axis=0)
    number = lengths * phi.shape[1] * phi.shape[2]
    return np.sqrt(np.maximum(squares / number - (total / number) ** 2, 0.0))
