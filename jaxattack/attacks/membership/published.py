"""LiRA with the arithmetic of the published code (tensorflow/privacy, research/mi_lira_2021), for comparison.

It departs from the paper in five ways, kept here:

- the median of the references serves as the mean;
- standard deviations divide by n, and 1e-30 is added to them;
- with a fixed variance, the standard deviation of all scores of members together, over records, models and queries,
  so with the spread between records in it, serves both sides (offline: that of all scores of non-members);
- offline, the score is -log N(phi; out), two-sided: a very unconfident record counts as a member, too;
- the lists of references of all records are cut to the length of the shortest, the earliest models staying.

The code's sign is turned, so that higher means "more likely a member". All targets come from one sort a record: with at most
k models left out on a side, the list of a target is the first c + k models there less k of them (those left out, and the
last for each that is not on this side), and the median of a sorted list less k follows from their ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.leave_one_out import leave_one_out
from jaxattack.attacks.membership.predictive import Predictive, log_density
from jaxattack.attacks.membership.references import References, entries, shared_references
from jaxattack.threads import CACHED_VALUES, map_threads, record_blocks
from jaxattack.types import Side

TINY = 1e-30  # the published code's guard against a zero standard deviation


def score(
    phi: Float[np.ndarray, "model record query"],
    sides: Mapping[Side, Bool[np.ndarray, "model record"]],
    every: References,
    fix_variance: bool,
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each target.

    Args:
        phi: the logit-scaled confidence.
        sides: "out", and "in" for the online attack: which models are on this side.
        every: the references of the targets; every record has one at least on each side.
        fix_variance: one standard deviation for all records instead of one each.
    """
    references, twins = shared_references(every)
    targets, blocks = every.targets[twins], record_blocks(*phi.shape)
    lengths = {side: _shortest(models, references, blocks) for side, models in sides.items()}
    fixed = None
    if fix_variance:
        side: Side = "in" if "in" in sides else "out"
        fixed = _overall_deviation(phi, sides[side], references, lengths[side], blocks)
    out = np.empty((twins.size, phi.shape[1]))

    def score_block(block: slice) -> None:
        part = references.of(block)
        x = phi[:, block].astype(np.float64)
        x -= x.mean(axis=0)
        x = part.prepare(x)
        density = {
            side: log_density(x[targets], _predict(x, models[:, block], part, lengths[side], fixed).for_each())
            for side, models in sides.items()
        }
        ratio = density["in"] - density["out"] if "in" in density else -density["out"]
        out[twins.ravel(), block] = ratio.mean(axis=-1).reshape(twins.size, -1)

    map_threads(score_block, record_blocks(*phi.shape, values=CACHED_VALUES))
    return out


def _shortest(side, references: References, blocks: list[slice]) -> Int[np.ndarray, "target"]:
    """For each target, the fewest references on a side that any record is left with."""
    fewest = map_threads(lambda block: references.of(block).count(side[:, block]).min(axis=1), blocks)
    return np.min(fewest, axis=0)


class Lists(NamedTuple):
    """The first models of each record on a side of membership, and which of them each target does without.

    Attributes:
        order: the models.
        filled: which slots hold one; a record may have fewer.
        removed: slots that leave the lists of the targets, ascending.
    """

    order: Int[np.ndarray, "slot record"]
    filled: Bool[np.ndarray, "slot record"]
    removed: Int[np.ndarray, "drop target record"]

    def read(self, values: Float[np.ndarray, "model record query"]) -> Float[np.ndarray, "slot record query"]:
        """The values of the models in the slots, 0 where there is none."""
        return np.where(self.filled[:, :, None], np.take_along_axis(values, self.order[:, :, None], axis=0), 0.0)


