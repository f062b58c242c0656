"""Tables in memory: pandas frames and Hugging Face sets. Neither library is imported: who has an object of one has done so."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxattack.data.arrays import from_arrays
from jaxattack.data.declarations import declarations_of
from jaxattack.data.pictures import stack_pictures
from jaxattack.data.table_files import columns_of
from jaxattack.data.tables import Column, Roles, from_columns, label_of
from jaxattack.npz import printable
from jaxattack.types import Dataset, InputError

_NUMBERS: Mapping[str, type] = {"i": np.int64, "u": np.uint64, "f": np.float64, "b": bool}
"""What numbers of a column become, by the kind of its type."""


def is_frame(source: Any) -> bool:
    """Whether it is a pandas frame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def is_hugging_face(source: Any) -> bool:
    """Whether it is a set of the library ``datasets``, in any of its forms."""
    return type(source).__module__.partition(".")[0] == "datasets"


def from_frame(
    frame: Any,
    *,
    label: str | None = None,
    id: str | None = None,
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    name: str = "frame",
) -> Dataset:
    """A data set of a pandas frame, whose columns become features as `jaxattack.data.tables` says; its index is left out.

    Args:
        frame: a record a row.
        label: the column of the label.
        id: the column of the ids.
        drop: columns that are left out.
        categories: columns of numbers that are categories.
        name: what to call the records in messages and reports.

    Raises:
        InputError: as `jaxattack.data.tables.from_columns`.
    """
    columns = [_column(name, str(key), frame.iloc[:, at]) for at, key in enumerate(frame.columns)]
    roles = Roles(label=label, id=id, drop=tuple(drop), categories=tuple(categories))
    # Names that are numbers are no record that was read in their place, which is text.
    return from_columns(columns, roles, name=name, header=[key for key in frame.columns if isinstance(key, str)])


def from_hugging_face(source: Any, roles: Roles, *, size: str | None = None, name: str = "hugging face") -> Dataset:
    """A data set of a Hugging Face set: of its pictures where it has a feature of them, or else of its columns.

    Args:
        source: a ``datasets.Dataset``.
        roles: what its columns are; beside pictures only label and id count, and which pictures are dropped.
        size: as `jaxattack.data.pictures` has it.
        name: what to call the records.

    Raises:
        InputError: several splits, a stream, several columns of pictures, or what the columns and pictures raise.
    """
    if type(source).__name__ != "Dataset":
        raise InputError(f"{name} is a {type(source).__name__}: give one split of it, loaded without streaming.")
    features = source.features
    label = label_of(name, [key for key in features if key not in roles.drop], roles)
    pictures = [key for key, feature in features.items() if type(feature).__name__ == "Image" and key not in roles.drop]
    if not pictures:
        if size is not None:
            raise InputError(f"{name} holds no pictures and takes no option 'size'.")
        columns = columns_of(source.with_format("arrow")[:], name, declarations_of(features.arrow_schema))
        return from_columns(columns, roles, name=name)
    if len(pictures) > 1:
        raise InputError(f"{name} has several columns of pictures ({', '.join(pictures)}): drop all but one.")
    images = ((f"record {at}", source[at][pictures[0]]) for at in range(len(source)))
    key = roles.id or ("id" if "id" in features else None)
    if key is not None and key not in features:
        raise InputError(f"{name}: id is {key!r} and there is no such column (there are {printable(features)}).")
    return from_arrays(
        stack_pictures(images, len(source), size, name),
        np.asarray(source[label]),
        names=getattr(features[label], "names", None) or (),
        ids=[str(value) for value in source[key]] if key else (),
        name=name,
    )


def _column(where: str, name: str, series: Any) -> Column:
    missing = np.asarray(series.isna(), bool)
    kind = getattr(series.dtype, "kind", "O")
    if missing.any():
        return Column(name, np.zeros(len(series)), missing)  # refused for what it lacks
    if kind in _NUMBERS:
        return Column(name, series.to_numpy(dtype=_NUMBERS[kind]), missing)
    plain = [one.item() if isinstance(one, np.generic) else one for one in series.to_numpy(dtype=object)]
    if kind not in "OUT" or not all(isinstance(one, str | int | float | bool) for one in plain):
        raise InputError(
            f"{where}: column {name!r:.80} holds {series.dtype!s:.60}: give numbers or text, or drop the column."
        )
    if series.dtype.name == "object" and not any(isinstance(one, str) for one in plain):
        return Column(name, np.array(plain), missing)
    values = np.empty(len(plain), object)
    values[:] = plain
    return Column(name, values, missing, category=series.dtype.name == "category")
