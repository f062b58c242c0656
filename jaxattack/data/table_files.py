"""Tables in files, CSV and parquet, read by pyarrow within the memory that is free; nothing in them is executed.

    records.csv?label=diagnosis&id=patient
    records.parquet?drop=date,ward&categories=postcode

A CSV file is UTF-8 with a line of names first and commas between. Empty fields and ``NA``, ``NaN`` or ``null`` are missing
values, which are refused (`jaxattack.data.tables`). A column without a name is ``column 1`` where it is the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxattack.data.declarations import Declarations, declarations_of
from jaxattack.data.tables import Column
from jaxattack.npz import UnreadableError, free_memory, one_line, open_regular, reason
from jaxattack.release import installation
from jaxattack.types import InputError

TEXT_TO_MEMORY = 8
"""Bytes that a byte of CSV may take in memory: "1," becomes a float64, twice for a moment."""

BATCH = 1 << 14
"""Records of a parquet file that are decoded at once."""


def read_csv(path: Path, name: str) -> list[Column]:
    """The columns of a CSV file.

    Raises:
        InputError: pyarrow is missing, or the file is, or is no table, or does not fit into memory.
    """
    return _read(path, name, _csv)


def read_parquet(path: Path, name: str) -> list[Column]:
    """The columns of a parquet file. Raises what `read_csv` raises."""
    return _read(path, name, _parquet)


def columns_of(table: Any, name: str, declared: Declarations) -> list[Column]:
    """The columns of a table of pyarrow.

    Args:
        table: it.
        name: what to call it in messages.
        declared: what it declares of its columns.

    Raises:
        InputError: a column of lists of different lengths, of dates, or of objects; numbers beyond the classes that it declares.
    """
    # An index that was written along has no name, and options have to call it something.
    names = [key or f"column {at + 1}" for at, key in enumerate(table.column_names)]
    return [_declared(name, _column(name, key, table.column(at)), declared) for at, key in enumerate(names)]


def _read(path: Path, name: str, read: Callable[[IO[bytes]], tuple[Any, Declarations]]) -> list[Column]:
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(f"{name}: reading it needs pyarrow: {installation('tables')}.") from error
    try:
        with open_regular(path.expanduser()) as file:
            table, declared = read(file)
            return columns_of(table, name, declared)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no such file: check the path.") from error
    except (OSError, UnreadableError, pyarrow.ArrowException, MemoryError, ValueError, KeyError) as error:
        why = one_line(reason(error)) or type(error).__name__
        raise InputError(f"{name}: it cannot be read ({why}): write it again.") from error


def _require_room(size: int) -> None:
    if size > (room := free_memory()):
        raise UnreadableError(f"it takes {size:,} bytes and {room:,} bytes of memory are free")


def _csv(file: IO[bytes]) -> tuple[Any, Declarations]:
    from pyarrow import csv

    _require_room(TEXT_TO_MEMORY * os.fstat(file.fileno()).st_size)
    table = csv.read_csv(file, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    return table, Declarations()


def _parquet(file: IO[bytes]) -> tuple[Any, Declarations]:
    import pyarrow
    from pyarrow import parquet

    schema = parquet.read_schema(file)
    file.seek(0)
    # A text that repeats is one in the file: as a dictionary it is one in memory too, however often a file claims it.
    text = [field.name for field in schema if _is_text(field.type)]
    source = parquet.ParquetFile(file, read_dictionary=text)
    _require_room(8 * source.metadata.num_rows * source.metadata.num_columns)
    batches = []
    for batch in source.iter_batches(batch_size=BATCH):
        _require_room(batch.nbytes)
        batches.append(batch)
    table = pyarrow.Table.from_batches(batches, source.schema_arrow if not batches else batches[0].schema)
    return table, declarations_of(schema)


def _column(where: str, name: str, chunks: Any) -> Column:
    import pyarrow

    kind, missing = chunks.type, chunks.is_null().to_numpy()
    types = pyarrow.types
    if types.is_dictionary(kind):
        array = chunks.combine_chunks()
        array = array.chunk(0) if isinstance(array, pyarrow.ChunkedArray) and array.num_chunks else array
        values = _looked_up(array, len(chunks))
    elif missing.any() or types.is_null(kind):
        values, missing = np.zeros(len(chunks)), missing | types.is_null(kind)  # refused for what it lacks
    elif types.is_decimal(kind):
        values = chunks.cast(pyarrow.float64()).to_numpy()
    elif types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        values = chunks.to_numpy()
    elif _is_text(kind):
        values = np.array(chunks.to_pylist(), object)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        values = _lists(where, name, chunks)
    else:
        if types.is_binary(kind) and where.partition("?")[0].endswith(".csv"):
            raise InputError(f"{where}: column {name!r:.80} holds bytes that are no UTF-8: write the file in UTF-8.")
        raise InputError(
            f"{where}: column {name!r:.80} holds {kind!s:.60}: give numbers or text, or leave the column out, as drop={one_line(name, 80)}."
        )
    return Column(name, values, missing)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _declared(where: str, column: Column, declared: Declarations) -> Column:
    """A column with what its table declares of it."""
    classes = declared.classes.get(column.name, ())
    if classes and column.values.dtype.kind in "iu":  # elsewhere there are missing values, which are refused
        if (most := column.values.max(initial=0)) >= len(classes):
            raise InputError(
                f"{where}: column {column.name!r:.80} holds {most} and declares {len(classes)} classes: declare one for each number."
            )
        column = column._replace(
            classes=classes, missing=column.missing | (column.values < 0)
        )  # -1 says that there is none
    return column._replace(category=column.name in declared.categories, index=column.name in declared.index)


def _looked_up(array: Any, count: int) -> np.ndarray:
    """The values of an array that is a dictionary and places in it; a place that is missing has none."""
    values = np.array([*array.dictionary.to_pylist(), None], object) if count else np.empty(0, object)
    places = array.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False) if count else np.empty(0, int)
    return values[places]


def _lists(where: str, name: str, chunks: Any) -> np.ndarray:
    import pyarrow

    inner = chunks.type.value_type
    array = chunks.combine_chunks()
    lengths = np.unique(array.value_lengths().to_numpy(zero_copy_only=False)).tolist()
    if len(lengths) > 1 or not (pyarrow.types.is_integer(inner) or pyarrow.types.is_floating(inner)):
        raise InputError(
            f"{where}: column {name!r:.80} holds lists of {inner!s:.40} of {len(lengths)} lengths: give lists of so many numbers."
        )
    flat = array.flatten()
    if flat.null_count:
        raise InputError(f"{where}: column {name!r:.80} has lists with missing values: fill them.")
    return flat.to_numpy(zero_copy_only=False).reshape(len(array), -1)
