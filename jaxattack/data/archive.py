"""A data set as one .npz file.

    x        ["record *feature"]     images or a table
    y        ["record"]              labels
    classes  optional                one whole number, or Text ["cls"]: the names of all classes
    ids      ["record"], optional    what each record is called, each otherwise: Text or whole numbers

``numpy.savez("records.npz", x=x, y=y)`` writes one. Which arrays are taken, and as what, is said in `arrays`.
Python objects (pickles) are never read. What else is refused before it is read is said in `jaxattack.npz`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from jaxattack.data.arrays import as_bytes, channels_last, from_arrays
from jaxattack.disk import write_arrays
from jaxattack.npz import UnreadableError, open_arrays, printable, reason
from jaxattack.types import Dataset, InputError


def read(
    path: str | os.PathLike[str], *, layout: str | None = None, scale: str | None = None, name: str | None = None
) -> Dataset:
    """The data set in a .npz file.

    Args:
        path: the file.
        layout: as `jaxattack.data.arrays.channels_last` has it.
        scale: as `jaxattack.data.arrays.as_bytes` has it.
        name: what to call the records; the path by default.

    Raises:
        InputError: no such file, not an archive or a damaged one, no x or y, Python objects, or arrays that make no
            data set.
    """
    name = os.fspath(path) if name is None else name
    arrays = _read_arrays(os.fspath(path))
    x = arrays["x"] if layout is None else channels_last(arrays["x"], layout, name)
    x = x if scale is None else as_bytes(x, scale, name)
    y, ids = arrays["y"], read_ids(arrays.get("ids"), name)
    classes = arrays.get("classes")
    if classes is None:
        return from_arrays(x, y, ids=ids, name=name)
    if classes.ndim == 1 and classes.dtype.kind == "U":
        return from_arrays(x, y, names=classes.tolist(), ids=ids, name=name)
    if classes.ndim or classes.dtype.kind not in "iu":
        raise InputError(
            f"{name}: classes has dtype {classes.dtype} and shape {classes.shape}: give one whole number or the names "
            "of all classes, or leave it out."
        )
    return from_arrays(x, y, classes=int(classes), ids=ids, name=name)


def read_ids(ids: np.ndarray | None, name: str) -> tuple[str, ...]:
    """The ids of records in an array of text or of whole numbers; none where there is no array.

    Raises:
        InputError: an array of another kind or shape.
    """
    if ids is None:
        return ()
    if ids.ndim != 1 or ids.dtype.kind not in "Uiu":
        raise InputError(
            f"{name}: ids has dtype {ids.dtype} and shape {ids.shape}: give text or a whole number for each record, or "
            "leave it out."
        )
    return tuple(map(str, ids.tolist()))


def save(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write a data set to a .npz file that `read` takes; a reader sees all of it or nothing.

    Raises:
        InputError: the path does not end in .npz, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix != ".npz":
        raise InputError(f"{target}: the name of a saved data set ends in .npz: rename it.")
    arrays = {"x": dataset.x, "y": dataset.y, "classes": np.array(dataset.names or dataset.classes)}
    write_arrays(target, arrays | ({"ids": np.array(dataset.ids)} if dataset.ids else {}))


def _read_arrays(name: str) -> dict[str, np.ndarray]:
    try:
        with open_arrays(Path(name).expanduser()) as archive:
            for key in ("x", "y"):
                if key not in archive.names:
                    raise InputError(
                        f"{name}: it has no {key!r} (it holds {printable(archive.names) or 'no named array'}): save it "
                        "with numpy.savez(path, x=x, y=y)."
                    )
            return {key: archive.read(key) for key in ("x", "y", "classes", "ids") if key in archive.names}
    except FileNotFoundError as error:
        raise InputError(
            f"{name}: there is no such file: check the path, or write one with numpy.savez(path, x=x, y=y)."
        ) from error
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{name}: it cannot be read ({reason(error)}): write it again with numpy.savez(path, x=x, y=y), of numbers."
        ) from error