def _lists(side, references: References, length: int) -> Lists:
    """Lists that have `length` references once the removed slots are gone."""
    most = int((side.sum(axis=0) - references.count(side)).max())
    drops = max(most, 1)
    size = length + drops
    number = np.cumsum(side, axis=0, dtype=np.int32)
    order, filled = np.zeros((size, side.shape[1]), np.int32), np.zeros((size, side.shape[1]), bool)
    model, record = np.nonzero(side & (number <= size))
    at = number[model, record] - 1, record
    order[at], filled[at] = model, True
    # How many slots come at and after a model's own; 0 where it is not in the list.
    left = np.where(side, np.maximum(size + 1 - number, 0), 0)
    slot = size - np.stack([left[references.targets], *(entries(left, models) for models in references.left_out)])
    removed = np.sort(slot, axis=0)[:drops]
    last = np.full(removed.shape[1:], size - 1)
    for drop in range(drops):  # one that is not in the list leaves the last slot instead
        absent = removed[drop] == size
        for _ in range(drops):
            last -= (removed == last).any(axis=0)
        removed[drop] = np.where(absent, last, removed[drop])
    return Lists(order, filled, np.sort(removed, axis=0))


def _predict(x, side, references: References, lengths, fixed: Float[np.ndarray, "target"] | None) -> Predictive:
    location, deviation = np.empty((2, len(lengths), *x.shape[1:]))
    squares = references.prepare(np.square(x)) if fixed is None else None
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        lists = _lists(side, references.rows(rows), length)
        location[rows] = _median(lists.read(x), lists)
        if squares is not None:
            total, square = (_sums(lists.read(values), lists, references.exact) for values in (x, squares))
            deviation[rows] = np.sqrt(np.maximum(square / length - (total / length) ** 2, 0.0))
    if fixed is not None:
        deviation[:] = fixed[:, None, None]
    return Predictive(location, (deviation + TINY) ** 2)


def _median(values, lists: Lists) -> Float[np.ndarray, "target record query"]:
    """The median of each target's list."""
    values = np.moveaxis(np.where(lists.filled[:, :, None], values, np.inf), 0, -1)
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(values.shape[-1])[None, None], axis=-1)
    slots = np.moveaxis(lists.removed, -1, 0)[:, None]
    removed = np.sort(
        np.stack([np.take_along_axis(rank, slots[:, :, drop], axis=-1) for drop in range(slots.shape[2])]), axis=0
    )
    rest = values.shape[-1] - len(removed)

    def at(index: int) -> Float[np.ndarray, "record query target"]:
        place = np.full(removed.shape[1:], index)
        for one in removed:
            place += place >= one
        return np.take_along_axis(ordered, place, axis=-1)

    return np.moveaxis((at((rest - 1) // 2) + at(rest // 2)) / 2, -1, 0)


def _sums(values, lists: Lists, exact: bool) -> Float[np.ndarray, "target record query"]:
    """The sum of each target's list."""
    if not exact:
        table = leave_one_out(np.add, 0.0, values, np.arange(len(values)))
        return np.take_along_axis(table, lists.removed[0][:, :, None], axis=0)
    return values.sum(axis=0) - sum(np.take_along_axis(values, slot[:, :, None], axis=0) for slot in lists.removed)


def _overall_deviation(phi, side, references: References, lengths, blocks: list[slice]) -> Float[np.ndarray, "target"]:
    """The standard deviation, with n, of all references of all records and queries together."""
    centre = phi.mean(dtype=np.float64)

    def block_sums(block: slice) -> Float[np.ndarray, "2 target"]:
        part = references.of(block)
        x = part.prepare(phi[:, block] - centre)
        squares = part.prepare(np.square(x))
        sums = np.empty((2, len(lengths)))
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            lists = _lists(side[:, block], part.rows(rows), length)
            for i, values in enumerate((x, squares)):
                sums[i, rows] = _sums(lists.read(values), lists, part.exact).sum(axis=(1, 2))
        return sums

    total, squares = np.sum(map_threads(block_sums, blocks), axis=0)
    number = lengths * float(phi[0].size)  # counts are in four bytes, which their product need not fit
    return np.sqrt(np.maximum(squares / number - (total / number) ** 2, 0.0))
