"""The files of a chunk (`jaxattack.store`), each array checked by what it promises before it is read.

A run folder may come from anybody: its numbers become indices and the sizes of arrays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.disk import read_array, read_arrays
from jaxattack.error import FolderError
from jaxattack.npz import Archive

MOST_MODELS = 1 << 24
"""A run has fewer models: beyond that the numbers in a chunk are damage, and arrays of so many rows would be made."""


def read_models(file: Path) -> Int[np.ndarray, "model"]:
    """The models of a chunk, which become indices: whole numbers from 0, each once.

    Raises:
        InputError: they are something else, or the file is damaged.
    """
    models = read_arrays(file, ("models",))["models"]
    if models.ndim != 1 or models.dtype.kind not in "iu" or not len(models):
        raise damaged_chunk(file, f"models has dtype {models.dtype} and shape {models.shape}")
    if models.min() < 0 or models.max() >= MOST_MODELS or len(np.unique(models)) < len(models):
        raise damaged_chunk(file, f"models ranges from {models.min()} to {models.max()}, or holds one twice")
    return models


def damaged_chunk(file: Path, reason: str) -> FolderError:
    """What is raised for a file whose arrays are not those of a chunk."""
    return FolderError(f"{file} is no chunk of this run ({reason}): delete this file and run again.")


def read_label(folder: Path) -> Int[np.ndarray, "record"]:
    """The true class of each record of a run folder.

    Raises:
        InputError: the file holds something else, or is damaged.
    """
    remedy = "give the command that made the run again, and it is written anew"
    label = read_array(folder / "label.npy", remedy)
    if label.ndim != 1 or label.dtype.kind not in "iu":
        raise FolderError(
            f"{folder / 'label.npy'} has dtype {label.dtype} and shape {label.shape}, which is no label a record: {remedy}."
        )
    return label


def read_member(file: Path, models: int, records: int) -> Bool[np.ndarray, "model record"]:
    """Who each model of a chunk was trained on.

    Raises:
        InputError: the file holds no bit for each, or is damaged.
    """
    packed = (models, -(-records // 8))

    def check(archive: Archive) -> None:
        header = archive.header("member")
        if header.shape != packed or header.dtype != np.uint8:
            raise damaged_chunk(
                file, f"member has dtype {header.dtype} and shape {header.shape}, not uint8 and {packed}"
            )

    rows = read_arrays(file, ("member",), check=check)["member"]
    return np.unpackbits(rows, axis=1, count=records).astype(bool)


def holds_array(file: Path, name: str) -> bool:
    """Whether a chunk has an array of a name.

    Raises:
        InputError: the file is damaged.
    """
    names: list[str] = []
    read_arrays(file, (), check=lambda archive: names.extend(archive.names))
    return name in names


def read_signal(file: Path, name: str, models: int, records: int) -> Float[np.ndarray, "model record query *value"]:
    """A signal of a chunk.

    Raises:
        InputError: the file holds no numbers for each model and record, or is damaged.
    """

    def check(archive: Archive) -> None:
        shape, dtype = archive.header(name)
        if len(shape) < 3 or shape[:2] != (models, records) or dtype.kind != "f":
            raise damaged_chunk(
                file, f"{name!r:.40} has dtype {dtype} and shape {shape}, not float and {(models, records)}"
            )

    return read_arrays(file, (name,), check=check)[name]
