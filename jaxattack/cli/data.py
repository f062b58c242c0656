"""The command `data`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxattack.cli.configuration import ConfigOption
from jaxattack.cli.output import Printing, print_json, say
from jaxattack.data import fingerprint, load, names, save
from jaxattack.report.wording import words
from jaxattack.types import Dataset, InputError

OWN = {
    "FILE.npz": "your own: x [record, ...], y [record], perhaps classes (how many, or their names) and ids [record]",
    "FILE.npz?layout=nchw": "the same with pictures whose channels come first; ?scale=1 for pictures from 0 to 1",
    "FILE.csv, FILE.parquet": "your own table, as records.csv?label=diagnosis&id=patient&drop=date,ward",
    "FOLDER": "your own pictures, as FOLDER/CLASS/PICTURE.png; FOLDER?size=32 resizes them",
}


def data(
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    json: bool = False,
    config: ConfigOption = None,  # noqa: ARG001 (read before the command runs)
) -> None:
    """List the data sets that are here, or describe one.

    Args:
        name: a data set: one of the list, tfds:NAME, FILE.npz, FILE.csv, FILE.parquet or a FOLDER of pictures by class.
        out: write it to this .npz file.
        json: print the description as JSON.
    """
    if name is None:
        if out is not None:
            raise InputError(f"out is {out} and no data set is named: name one.")
        _print_names(json)
        return
    dataset = load(name)
    described = {
        "name": dataset.name,
        "records": len(dataset),
        "shape": list(dataset.shape),
        "dtype": str(dataset.x.dtype),
        "classes": dataset.classes,
        **({"names": list(dataset.names)} if dataset.names else {}),
        **({"features": list(dataset.features)} if dataset.features else {}),
        **({"first_ids": list(dataset.ids[:3])} if dataset.ids else {}),
        "records_by_class": np.bincount(dataset.y, minlength=dataset.classes).tolist(),
    }
    if out is not None:
        _refuse_loss(out, dataset)
    if json:
        print_json(described)
    else:
        _print_rows({words(key): _in_words(value) for key, value in described.items()})
    if out is not None:
        save(dataset, out)
        say(Printing(), f"Wrote {out}")


def _refuse_loss(out: Path, dataset: Dataset) -> None:
    """Refuse a file that is there and does not hold these records.

    Raises:
        InputError: something would be lost.
    """
    if out.exists():
        with suppress(InputError):
            if fingerprint(load(str(out))) == fingerprint(dataset):
                return
        raise InputError(
            f"out is {out}, which is there and holds something else: give another file, or remove it first."
        )


def _print_names(as_json: bool) -> None:
    listed = names()
    if as_json:
        print_json(listed)
        return
    prepared = {
        "tfds:NAME": "a data set prepared by tensorflow-datasets, as tfds:cifar10 or tfds:mnist?split=train[:5000]"
    }
    _print_rows(listed | prepared | OWN)


def _print_rows(rows: Mapping[str, str]) -> None:
    """Names, and beside each what it is, on as many lines as the terminal makes of it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, text in rows.items():
        grid.add_row(Text(name), Text(text))
    Console(highlight=False).print(grid)


def _in_words(value: Any) -> str:
    """A value of a description: several by commas."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
