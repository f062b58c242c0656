"""Named columns to a Dataset: what CSV, parquet, pandas frames and Hugging Face sets of columns end in.

| column | becomes |
| --- | --- |
| whole numbers, floats | a feature, float32 |
| true and false | a feature of 1 and 0 |
| text, categories, and numbers named in ``categories`` | a feature of 1 and 0 for each value that occurs, in alphabetical order |
| lists of numbers, all of one length | so many features |
| dates, other lists, objects | InputError |
| with a missing value | InputError |

Features are in the order of the columns. One column is the label, as `jaxattack.data.labels` takes it, and one may be the
id of each record, which is no feature. Text that is another in more than half of the records is refused, since it names
records: give it as the id, drop it, or name it in ``categories``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.data.arrays import from_arrays
from jaxattack.npz import free_memory, printable
from jaxattack.types import Dataset, InputError, config

LABELS = ("label", "y", "target", "class")
"""Columns that are the label where none is named and one of them is there."""


@config
class Roles:
    """What the columns of a table are.

    Attributes:
        label: the column of the label; by default the one of `LABELS` that is there.
        id: the column of the ids; by default ``id``, where there is one.
        drop: columns that are left out.
        categories: columns of numbers that are categories.
    """

    label: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: its name.
        values: numbers, truth values, or text as objects; of lists of numbers ["record value"].
        missing: where it has no value.
    """

    name: str
    values: Shaped[np.ndarray, "record *value"]
    missing: Bool[np.ndarray, "record"]


def from_columns(columns: Sequence[Column], roles: Roles, *, name: str, classes: Sequence[str] = ()) -> Dataset:
    """A data set of the columns of a table.

    Args:
        columns: all of them, of as many records.
        roles: what they are.
        name: what to call the records.
        classes: the names of all classes, where the table declares them.

    Raises:
        InputError: no such column, none that is a label, two of one name, a missing value, a column of another kind, or
            more features than fit into memory.
    """
    by_name = {column.name: column for column in columns}
    if len(by_name) < len(columns):
        raise InputError(f"{name} has two columns of one name: rename one.")
    for role in ("drop", "categories"):
        for one in getattr(roles, role):
            _require(name, by_name, role, one)
    left = {key: column for key, column in by_name.items() if key not in roles.drop}
    label = left.pop(label_of(name, left, roles))
    id_name = roles.id or ("id" if "id" in left else None)
    ids = left.pop(_require(name, left, "id", id_name)) if id_name else None
    for column in (label, *([ids] if ids else []), *left.values()):
        _require_values(name, column)
    if not left:
        raise InputError(f"{name} has no column beside its label and id: give features.")
    features = [_features(name, column, column.name in roles.categories) for column in left.values()]
    width, records = sum(one.shape[1] for one in features), len(label.values)
    if 4 * width * records > free_memory():
        raise InputError(
            f"{name} makes {width:,} features of {records:,} records, more than memory holds: drop columns."
        )
    return from_arrays(
        np.concatenate(features, axis=1, dtype=np.float32) if records else np.empty((0, width)),
        _plain(label.values),
        names=classes,
        ids=() if ids is None else [_text(value) for value in ids.values.tolist()],
        name=name,
    )


def _require(where: str, columns: Collection[str], role: str, name: str) -> str:
    if name not in columns:
        raise InputError(f"{where}: {role} is {name!r} and there is no such column (there are {printable(columns)}).")
    return name


def label_of(where: str, columns: Collection[str], roles: Roles) -> str:
    """The name of the column of the label.

    Raises:
        InputError: there is no such column, or none is named and not just one of `LABELS` is there.
    """
    if roles.label is not None:
        return _require(where, columns, "label", roles.label)
    likely = [name for name in LABELS if name in columns]
    if len(likely) != 1:
        which = f"several columns that may be the label ({', '.join(likely)})" if likely else "no column label"
        raise InputError(f"{where} has {which}: say which it is, as label=NAME (there are {printable(columns)}).")
    return likely[0]


def _require_values(where: str, column: Column) -> None:
    if column.missing.any():
        rows = np.flatnonzero(column.missing)
        raise InputError(
            f"{where}: column {column.name!r} has no value in {len(rows)} of {len(column.missing)} records, first in record "
            f"{rows[0]}: fill them, leave the records out, or drop the column."
        )


def _features(where: str, column: Column, category: bool) -> Float[np.ndarray, "record feature"]:
    values = column.values
    if values.dtype.kind in "iufb" and not category:
        # Beyond float32 a number becomes infinity, which the Dataset refuses.
        with np.errstate(over="ignore"):
            return values.reshape(len(values), math.prod(values.shape[1:])).astype(np.float32)
    if values.ndim != 1 or values.dtype.kind not in "iufbO":
        raise InputError(
            f"{where}: column {column.name!r} holds {values.dtype}: give numbers or text, or drop the column."
        )
    text = [_text(value) for value in values.tolist()]
    different, number = np.unique(np.array(text, object), return_inverse=True)
    if not category and len(different) > max(len(text) // 2, 2):
        raise InputError(
            f"{where}: column {column.name!r} holds {len(different)} different texts in {len(text)} records: give it as the "
            "id, drop it, or name it in categories."
        )
    if len(different) * len(text) * 4 > free_memory():
        raise InputError(f"{where}: column {column.name!r} has {len(different):,} categories: drop it.")
    return (number[:, np.newaxis] == np.arange(len(different))).astype(np.float32)


def _text(value: object) -> str:
    """A value as it is written: whole floats, as tables have of whole numbers, without their point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(values: np.ndarray) -> np.ndarray:
    """Labels as numbers or text, of objects."""
    return values if values.dtype.kind != "O" or not len(values) else np.array(values.tolist())
