"""Plain arrays to a Dataset: what every source ends in.

| x | becomes |
| --- | --- |
| uint8 [record, height, width] | uint8 [record, height, width, 1] |
| uint8 [record, height, width, channel] | as it is, with a warning where none reaches 64 |
| float [record, height, width(, channel)] | float32 [record, height, width, channel] |
| whole numbers, Booleans or floats [record, feature] | float32, values unchanged but for rounding |
| the same with a column of which rounding leaves fewer than 100 steps | InputError |
| anything else | InputError |

Labels may be of any kind that `jaxattack.data.labels` lists.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from jaxattack.data.labels import read_labels
from jaxattack.types import Dataset, InputError, InputWarning

STEPS = 100
"""Numbers of float32 from the least to the largest of a column, below which rounding alters what it says."""

DARK = 64
"""Brightness that some pixel of any photographs exceeds: bytes below are on another scale, as those of 16 greys are."""

NOISE = 1e-12
"""What a column may span of its size and still be constant, but for the rounding of float64."""


def from_arrays(
    x: Shaped[np.ndarray, "record *feature"],
    y: Shaped[np.ndarray, "record *cls"],
    *,
    classes: int | None = None,
    names: Sequence[str] = (),
    ids: Sequence[str] = (),
    features: Sequence[str] = (),
    name: str = "arrays",
) -> Dataset:
    """Records and labels, as numbers of the kinds a Dataset holds (see the table above).

    Args:
        x: images or a table.
        y: labels of any kind that `jaxattack.data.labels` lists.
        classes: the number of classes; by default as many as there are different labels.
        names: of all classes, in the order of their numbers.
        ids: what each record is called; by default they are numbered alone.
        features: what each column of a table is called; by default they are numbered alone.
        name: what to call the records in messages and reports.

    Warns:
        InputWarning: bytes of images that use a small part of their range; labels that were numbered anew.

    Raises:
        InputError: arrays of another kind or shape, of unequal lengths, or with NaN; labels of another kind, or of more
            classes than declared; fewer than two classes; ids that `jaxattack.types.check_ids` refuses.

    Example:
        >>> from_arrays(np.zeros((4, 2)), np.asarray(["well", "ill", "well", "ill"])).names
        ('ill', 'well')
    """
    for key, array in (("x", x), ("y", y)):
        if np.ma.is_masked(array):  # an array of NumPy's alone would have what is under the mask
            raise InputError(
                f"{name}: {key} is masked in {np.ma.count_masked(array)} places: fill them, or leave the records out."
            )
    labels = read_labels(y, f"{name}: y", classes=classes, names=names)
    return Dataset(
        x=_records(np.asarray(x), name),
        y=labels.number,
        classes=labels.classes,
        name=name,
        names=labels.names,
        ids=tuple(ids),
        features=tuple(features),
    )


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the shapes, types and values of x and y and of the number of classes, in hexadecimal.

    Names do not count, of the set, its classes or its records: models are trained on none of them, so that the same records
    from another source, or with ids added to them, are the same run.
    """
    digest = hashlib.sha256(str(dataset.classes).encode())
    for array in (dataset.x, dataset.y):
        digest.update(f"|{array.dtype.str}{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def channels_last(x: Shaped[np.ndarray, "record *axis"], layout: str, name: str) -> Shaped[np.ndarray, "record *last"]:
    """Pictures with their channels last.

    Args:
        x: pictures.
        layout: nchw where they have them first, nhwc where they have them last.
        name: what to call them in messages.

    Raises:
        InputError: another layout, or no pictures with channels.
    """
    if layout not in ("nchw", "nhwc"):
        raise InputError(f"{name}: layout is {layout!r:.40}: give nchw (channels first) or nhwc (channels last).")
    if x.ndim != 4:
        raise InputError(f"{name}: layout is {layout} and x has shape {x.shape}: it is for pictures with channels.")
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "nchw" else x


def as_bytes(x: Shaped[np.ndarray, "record *axis"], scale: str, name: str) -> UInt8[np.ndarray, "record *axis"]:
    """Pictures of another scale as bytes, ``round(x * 255 / scale)``.

    Args:
        x: pictures, from 0 to the scale.
        scale: what stands for full brightness: 1, 255, 65535, ...
        name: what to call them in messages.

    Raises:
        InputError: a scale that is no number above 0, no pictures, or numbers outside of it.
    """
    try:
        most = float(scale)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise InputError(f"{name}: scale is {scale!r:.40}: give the number of full brightness, such as 1 or 255.")
    if x.ndim not in (3, 4) or x.dtype.kind not in "fiu":
        raise InputError(f"{name}: scale is {scale} and x has shape {x.shape} and dtype {x.dtype}: it is for pictures.")
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    if not 0 <= low <= high <= most:
        raise InputError(f"{name}: scale is {scale} and x ranges from {low:g} to {high:g}: give the scale that it has.")
    return np.rint(x.astype(np.float64) * (255 / most)).astype(np.uint8)


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
        _tell_dark(x, name)
        return x
    return as_float32(x, f"{name}: column {{}}".format)


def _tell_dark(x: UInt8[np.ndarray, "record height width channel"], name: str) -> None:
    """Say of bytes that use a part of their range that networks take them for nearly black."""
    most = int(x.max()) if x.size else 0
    if 0 < most < DARK:
        warnings.warn(
            f"{name}: x holds images of bytes up to {most}, and networks take 255 for full brightness, so that they see hardly any "
            f"contrast: where {most} is the brightest there can be, multiply them by 255 / {most}, as scale={most} does for an .npz.",
            InputWarning,
            stacklevel=4,
        )


def as_float32(
    x: Shaped[np.ndarray, "record *feature"], called: Callable[[int], str]
) -> Float32[np.ndarray, "record *feature"]:
    """Numbers as float32; beyond it they become infinity, which the Dataset refuses with a sentence of its own.

    Args:
        x: a table, or images.
        called: what to call a column of a table in messages.

    Raises:
        InputError: a column is so far from 0 for what it spans, as moments in seconds are, that different values become one.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = x.astype(np.float32)
        if x.ndim != 2 or x.dtype.itemsize <= 2 or not len(x):
            return rounded
        low, high = rounded.min(axis=0), rounded.max(axis=0)
        coarse = high - low < STEPS * np.spacing(np.maximum(np.abs(low), np.abs(high)))
    for at in np.flatnonzero(coarse):
        values, left = np.unique(x[:, at]), len(np.unique(rounded[:, at]))
        least, most = values[0].item(), values[-1].item()
        noise = (
            NOISE * max(abs(least), abs(most)) if x.dtype.kind == "f" else 0
        )  # whole numbers are exact, beyond 2^53 too
        if left < len(values) and most - least > noise:
            raise InputError(
                f"{called(int(at))} ranges from {least} to {most}, where float32 has {left} numbers for its {len(values)} values: "
                "take its smallest value off, or drop it."
            )
    return rounded
