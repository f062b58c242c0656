"""`load`: a data set by its name, or of an object that has one in it.

| name | what |
| --- | --- |
| ``digits`` | 1,797 images of 8 x 8 x 1, uint8: scikit-learn's 0..16 as ``round(x * 255 / 16)``; 10 classes |
| ``iris``, ``wine``, ``breast_cancer`` | scikit-learn's tables, float32, every column scaled to mean 0 and variance 1 |
| ``tfds:NAME[/CONFIG][:VERSION]`` | a set that tensorflow-datasets has prepared; options ``split`` and ``data_dir`` |
| ``synthetic:gaussian``, ``synthetic:random-labels`` | see `synthetic`; their arguments are options |
| FILE.npz | ``x``, ``y`` and perhaps ``classes`` and ``ids``; see `archive`; options ``layout`` and ``scale`` |
| FILE.csv, FILE.parquet | a table; see `tables`; options ``label``, ``id``, ``drop`` and ``categories`` |
| FOLDER | pictures in folders by class; see `pictures`; option ``size`` |
| a pandas frame, a Hugging Face set | in Python; see `frames`; options as of a table, and ``size`` of pictures |

Options follow a question mark, as in an address: ``tfds:cifar10?split=train[:5000]``,
``records.csv?label=diagnosis&drop=date,ward``; in values of a table's options ``%26`` stands for ``&``. In Python they are
arguments too: ``load("records.csv", label="diagnosis", drop=["date", "ward"])``. Everything works without a network.

The four tables of scikit-learn are standardised over all records, before anybody is chosen to be a member.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from jaxattack.data import archive, synthetic, tfds
from jaxattack.data.arrays import from_arrays
from jaxattack.data.frames import from_frame, from_hugging_face, is_frame, is_hugging_face
from jaxattack.data.pictures import read_folder
from jaxattack.data.table_files import read_csv, read_parquet
from jaxattack.data.tables import Column, Roles, from_columns
from jaxattack.types import Dataset, InputError

_EMBEDDED = {
    "digits": "1,797 images of handwritten digits, 8 x 8, 10 classes",
    "iris": "150 flowers, 4 measurements, 3 species",
    "wine": "178 wines, 13 chemical measurements, 3 growers",
    "breast_cancer": "569 tumours, 30 measurements, 2 diagnoses",
}
_SYNTHETIC = {
    "synthetic:gaussian": "a Gaussian mixture whose best accuracy is known",
    "synthetic:random-labels": "labels that can only be learnt by heart",
}


def names() -> dict[str, str]:
    """The sets that need neither a file nor a network, each with a line about it."""
    return _EMBEDDED | _SYNTHETIC


def load(source: str | os.PathLike[str] | Any, **options: Any) -> Dataset:
    """A data set (see the table above).

    Args:
        source: the name of an embedded, prepared or synthetic set, the path of a file or a folder, a pandas frame or a
            Hugging Face set.
        options: what the table names, as text or in its own type: ``label="y"``, ``drop=["date"]``, ``size=32``.

    Raises:
        InputError: an unknown name or option, or a set that cannot be read.

    Example:
        >>> import jaxattack as ja
        >>> ja.load("synthetic:gaussian", records=50).shape
        (20,)
    """
    if isinstance(source, Dataset):
        raise InputError(f"{source.name} is a data set already: use it as it is.")
    if is_frame(source) or is_hugging_face(source):
        return _of_object(source, _texts("the object", options))
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"there is no data set in a {type(source).__name__}: give a name, a path or a pandas frame.")
    name = _with_options(os.fspath(source), options)
    base, given = _parse(name)
    if base.startswith("tfds:"):
        _check_options(base, given, ("split", "data_dir"))
        arrays = tfds.read(base.removeprefix("tfds:"), **given)
        return from_arrays(arrays.x, arrays.y, classes=arrays.classes, name=name)
    if base in _SYNTHETIC:
        return replace(_synthetic(base, given), name=name)
    if base in _EMBEDDED:
        _check_options(base, given, ())
        return _embedded(base)
    if Path(base).suffix in _FILES or (base and Path(base).expanduser().is_dir()):
        return _of_path(base, given, name)
    near = difflib.get_close_matches(base, names(), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(
        f"there is no data set {base!r}{hint}: choose from {', '.join(names())}, tfds:NAME, or the path of a .npz, .csv or "
        ".parquet file, or of a folder of pictures by class."
    )


_TABLE = ("label", "id", "drop", "categories")
_FILES: dict[str, Callable[[Path, str], list[Column]] | None] = {
    ".npz": None,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
"""What reads the columns of a file, by its suffix; an .npz has none."""


def _of_path(base: str, options: dict[str, str], name: str) -> Dataset:
    path = Path(base)
    read = _FILES.get(path.suffix)
    if read is not None:
        _check_options(base, options, _TABLE)
        return from_columns(read(path, name), _roles(options), name=name)
    if path.suffix == ".npz":
        _check_options(base, options, ("layout", "scale"))
        return archive.read(base, layout=options.get("layout"), scale=options.get("scale"), name=name)
    _check_options(base, options, ("size",))
    return read_folder(path.expanduser(), name, options.get("size"))


def _of_object(source: Any, options: dict[str, str]) -> Dataset:
    if is_frame(source):
        _check_options("a pandas frame", options, (*_TABLE, "name"))
        return from_frame(source, **vars(_roles(options)), name=options.get("name", "frame"))
    _check_options("a Hugging Face set", options, (*_TABLE, "size", "name"))
    return from_hugging_face(
        source, _roles(options), size=options.get("size"), name=options.get("name", "hugging face")
    )


def _roles(options: dict[str, str]) -> Roles:
    one = {key: unquote(options[key]) for key in ("label", "id") if key in options}
    several = {key: tuple(map(unquote, options[key].split(","))) for key in ("drop", "categories") if key in options}
    return Roles(label=one.get("label"), id=one.get("id"), **several)


def _with_options(name: str, options: dict[str, Any]) -> str:
    """A name with its options in it, so that a run's description finds the same records again."""
    texts = _texts(name, options)
    pairs = "&".join(f"{key}={value}" for key, value in texts.items())
    return f"{name}{'&' if '?' in name else '?'}{pairs}" if pairs else name


