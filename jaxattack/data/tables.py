"""Named columns to a Dataset: what CSV, parquet, pandas frames and Hugging Face sets of columns end in.

| column | becomes |
| --- | --- |
| whole numbers, floats | a feature, float32 |
| true and false | a feature of 1 and 0 |
| text, what its source declares to be categories, and numbers named in ``categories`` | a feature of 1 and 0 for each value that occurs, in alphabetical order |
| lists of numbers, all of one length | so many features |
| dates, other lists, objects | InputError |
| with a missing value, NaN too | InputError |
| text most of which is numbers, as ``1,234``, ``5%``, or ``7`` beside ``?`` | InputError, unless named in ``categories`` |
| texts that differ by blanks alone | InputError |
| whole numbers that number the records | a feature, with a warning |

Features are in the order of the columns, and called by them: ``age``, ``ward_b`` of a value, ``code_0`` of a list's first. One column is the label, as `jaxattack.data.labels` takes it, and one may be the
id of each record, which is no feature, and neither is what was a frame's index. Text that is another in more than half of the records is refused, since it names
records: give it as the id, drop it, or name it in ``categories``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.data.arrays import as_float32, from_arrays
from jaxattack.data.labels import require_apart
from jaxattack.npz import free_memory, printable
from jaxattack.types import Dataset, InputError, InputWarning, config

LABELS = ("label", "y", "target", "class")
"""Columns that are the label where none is named and one of them is there."""

NUMBERING = 10
"""Records from which on whole numbers that are in order, no two alike, are no chance: 1 in 3,628,800 orders."""

FEW_NAMES = 6
"""Numbers below which a record's are in order by chance: of six, in 1 of 360 orders."""

EXACT = 2.0**53
"""From here on whole numbers are as one in float64."""

_MARKS = str.maketrans("\u2212", "-", " \u00a0\u202f_,'\u2019%$€£¥")
"""What a number has around, between or before its digits where it is written for people."""


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
        category: whether its source declares its values to be categories.
        classes: what its source declares the numbers 0, 1 ... to stand for.
        index: whether it was a frame's index, which is no feature.
    """

    name: str
    values: Shaped[np.ndarray, "record *value"]
    missing: Bool[np.ndarray, "record"]
    category: bool = False
    classes: tuple[str, ...] = ()
    index: bool = False


def from_columns(
    columns: Sequence[Column],
    roles: Roles,
    *,
    name: str,
    header: Sequence[str] | None = None,
) -> Dataset:
    """A data set of the columns of a table.

    Args:
        columns: all of them, of as many records.
        roles: what they are.
        name: what to call the records.
        header: the names that were read as text, which a record may have been; by default those of all columns.

    Raises:
        InputError: no such column, none that is a label, two of one name, a missing value, a column of another kind, or
            more features than fit into memory.
    """
    by_name = {column.name: column for column in columns}
    if len(by_name) < len(columns):
        raise InputError(f"{name} has two columns of one name: rename one.")
    _require_names(name, list(by_name) if header is None else header)
    for role in ("drop", "categories"):
        for one in getattr(roles, role):
            _require(name, by_name, role, one)
    named = {roles.label, roles.id or "id", *roles.categories}
    left = {
        key: column for key, column in by_name.items() if key not in roles.drop and (not column.index or key in named)
    }
    label = left.pop(label_of(name, left, roles))
    id_name = roles.id or ("id" if "id" in left else None)
    ids = left.pop(_require(name, left, "id", id_name)) if id_name else None
    for column in (label, *([ids] if ids else []), *left.values()):
        _require_values(name, column)
    for column in ([ids] if ids else []) + [left[key] for key in left if key in roles.categories]:
        _require_exact(name, column)
    for column in left.values():
        if column.name not in roles.categories and _numbers_records(column.values):
            warnings.warn(
                f"{name}: column {column.name!r} numbers the records ({_text(column.values[0])}, {_text(column.values[1])}, ...) and "
                "is a feature, by which a model may tell them apart: give it as the id, or drop it.",
                InputWarning,
                stacklevel=3,
            )
    if not left:
        raise InputError(f"{name} has no column beside its label and id: give features.")
    features = [_features(name, column, named=column.name in roles.categories) for column in left.values()]
    width, records = sum(len(one.names) for one in features), len(label.values)
    if 4 * width * records > free_memory():
        raise InputError(
            f"{name} makes {width:,} features of {records:,} records, more than memory holds: drop columns."
        )
    return from_arrays(
        np.concatenate([one.x for one in features], axis=1, dtype=np.float32) if records else np.empty((0, width)),
        _plain(label.values),
        names=label.classes,
        features=[text for one in features for text in one.names],
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


def _require_names(where: str, names: Sequence[str]) -> None:
    """Refuse a record in the place of the names: where names are numbers, as years and wavelengths are, they are in some order."""
    numbers = [name for name in names if _is_number(name) and "_" not in name]
    steps = np.diff([float(name.translate(_MARKS)) for name in numbers])
    in_order = (steps > 0).all() or (steps < 0).all() or numbers == sorted(numbers)
    by_chance = len(numbers) < FEW_NAMES and any("." in name for name in numbers)
    if by_chance or not in_order:
        raise InputError(
            f"{where}: its columns are named {printable(names)}, which seems to be a record: write a line of names before it."
        )


def _require_values(where: str, column: Column) -> None:
    missing = column.missing | _without_value(column.values)
    if missing.any():
        rows = np.flatnonzero(missing)
        raise InputError(
            f"{where}: column {column.name!r} has no value in {len(rows)} of {len(missing)} records, first in record "
            f"{rows[0]}: fill them, leave the records out, or drop the column."
        )


def _require_exact(where: str, column: Column) -> None:
    """Refuse whole numbers that float64, in which a file's largest are read, does not tell apart: they are names of other things."""
    values = column.values
    if values.dtype.kind == "f" and (np.abs(values) >= EXACT).any():
        raise InputError(
            f"{where}: column {column.name!r} holds {np.abs(values).max():.0f}, and numbers are read exactly up to {EXACT:.0f}: write them "
            "as text, as n123."
        )


