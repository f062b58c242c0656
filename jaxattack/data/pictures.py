"""Pictures of people's own: a folder of them by class, and how any pictures become bytes of one shape.

    photographs/cat/1.png, photographs/dog/7.jpg     `read_folder` of photographs, or of photographs?size=32

PNG, JPEG, BMP and WebP are read by Pillow, within the memory that is free. Pictures all of which are grey have one channel;
otherwise all have three, and transparency is dropped. A picture of more pixels than Pillow takes for harmless is refused
before it is decoded, as are pictures of more than 8 bits a channel.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from jaxattack.data.arrays import from_arrays
from jaxattack.npz import free_memory, one_line, open_regular, printable
from jaxattack.types import Dataset, InputError, InputWarning

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}
LARGEST_SIDE = 4096
# Where a PNG file has the bits of a channel: behind its signature, the head of its first chunk and its two sides.
_DEPTH = 24
GREY, COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def read_folder(folder: Path, name: str, size: str | None = None) -> Dataset:
    """The pictures of a folder, in folders named by their classes; a picture's id is class/file.

    Args:
        folder: of folders.
        name: what to call the records.
        size: to which each is resized: 32, or 32x48 for height and width; by default all must have one size.

    Raises:
        InputError: fewer than two classes, a file that is no picture or a dangerous one, or pictures of different sizes.
    """
    try:
        classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        files = [(number, one) for number, key in enumerate(classes) for one in sorted((folder / key).iterdir())]
    except OSError as error:
        raise InputError(
            f"{name}: it cannot be read ({error.strerror or error}): give a folder that you may read."
        ) from error
    pictures = [(number, one) for number, one in files if one.suffix.lower() in FORMATS]
    others = [one.name for _, one in files if one.suffix.lower() not in FORMATS and not one.name.startswith(".")]
    if len({number for number, _ in pictures}) < 2:
        raise InputError(
            f"{name} has {len(pictures)} pictures in {len(classes)} folders: give FOLDER/CLASS/PICTURE.png, of two classes "
            f"or more; {', '.join(FORMATS)} are read."
        )
    if others:
        warnings.warn(
            f"{name}: left out as no pictures: {printable(others, 3)}.",
            InputWarning,
            stacklevel=3,
        )
    ids = [f"{classes[number]}/{one.name}" for number, one in pictures]
    x = stack_pictures(_opened(pictures, ids, name), len(pictures), size, name)
    return from_arrays(x, np.array([number for number, _ in pictures]), names=classes, ids=ids, name=name)


def stack_pictures(
    images: Iterable[tuple[str, Any]], count: int, size: str | None, name: str
) -> UInt8[np.ndarray, "record height width channel"]:
    """Pictures of one size as bytes.

    Args:
        images: what each is called, and it, as Pillow opens it.
        count: how many there are.
        size: as `read_folder` has it.
        name: what to call the records.

    Raises:
        InputError: as `read_folder`.
    """
    target = _target(size, name)
    parts: list[np.ndarray] = []
    first = ""
    for which, image in images:
        part = _bytes(image, target, f"{name}: {which}")
        if parts and part.shape[:2] != parts[0].shape[:2]:
            ours, theirs = (" x ".join(map(str, one.shape[:2])) for one in (part, parts[0]))
            raise InputError(
                f"{name}: {which} has {ours} pixels and {first} {theirs}: give one size to resize all to, as size=32."
            )
        if not parts:
            first = which
            if 6 * count * part.shape[0] * part.shape[1] > free_memory():  # one by one, and stacked
                raise InputError(
                    f"{name}: {count:,} pictures of such a size do not fit into memory: give a smaller size."
                )
        parts.append(part)
    channels = max(part.shape[2] for part in parts)
    return np.stack([np.broadcast_to(part, (*part.shape[:2], channels)) for part in parts])


def _target(size: str | None, name: str) -> tuple[int, int] | None:
    """Height and width."""
    if size is None:
        return None
    sides = [int(side) if side.isdecimal() else 0 for side in str(size)[:20].split("x")]
    if len(sides) > 2 or not all(0 < side <= LARGEST_SIDE for side in sides):
        raise InputError(f"{name}: size is {size!r:.40}: give 32, or 32x48 for height and width, up to {LARGEST_SIDE}.")
    return sides[0], sides[-1]


def _opened(pictures: list[tuple[int, Path]], ids: list[str], name: str) -> Iterator[tuple[str, Image.Image]]:
    for (_, path), which in zip(pictures, ids, strict=True):
        try:
            with warnings.catch_warnings(), open_regular(path) as file:
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(file, formats=sorted(set(FORMATS.values()))) as image:
                    if image.format == "PNG":
                        _require_bytes(file, f"{name}: {printable([which])}")
                    image.load()
                    yield which, image
        except InputError:
            raise
        except UnidentifiedImageError as error:
            raise InputError(f"{name}: {printable([which])} is no picture of its kind: remove it.") from error
        except Exception as error:  # any byte of a picture may be wrong, and each is another decoder's to notice
            why = one_line(str(error)) or type(error).__name__
            raise InputError(f"{name}: {printable([which])} cannot be read ({why}): remove or mend it.") from error


def _require_bytes(file: IO[bytes], which: str) -> None:
    """Refuse a PNG file of 16 bits a channel: of those in colour Pillow drops the lower 8 without a word.

    Raises:
        InputError: it is one.
    """
    place = file.tell()
    file.seek(_DEPTH)
    depth = int.from_bytes(file.read(1))
    file.seek(place)
    if depth > 8:
        raise InputError(f"{which} has {depth} bits a channel: give 8 bits a channel.")


def _bytes(image: Image.Image, size: tuple[int, int] | None, which: str) -> UInt8[np.ndarray, "height width channel"]:
    mode = getattr(image, "mode", "nothing")
    if mode not in GREY + COLOUR:
        raise InputError(f"{which} has pixels of the kind {mode}: give 8 bits a channel.")
    image = image.convert("L" if mode in GREY else "RGB")
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[..., np.newaxis] if array.ndim == 2 else array
