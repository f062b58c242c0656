"""The scores of many targets in order: sorted once, for the pooled curve and for that of every target.

Sorting is most of what a curve costs. One order of all scores gives the pooled curve and the level of every score between any
cuts; the curves of single targets (`TargetCurves`) are taken some targets at a time, whose scores a core's cache holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from jaxattack.metrics.roc import Roc, allowed, ordered_curve, require_numbers

PLACES = 2**20  # looked up at a time


class Ranked(NamedTuple):
    """All scores in ascending order.

    Attributes:
        order: the place of each in the scores, row after row.
        ascending: the scores.
        member: whether they are of members.
        shape: how many targets, and records.
    """

    order: Int[np.ndarray, "score"]
    ascending: Float[np.ndarray, "score"]
    member: Bool[np.ndarray, "score"]
    shape: tuple[int, int]

    @classmethod
    def of(cls, scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]) -> Ranked:
        """Sort the scores of all targets together.

        Raises:
            InputError: NaN.
        """
        order = np.argsort(scores, axis=None)
        if scores.size <= np.iinfo(np.int32).max:
            order = order.astype(np.int32)
        ranked = cls(order, np.empty(scores.size, scores.dtype), np.empty(scores.size, bool), scores.shape)
        for part in ranked._parts():
            ranked.ascending[part] = scores.ravel()[order[part]]
            ranked.member[part] = member.ravel()[order[part]]
        require_numbers(ranked.ascending)
        return ranked

    def curve(self) -> Roc:
        """The pooled curve, of some members and some others."""
        return ordered_curve(self.ascending[::-1], self.member[::-1])

    def levels(
        self, cuts: Float[np.ndarray, "cut"], number: UInt8[np.ndarray, "side level"]
    ) -> UInt8[np.ndarray, "target record"]:
        """A number for each score.

        Args:
            cuts: ascending.
            number: by whether the score is a member's, and by how many of the cuts it reaches.
        """
        below = np.searchsorted(self.ascending, cuts)
        size = np.diff(below, prepend=0, append=len(self.ascending))
        out = np.empty(len(self.order), number.dtype)
        others, members = (np.repeat(row, size) for row in number)
        values = np.where(self.member, members, others)
        for part in self._parts():
            out[self.order[part]] = values[part]
        return out.reshape(self.shape)

    def of_records(self, values: Bool[np.ndarray, "record"]) -> Bool[np.ndarray, "score"]:
        """What is said of records, for each score in order."""
        out = np.empty(len(self.order), bool)
        for part in self._parts():
            out[part] = values[self.order[part] % self.shape[1]]
        return out

    def _parts(self) -> Iterator[slice]:
        """Slices of the scores: NumPy takes eight bytes for each place that it is given in four."""
        return (slice(start, start + PLACES) for start in range(0, len(self.order), PLACES))


class TargetCurves(NamedTuple):
    """The curves of several targets, their scores in descending order.

    Attributes:
        record: which record each score is of.
        score: the scores.
        member: whether they are of members.
        tp: members up to and with each score.
        fp: others up to and with each score.
        point: whether the curve has a point there, which the last of equal scores is.
    """

    record: Int[np.ndarray, "target score"]
    score: Float[np.ndarray, "target score"]
    member: Bool[np.ndarray, "target score"]
    tp: Int[np.ndarray, "target score"]
    fp: Int[np.ndarray, "target score"]
    point: Bool[np.ndarray, "target score"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]) -> TargetCurves:
        """Sort the scores of each target, which has some members and some others."""
        order = np.argsort(scores, axis=1)[:, ::-1]
        return cls.ordered(order, *(np.take_along_axis(part, order, axis=1) for part in (scores, member)))

    @classmethod
    def ordered(
        cls,
        record: Int[np.ndarray, "target score"],
        score: Float[np.ndarray, "target score"],
        member: Bool[np.ndarray, "target score"],
    ) -> TargetCurves:
        """Of scores in descending order."""
        tp = np.cumsum(member.astype(np.int32), axis=1, dtype=np.int32)
        fp = np.arange(1, member.shape[1] + 1, dtype=np.int32) - tp
        point = np.ones(member.shape, bool)
        np.not_equal(score[:, 1:], score[:, :-1], out=point[:, :-1])
        return cls(record, score, member, tp, fp, point)

    @property
    def positives(self) -> Int[np.ndarray, "target"]:
        """How many members each target has."""
        return self.tp[:, -1]

    @property
    def negatives(self) -> Int[np.ndarray, "target"]:
        """How many others."""
        return self.fp[:, -1]

    def auc(self) -> Float[np.ndarray, "target"]:
        """The area under each curve, as `jaxattack.metrics.auc`."""
        at = np.flatnonzero(self.point)
        first = np.searchsorted(at, np.arange(len(self.point)) * self.point.shape[1])
        tp, fp = self.tp.ravel()[at].astype(np.int64), self.fp.ravel()[at].astype(np.int64)
        twice = np.empty_like(tp)
        twice[1:] = (fp[1:] - fp[:-1]) * (tp[1:] + tp[:-1])
        twice[first] = fp[first] * tp[first]  # from the curve's beginning, where both are 0
        pairs = self.positives.astype(np.int64) * self.negatives
        return np.add.reduceat(twice, first) / (2 * pairs)

    def tpr(self, fprs: Sequence[float]) -> Float[np.ndarray, "fpr target"]:
        """The true-positive rate of each at bounds on the false-positive rate, as `jaxattack.metrics.tpr_at_fpr`."""
        counts, row = np.unique(self.negatives, return_inverse=True)
        places = np.arange(self.point.shape[1], dtype=np.int32)
        point = np.maximum.accumulate(np.where(self.point, places, np.int32(-1)), axis=1)  # the last up to each score
        rows, rates = np.arange(len(point)), np.empty((len(fprs), len(point)))
        for rate, fpr in zip(rates, fprs, strict=True):
            most = np.array([allowed(fpr, count) for count in counts.tolist()], self.fp.dtype)[row]
            few = np.count_nonzero(self.fp <= most[:, None], axis=1)  # scores, and none after them
            last = point[rows, few - 1]
            rate[:] = np.where((few > 0) & (last >= 0), self.tp[rows, last], 0) / self.positives
        return rates