def _texts(name: str, options: dict[str, Any]) -> dict[str, str]:
    """Options as text; what would end them is written as in an address."""
    texts = {}
    for key, value in options.items():
        if value is None:
            continue
        several = isinstance(value, list | tuple)
        if several and key not in ("drop", "categories"):
            raise InputError(f"{name}: {key} is {value!r:.60}: give one.")
        safe = "[]:%+/ ." if key not in _TABLE else " /.:"
        texts[key] = ",".join(quote(str(one), safe=safe) for one in (value if several else [value]))
    return {key: text for key, text in texts.items() if text}


def load_from_description(name: str) -> Dataset:
    """A data set that a file names, a run's or a model's description, which may come from anybody.

    A prepared set in a folder that the file names is refused: TFDS imports the modules that such a set names.

    Raises:
        InputError: as `load`, or a name with a folder of prepared sets.
    """
    if name.startswith("tfds:") and "data_dir" in name:
        raise InputError(f"{name!r:.200} names a folder of prepared sets: set TFDS_DATA_DIR to it if you trust it.")
    return load(name)


def _parse(name: str) -> tuple[str, dict[str, str]]:
    if "?" in name and Path(name).suffix in _FILES and Path(name).exists():
        return name, {}  # a file with a question mark in its name
    source, mark, rest = name.partition("?")
    if not mark:
        return source, {}
    pairs = [pair.partition("=") for pair in rest.split("&")]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise InputError(
                f"{name}: {key + equals + value!r} is no option: write {source}?option=value&option=value."
            )
    return source, {key: value for key, _, value in pairs}


def _check_options(source: str, options: dict[str, str], names: tuple[str, ...]) -> None:
    for key in options:
        if key not in names:
            raise InputError(f"{source} takes no option {key!r}: it takes {', '.join(names) or 'none'}.")


def _synthetic(source: str, options: dict[str, str]) -> Dataset:
    maker = synthetic.MAKERS[source.removeprefix("synthetic:")]
    defaults = synthetic.options(maker)
    _check_options(source, options, tuple(defaults))
    numbers = {}
    for key, text in options.items():
        kind = type(defaults[key])
        try:
            numbers[key] = kind(text)
        except ValueError as error:
            remedy = "a whole number" if kind is int else "a number"
            raise InputError(f"{source}: {key}={text} is no number of that kind: give {remedy}.") from error
    return maker(**numbers)


def _embedded(name: str) -> Dataset:
    # scikit-learn takes a second to import, and only these four need it.
    from sklearn import datasets

    if name == "digits":
        images, y = datasets.load_digits(return_X_y=True)
        x = np.rint(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    else:
        table, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        x = (table - table.mean(axis=0)) / table.std(axis=0)
    return from_arrays(x, np.asarray(y), name=name)
