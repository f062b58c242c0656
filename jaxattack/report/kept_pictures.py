"""The pictures of a report as a file beside it, so that its figures can be drawn anew.

pictures.npz holds UInt8 ["height width channel"] of each picture, under the number that the findings give it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxattack.disk import read_arrays, write_arrays
from jaxattack.npz import Archive
from jaxattack.report.kind import Pictures
from jaxattack.types import FolderError

PICTURES = "pictures.npz"
LARGEST = 1 << 24
"""Bytes of a picture that is read: one of 2,000 by 2,000 in colour has 12 million."""


def write_pictures(path: Path, pictures: Pictures) -> None:
    """Write pictures, whole or not at all."""
    write_arrays(path, {str(number): np.asarray(picture) for number, picture in pictures.items()})


def read_pictures(folder: Path) -> dict[int, np.ndarray]:
    """The pictures of a report; none where they were not kept.

    Raises:
        InputError: they are damaged, or no pictures.
    """
    path = folder / PICTURES
    if not path.exists():
        return {}

    def check(archive: Archive) -> None:
        for name in archive.names:
            header = archive.header(name)
            large = not name.isdecimal() or len(name) > 9 or np.prod(header.shape, dtype=float) > LARGEST
            if large or header.dtype != np.uint8 or len(header.shape) != 3 or header.shape[2] not in (1, 3, 4):
                raise FolderError(f"{path} holds {name!r:.40}, which is no picture: delete this file.")

    return {int(name): picture for name, picture in read_arrays(path, check=check).items()}
