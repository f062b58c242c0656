"""Arrays as .npy bodies, one after the other; of a body of unknown origin nothing is believed, unpickled or copied.

The format: six magic bytes, a version, the header's length, a header that names dtype, order and shape, the numbers.
Memory is never taken for what a header merely declares: the numbers must be there.
"""

from __future__ import annotations

import io
import math
import re
from typing import NamedTuple

import numpy as np

from jaxattack.types import InputError

_SHAPE = rb"\((\d+(?:\s*,\s*\d+)*)?\s*,?\s*\)"
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([<>|=]?[biuf]\d{1,2})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*"
    + _SHAPE
    + rb"\s*,?\s*\}\s*"
)
_PREFIX = {b"\x01\x00": 10, b"\x02\x00": 12}
_LONGEST_HEADER = 1024


class Header(NamedTuple):
    """What an array declares.

    Attributes:
        dtype: of its numbers.
        shape: its shape.
        order: F where the first axis varies fastest, else C.
        begin: where in the body its numbers begin.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    order: str
    begin: int


def write_npy(*arrays: np.ndarray) -> bytes:
    """Arrays, one after the other."""
    file = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def npy_header(body: bytes | bytearray, start: int = 0) -> Header:
    """What the array that begins at a place declares.

    Raises:
        InputError: no array of numbers begins there.
    """
    length = _PREFIX.get(bytes(body[start + 6 : start + 8]))
    if length is None or body[start : start + 6] != b"\x93NUMPY":
        raise InputError("the body is no .npy array: send what numpy.save writes.")
    end = start + length + int.from_bytes(body[start + 8 : start + length], "little")
    if end - start > _LONGEST_HEADER:
        raise InputError("the .npy header is longer than that of any array of numbers: send what numpy.save writes.")
    match = _HEADER.fullmatch(bytes(body[start + length : end]))
    if match is None:
        raise InputError("the .npy header is damaged or declares something else than numbers: send an array of them.")
    try:
        dtype = np.dtype(match[1].decode())
    except TypeError as error:
        raise InputError(f"the .npy header declares {match[1].decode()}: send float64 numbers.") from error
    if dtype.itemsize > 8:
        raise InputError(f"the .npy header declares {dtype}, which not every machine has: send float64 numbers.")
    shape = tuple(int(size) for size in re.findall(rb"\d+", match[3] or b""))
    if len(shape) > 32:
        raise InputError(f"the .npy header declares {len(shape)} axes: send a batch of records.")
    return Header(dtype, shape, "F" if match[2] == b"True" else "C", end)


def read_npy(body: bytes | bytearray, most: int = 3) -> list[np.ndarray]:
    """The arrays of a body, as views of it.

    Args:
        body: all of it.
        most: how many arrays it may hold.

    Raises:
        InputError: it is damaged, cut short, or holds something else than so many arrays of numbers.
    """
    arrays: list[np.ndarray] = []
    place = 0
    while place < len(body) or not arrays:
        if len(arrays) == most:
            raise InputError(f"the body goes on after {most} arrays: send no more.")
        header = npy_header(body, place)
        count = math.prod(header.shape)
        if max(header.shape, default=0) > len(body):  # more than there are numbers, beside an axis of length 0 too
            raise InputError(
                f"the .npy header declares shape {header.shape!s:.80} and the body is shorter: send all of it."
            )
        place = header.begin + count * header.dtype.itemsize
        if place > len(body):
            raise InputError(f"the .npy header declares shape {header.shape} and the body is shorter: send all of it.")
        flat = np.frombuffer(body, header.dtype, count, header.begin) if count else np.empty(0, header.dtype)
        arrays.append(flat.reshape(header.shape, order="F" if header.order == "F" else "C"))
    return arrays
