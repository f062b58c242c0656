"""`load`: a data set by name.

| name | what |
| --- | --- |
| ``digits`` | 1,797 images of 8 x 8 x 1, uint8: scikit-learn's 0..16 as ``round(x * 255 / 16)``; 10 classes |
| ``iris``, ``wine``, ``breast_cancer`` | scikit-learn's tables, float32, every column scaled to mean 0 and variance 1 |
| ``tfds:NAME[/CONFIG][:VERSION]`` | a set that tensorflow-datasets has prepared; options ``split`` and ``data_dir`` |
| ``synthetic:gaussian``, ``synthetic:random-labels`` | see `synthetic`; their arguments are options |
| a path that ends in ``.npz`` | ``x``, ``y`` and perhaps ``classes`` and ``ids``; see `archive` |

Options follow a question mark, as in an address: ``tfds:cifar10?split=train[:5000]``,
``synthetic:gaussian?records=2000&seed=3``. Everything works without a network.

The tables are standardised over all records, before anybody is chosen to be a member.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import replace

import numpy as np

from jaxattack.data import archive, prepared, synthetic
from jaxattack.data.arrays import from_arrays
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


def load(name: str | os.PathLike[str]) -> Dataset:
    """A data set by name (see the table above).

    Args:
        name: of an embedded, prepared or synthetic set, or the path of a .npz file.

    Raises:
        InputError: an unknown name or option, or a set that cannot be read.
    """
    name = os.fspath(name)
    source, options = _parse(name)
    if source.startswith("tfds:"):
        _check_options(source, options, ("split", "data_dir"))
        arrays = prepared.read(source.removeprefix("tfds:"), **options)
        return from_arrays(arrays.x, arrays.y, classes=arrays.classes, name=name)
    if name.endswith(".npz"):
        return archive.read(name)
    if source in _SYNTHETIC:
        return replace(_synthetic(source, options), name=name)
    if source in _EMBEDDED:
        _check_options(source, options, ())
        return _embedded(source)
    near = difflib.get_close_matches(source, names(), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(
        f"there is no data set {source!r}{hint}: choose from {', '.join(names())}, tfds:NAME, or the path of a .npz file."
    )


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
