"""References that others trained: a file of observations, observed as a target's answers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.audit.observations import KINDS, read_observations
from jaxattack.audit.target.comparability import signals_of
from jaxattack.npz import open_arrays
from jaxattack.types import Answer, Dataset, Defence, InputError, Observations, Signal


class FileReferences(NamedTuple):
    """Models of a file of observations.

    Attributes:
        observations: of the records that are scored; their signals are not those that are compared.
        scores: raw outputs or confidences of every class.
        confidences: whether they are confidences.
    """

    observations: Observations
    scores: Float[np.ndarray, "model record query cls"]
    confidences: bool

    def observe(self, defences: Sequence[Defence], signals: Sequence[Signal], *, confidences: bool) -> Observations:
        """The models with what is read of the target read of them too.

        Args:
            defences: behind which they are to answer.
            signals: what is read.
            confidences: the target answers with confidences, so that raw outputs are read as theirs.

        Raises:
            InputError: a score is NaN or infinite.
        """
        label = self.observations.label
        rows, unread = [], np.zeros(len(label), bool)
        for one in self.scores:
            row, bad = signals_of(self._answer(one, confidences), defences, signals, label)
            rows.append(row)
            unread |= bad
        if unread.any():
            raise InputError(
                f"the references' answers are NaN or infinite in {int(unread.sum())} records: leave these out of the data, or mend them."
            )
        return replace(
            self.observations, signals={name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        )

    def _answer(self, scores: np.ndarray, confidences: bool) -> Answer:
        label = np.nan_to_num(scores, nan=-np.inf).argmax(axis=-1)
        if self.confidences:
            return Answer(label, scores)
        if confidences:
            return Answer(label, np.asarray(softmax(scores.astype(np.float64), axis=-1)))
        return Answer(label, None, scores)


def read_references(path: Path, records: Dataset, numbers: Int[np.ndarray, "chosen"]) -> FileReferences:
    """The models of a file of observations.

    Args:
        path: the file.
        records: the whole data that it must be about, in this order.
        numbers: of the records that are scored.

    Raises:
        InputError: what `read_observations` raises; other records, fewer than four models, or neither logits nor probability.
    """
    read = read_observations(path)
    if read.models < 4:
        raise InputError(f"{path} has {read.models} models: give at least 4 references.")
    _require_same_records(path, read, records)
    with open_arrays(path) as archive:
        kind = next((name for name in KINDS if name in archive.names), None)
        if kind is None:
            raise InputError(
                f"{path} holds phi alone: give logits or probability, of which the same can be read as of a target."
            )
        values = archive.read(kind)[:, numbers]
    scores = values if values.dtype.kind == "f" else values.astype(np.float64)
    return FileReferences(
        read.take_records(numbers),
        scores if scores.ndim == 4 else scores[:, :, None],
        confidences=kind == "probability",
    )


def _require_same_records(path: Path, read: Observations, records: Dataset) -> None:
    """Refuse references of records that differ in their number, labels or, where both name them, ids.

    Raises:
        InputError: they differ.
    """
    remedy = "give references of the same records in the same order."
    if read.records != len(records):
        raise InputError(f"{path} has {read.records:,} records and {records.name} {len(records):,}: {remedy}")
    other = np.flatnonzero(read.label != records.y)
    if len(other):
        raise InputError(
            f"{path} has other labels than {records.name} in {len(other):,} records, the first being record {other[0]}: {remedy}"
        )
    if read.ids and records.ids and read.ids != records.ids:
        first = next(n for n, ids in enumerate(zip(read.ids, records.ids, strict=True)) if ids[0] != ids[1])
        raise InputError(
            f"{path} has the id {read.ids[first]!r} where {records.name} has {records.ids[first]!r}, in record {first}: {remedy}"
        )