def _without_value(values: np.ndarray) -> Bool[np.ndarray, "record"] | bool:
    """Where there is NaN, or None among texts."""
    if values.ndim != 1 or values.dtype.kind not in "fO":
        return False
    return np.isnan(values) if values.dtype.kind == "f" else np.array([value is None for value in values], bool)


def _numbers_records(values: np.ndarray) -> bool:
    """Whether the values are whole numbers, no two alike, which rise with the records or leave none out."""
    if (
        values.ndim != 1
        or values.dtype.kind not in "iuf"
        or len(values) < NUMBERING
        or (values != np.rint(values)).any()
    ):
        return False
    ordered = np.sort(values)
    different = (ordered[1:] > ordered[:-1]).all()
    return bool(different and ((ordered == values).all() or ordered[-1].item() - ordered[0].item() == len(values) - 1))


def _is_number(text: str) -> bool:
    """Whether a text is a number as people write it: with units of currency, per cent, blanks and commas."""
    try:
        float(text.translate(_MARKS))
    except ValueError:
        return False
    return any(letter.isdecimal() for letter in text)


class _Features(NamedTuple):
    """What a column becomes, and what each of them is called, as pandas calls its dummies."""

    x: Float[np.ndarray, "record feature"]
    names: list[str]


def _features(where: str, column: Column, *, named: bool) -> _Features:
    values = column.values
    category = named or column.category
    if values.dtype.kind in "iufb" and not category:
        flat = values.reshape(len(values), math.prod(values.shape[1:]))
        names = [column.name] if values.ndim == 1 else [f"{column.name}_{at}" for at in range(flat.shape[1])]
        return _Features(as_float32(flat, lambda _: f"{where}: column {column.name!r}"), names)
    if values.ndim != 1 or values.dtype.kind not in "iufbO":
        raise InputError(
            f"{where}: column {column.name!r} holds {values.dtype}: give numbers or text, or drop the column."
        )
    text = [column.classes[value] if column.classes else _text(value) for value in values.tolist()]
    different, number = np.unique(np.array(text, object), return_inverse=True)
    require_apart(different.tolist(), f"{where}: column {column.name!r}")
    if not category:
        _require_text(where, column.name, different.tolist(), np.bincount(number))
    if not named and len(different) > max(len(text) // 2, 2):
        raise InputError(
            f"{where}: column {column.name!r} holds {len(different)} different texts in {len(text)} records: give it as the "
            "id, drop it, or name it in categories."
        )
    if len(different) * len(text) * 4 > free_memory():
        raise InputError(f"{where}: column {column.name!r} has {len(different):,} categories: drop it.")
    hot = (number[:, np.newaxis] == np.arange(len(different))).astype(np.float32)
    return _Features(hot, [f"{column.name}_{one}" for one in different])


def _require_text(where: str, name: str, different: Sequence[str], records: np.ndarray) -> None:
    """Refuse numbers among texts: as categories, each would be as far from the next as from any other."""
    numbers = np.array([_is_number(one) for one in different], bool)
    count, total = int(records[numbers].sum()), int(records.sum())
    if 2 * count > total:
        shown = printable([one for one, number in zip(different, numbers, strict=True) if number], 1)
        others = printable([one for one, number in zip(different, numbers, strict=True) if not number], 3)
        beside = f" beside {others}" if others else ""
        raise InputError(
            f"{where}: column {name!r} is text and in {count} of {total} records a number, as {shown}{beside}: write numbers "
            "alone, with a point and without units, or name it in categories."
        )


def _text(value: object) -> str:
    """A value as it is written: whole floats, as tables have of whole numbers, without their point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(values: np.ndarray) -> np.ndarray:
    """Labels as numbers or text, of objects."""
    return values if values.dtype.kind != "O" or not len(values) else np.array(values.tolist())
