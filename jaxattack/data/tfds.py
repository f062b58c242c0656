"""Sets that tensorflow-datasets (TFDS) has prepared on disk, read without TensorFlow.

Nothing is downloaded: TFDS prepares a set once, on a machine with a network, in a format with random access
(``array_record``, or ``parquet``), and from then on it is read here. A sub-split is applied by index rather than by
TFDS, whose parquet source ignores it, and a source with fewer records than its own description is refused: the
parquet writer of TFDS 4.9.10 drops most of a file of more than a hundred records without a word.

Encoded images (PNG, JPEG) are decoded by OpenCV where it is installed, otherwise by Pillow.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxattack.absl_log import without_warnings
from jaxattack.types import InputError

# How many records are fetched in one call, which TFDS spreads over threads.
_BATCH = 1024


class Prepared(NamedTuple):
    """What a prepared set holds, as TFDS gives it.

    Attributes:
        x: the records: images as uint8, tables as numbers.
        y: their labels.
        classes: how many classes the set declares, if it does.
    """

    x: Shaped[np.ndarray, "record *feature"]
    y: Shaped[np.ndarray, "record"]
    classes: int | None


def read(name: str, *, split: str = "train", data_dir: str | None = None) -> Prepared:
    """A prepared set, or a part of it.

    Args:
        name: as in TFDS, ``name[/config][:version]``.
        split: as in TFDS: ``train``, ``train[:5000]``, ``train[:50%]+test``, ``all``.
        data_dir: the folder of prepared sets; by default that of the environment variable TFDS_DATA_DIR, or
            ``~/tensorflow_datasets``.

    Raises:
        InputError: a set that is unknown, not prepared, prepared in a format without random access, damaged, or not
            made of arrays of one shape with a label; an unknown split.
    """
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    folder = os.path.expanduser(folder) if folder else None
    builder = _open_builder(name, folder)
    # TFDS leaves alone what is prepared already, whatever its format or state.
    remedy = f"delete {builder.data_dir}, and {_remedy(name, folder)}"
    x_key, y_key = _keys(name, builder.info)
    examples = [
        example
        for part, indices in _resolve(name, split, builder)
        for example in _fetch(builder, part, indices, (x_key, y_key), name=name, remedy=remedy)
    ]
    if not examples:
        raise InputError(f"tfds:{name}: the split {split!r} holds no records: widen it.")
    shapes = {np.shape(x) for x, _ in examples}
    if len(shapes) > 1:
        raise InputError(
            f"tfds:{name}: {x_key!r} has records of different shapes ({len(shapes)} of them): resize them, and save "
            "x and y to a .npz file."
        )
    return Prepared(
        x=np.stack([x for x, _ in examples]),
        y=np.asarray([y for _, y in examples]),
        classes=getattr(builder.info.features[y_key], "num_classes", None),
    )


def _open_builder(name: str, folder: str | None) -> Any:
    # Importing TFDS takes most of a second: only those who read a prepared set pay for it.
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    try:
        return builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        names = tfds.list_builders(with_community_datasets=False)
        raise InputError(_absence(name, folder, names)) from error
    # TFDS, protobuf and the file system each raise what they like for a damaged description.
    except Exception as error:
        raise InputError(
            f"tfds:{name}: TFDS cannot open it ({_first_line(error)}): write name, name/config or name:1.0.0, or "
            "prepare the set again."
        ) from error


def _absence(name: str, folder: str | None, names: list[str]) -> str:
    base = name.split(":")[0].split("/")[0]
    place = Path(folder or "~/tensorflow_datasets").expanduser()
    there = sorted(entry.name for entry in place.glob(f"{base}/*"))
    if base not in names and not there:
        near = difflib.get_close_matches(base, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return (
            f"tfds:{name}: tensorflow-datasets knows no {base!r}{hint} and {place} holds none: check the name, or set "
            "TFDS_DATA_DIR to the folder that holds it."
        )
    others = f" (of {base} there is: {', '.join(there)})" if there else ""
    return f"tfds:{name}: it is not prepared in {place}{others}: {_remedy(name, folder)}."


def _remedy(name: str, folder: str | None) -> str:
    where = f", data_dir={folder!r}" if folder else ""
    # TFDS 4.9.10 prepares with importlib_resources and does not ask for it.
    return (
        "on a machine with a network run pip install tensorflow-datasets tensorflow importlib_resources, then "
        'python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder({name!r}{where}, file_format='array_record').download_and_prepare()\", or set TFDS_DATA_DIR to "
        "the folder that holds it so prepared"
    )


def _keys(name: str, info: Any) -> tuple[str, str]:
    x_key, y_key, *_ = info.supervised_keys or ("image", "label")
    there = list(info.features) if hasattr(info.features, "keys") else []
    if x_key not in there or y_key not in there:
        raise InputError(
            f"tfds:{name}: it has no one array of features with a label (it holds {', '.join(there) or 'one value'}): "
            "save x and y to a .npz file."
        )
    return x_key, y_key


def _resolve(name: str, split: str, builder: Any) -> Iterator[tuple[str, range]]:
    import tensorflow_datasets as tfds

    splits = builder.info.splits
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(splits)
    except (ValueError, AssertionError, NotImplementedError) as error:
        there = ", ".join(f"{key} ({splits[key].num_examples} records)" for key in splits)
        raise InputError(
            f"tfds:{name}: there is no split {split!r}: choose from {there}, or a part such as train[:50%]."
        ) from error
    for part in parts:
        count = splits[part.splitname].num_examples
        yield part.splitname, range(part.from_ or 0, count if part.to is None else part.to)


def _fetch(
    builder: Any, part: str, indices: range, keys: tuple[str, str], *, name: str, remedy: str
) -> list[tuple[Any, Any]]:
    count = builder.info.splits[part].num_examples
    try:
        # TFDS logs a warning when Pillow decodes in place of OpenCV; a library says nothing.
        with without_warnings():
            source = builder.as_data_source(part)
            size = len(source)
            examples = _by_batch(source, indices) if size == count else []
    except NotImplementedError as error:
        raise InputError(
            f"tfds:{name}: it is prepared as {builder.info.file_format.value}, which only TensorFlow reads: {remedy}."
        ) from error
    except ImportError as error:
        raise InputError(f"tfds:{name}: reading it needs {error.name or error}: install it.") from error
    # Riegeli, Arrow and the image decoders each raise what they like for a damaged file.
    except Exception as error:
        raise InputError(f"tfds:{name}: its files are damaged ({_first_line(error)}): {remedy}.") from error
    if size != count:
        raise InputError(f"tfds:{name}: {part} holds {size} records where {count} were written: {remedy}.")
    pairs = [(example[keys[0]], example[keys[1]]) for example in examples]
    # A file cut at a block boundary yields empty records rather than an error.
    if any(value is None for pair in pairs for value in pair):
        raise InputError(f"tfds:{name}: its files are damaged (some records are empty): {remedy}.")
    return pairs


def _by_batch(source: Any, indices: range) -> list[dict[str, Any]]:
    batches = (list(indices[start : start + _BATCH]) for start in range(0, len(indices), _BATCH))
    return [example for batch in batches for example in source.__getitems__(batch)]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
