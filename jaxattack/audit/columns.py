"""The classes and the features of a data set beside the columns of a victim that was trained on other records, or elsewhere.

A victim answers with the classes that it was fitted on: scikit-learn's are named by ``classes_``, an ONNX file's by the
labels in it, those of others are numbered. They are matched by name; where a victim's columns have none and there are as
many, or one side counts as many classes from 0 as the other has whole numbers, by order. A record of a class that the victim does not know has column `UNKNOWN`, which no answer equals: the
victim is wrong about it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.npz import printable
from jaxattack.types import Dataset, InputError, Inputs, Oracle

UNKNOWN = -1
SHOWN = 5  # names listed in a sentence


class Columns(NamedTuple):
    """Where a victim has each class of a data set.

    Attributes:
        of: the column of each class, `UNKNOWN` where it has none; None where classes and columns have nothing in common.
        notes: what does not match, in sentences.
    """

    of: Int[np.ndarray, "cls"] | None
    notes: tuple[str, ...] = ()

    def labels(self, y: Int[np.ndarray, "record"]) -> Int[np.ndarray, "record"] | None:
        """The columns of labels; None where they cannot be compared."""
        return None if self.of is None else self.of[y]


def names_of(dataset: Dataset) -> tuple[str, ...]:
    """The names of a data set's classes; their numbers where they have none."""
    return dataset.names or tuple(map(str, range(dataset.classes)))


def match_columns(dataset: Dataset, oracle: Oracle) -> Columns:
    """Where a victim that was trained elsewhere has the classes of a data set.

    Args:
        dataset: its records.
        oracle: the victim; ``names`` name its columns, where it has them.
    """
    count, names = oracle.access.classes, tuple(getattr(oracle, "names", ()))
    if count == 1:
        return Columns(None)
    ours, theirs = names_of(dataset), names or tuple(map(str, range(count)))
    there = {name: column for column, name in enumerate(theirs)}
    occurring = [ours[cls] for cls in np.unique(dataset.y)]
    common = [name for name in occurring if name in there]
    in_order = not names or not common or _counted_anew(ours, theirs)
    if len(common) < len(occurring) and dataset.classes == count and in_order:
        note = f"the classes of {dataset.name} ({_listed(ours)}) are taken for the victim's ({_listed(theirs)}) in their order."
        return Columns(np.arange(count), (note,))
    if not common:
        note = (
            f"accuracies are not measured: the classes of {dataset.name} ({_listed(ours)}) are none of the victim's "
            f"({_listed(theirs)})."
        )
        return Columns(None, (note,))
    column = np.array([there.get(name, UNKNOWN) for name in ours])
    return Columns(column, _lacking(dataset, column, np.ones(len(dataset), bool)))


def _counted_anew(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether one side counts from 0 what the other calls by other whole numbers, as 1 to k, or -1 and 1."""
    counted = sorted(map(str, range(len(theirs))))
    whole = all(re.fullmatch(r"-?\d+", name) for name in (*ours, *theirs))
    return whole and counted in (sorted(ours), sorted(theirs))


def require_features(dataset: Dataset, oracle: Oracle) -> None:
    """Refuse a table whose columns a victim would take for others: those of one name have to be in one place.

    Args:
        dataset: its records, whose features may have names.
        oracle: the victim, whose inputs may have names.

    Raises:
        InputError: a column is in another place than where the victim has it.
    """
    ours, theirs = dataset.features, oracle.access.inputs.names
    if len(ours) != len(theirs):  # one of them has no names, or they do not fit for another reason
        return
    place = {name: at + 1 for at, name in enumerate(theirs)}
    moved = [at for at, name in enumerate(ours) if name != theirs[at] and name in place]
    if moved:
        at = moved[0]
        raise InputError(
            f"{dataset.name}: feature {at + 1} is {ours[at]!r:.60}, which the victim takes as its {place[ours[at]]}. of {len(theirs)}: "
            f"give the columns in its order ({printable(theirs, len(theirs))})."
        )


def require_whole(victim: Path | str, records: Dataset, takes: Inputs) -> None:
    """Refuse records that a victim would round: what it answers then is of other records.

    Raises:
        InputError: it takes whole numbers and the records are others.
    """
    if takes.whole and not np.array_equal(records.x, np.rint(records.x)):
        raise InputError(
            f"{victim} takes whole numbers and the records of {records.name} hold fractions ({records.x.min():g} to "
            f"{records.x.max():g}): give them in the units that it was trained on."
        )


def fitted_columns(dataset: Dataset, member: Bool[np.ndarray, "record"]) -> Columns:
    """Where a victim that was fitted on the members has the classes of the whole data set: those that members have.

    Args:
        dataset: the records.
        member: those that the victim was fitted on.
    """
    fitted = np.unique(dataset.y[member])
    column = np.full(dataset.classes, UNKNOWN)
    column[fitted] = np.arange(len(fitted))
    return Columns(column, _lacking(dataset, column, ~member))


def within(dataset: Dataset, member: Bool[np.ndarray, "record"], columns: Columns) -> tuple[Dataset, np.ndarray]:
    """The records of the classes that a victim knows, labelled by its columns, and which of them are members."""
    assert columns.of is not None
    classes = np.flatnonzero(columns.of != UNKNOWN)
    if len(classes) == dataset.classes:
        return dataset, member
    rows = columns.of[dataset.y] != UNKNOWN
    names = tuple(names_of(dataset)[cls] for cls in classes)
    inside = dataset.take(rows)
    return replace(inside, y=columns.of[inside.y], classes=len(classes), names=names), member[rows]


def _lacking(dataset: Dataset, column: Int[np.ndarray, "cls"], rows: Bool[np.ndarray, "record"]) -> tuple[str, ...]:
    lacking = np.flatnonzero(column == UNKNOWN)
    records = int(np.isin(dataset.y[rows], lacking).sum())
    names = names_of(dataset)
    occurring = [names[cls] for cls in lacking if (dataset.y == cls).any()]
    if not occurring:
        return ()
    return (
        f"the victim does not know class {_listed(occurring)} of {dataset.name}: its columns are "
        f"{_listed([names[cls] for cls in np.flatnonzero(column != UNKNOWN)])}, and it is wrong about {records} records.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
