"""Plain arrays to a Dataset: what every source ends in.

| x | becomes |
| --- | --- |
| uint8 [record, height, width] | uint8 [record, height, width, 1] |
| uint8 [record, height, width, channel] | as it is |
| float [record, height, width(, channel)] | float32 [record, height, width, channel] |
| whole numbers, Booleans or floats [record, feature] | float32, values unchanged |
| anything else | InputError |

Labels may be whole numbers of any kind, Booleans, or floats that are whole.
"""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.types import Dataset, InputError


def from_arrays(
    x: Shaped[np.ndarray, "record *feature"],
    y: Shaped[np.ndarray, "record"],
    *,
    classes: int | None = None,
    name: str = "arrays",
) -> Dataset:
    """Records and labels, as numbers of the kinds a Dataset holds (see the table above).

    Args:
        x: images or a table.
        y: labels, 0 to ``classes - 1``.
        classes: the number of classes; by default as many as there are different labels.
        name: what to call the records in messages and reports.

    Raises:
        InputError: arrays of another kind or shape, of unequal lengths, or with NaN; labels that are not 0 to
            ``classes - 1``; fewer than two classes.
    """
    labels = _labels(np.asarray(y), name)
    return Dataset(
        x=_records(np.asarray(x), name),
        y=labels,
        classes=_count_classes(labels, name) if classes is None else classes,
        name=name,
    )


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the shapes, types and values of x and y and of the number of classes, in hexadecimal.

    The name does not count: the same records from another source have the same fingerprint.
    """
    digest = hashlib.sha256(str(dataset.classes).encode())
    for array in (dataset.x, dataset.y):
        digest.update(f"|{array.dtype.str}{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _records(x: np.ndarray, name: str) -> Shaped[np.ndarray, "record *feature"]:
    if x.ndim not in (2, 3, 4):
        raise InputError(
            f"{name}: x has shape {x.shape}: give a table [record, feature] or images [record, height, width, channel]."
        )
    if len(x) and not x.size:
        raise InputError(f"{name}: x has shape {x.shape}: give records with at least one feature.")
    if x.dtype.kind not in "fiub":
        raise InputError(f"{name}: x has dtype {x.dtype}: give numbers (encode categories as columns of 0 and 1).")
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim == 4 and x.dtype != np.uint8 and x.dtype.kind != "f":
        raise InputError(f"{name}: x holds images of dtype {x.dtype}: give uint8 from 0 to 255, or floats.")
    if x.ndim == 4 and x.dtype == np.uint8:
        return x
    # A float64 beyond float32 becomes infinity, which the Dataset refuses with a sentence of its own.
    with np.errstate(over="ignore"):
        return x.astype(np.float32)


def _labels(y: np.ndarray, name: str) -> Int[np.ndarray, "record"]:
    if y.ndim != 1:
        raise InputError(f"{name}: y has shape {y.shape}: give one whole-number label a record.")
    if y.dtype.kind == "f":
        whole = np.isfinite(y) & (y == np.rint(y)) & (np.abs(y) < 2**31)
        if not whole.all():
            raise InputError(f"{name}: y holds {y[~whole][0]}, which is no whole number: number the classes from 0.")
    elif y.dtype.kind not in "iub":
        raise InputError(
            f"{name}: y has dtype {y.dtype}: number the classes from 0, for example "
            "y = numpy.unique(y, return_inverse=True)[1]."
        )
    return y.astype(np.int64)


def _count_classes(y: Int[np.ndarray, "record"], name: str) -> int:
    found = np.unique(y)
    if not len(found):
        return 2
    classes = int(found[-1]) + 1
    # A gap may be a class that this part of the data lacks, or labels that count from 1: only the caller knows.
    if len(found) > 1 and len(found) != classes:
        raise InputError(
            f"{name}: y holds {len(found)} different labels from {found[0]} to {found[-1]}, not 0 to "
            f"{len(found) - 1}: renumber them (numpy.unique(y, return_inverse=True)[1]), or say how many classes "
            "there are."
        )
    return classes
