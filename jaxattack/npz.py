"""Arrays in .npy and .npz files of unknown origin: what a file promises is read before its numbers, and may be refused.

Refused, before memory is taken or time is spent, is a file that

    is no regular file           a pipe or a device has no end
    holds no plain numbers       Python objects (pickles) and records of several fields are never read
    promises more than it has    a header whose shape needs more bytes than follow it
    unpacks to too much          more than 64 MiB and more than 100 times its own size (a decompression bomb)
    lists too many names         a directory of an archive beyond 16 MiB, or one name twice
    does not fit                 an array larger than the memory that is free

Numbers come back in the byte order of the machine. NumPy writes members that are stored or deflated; others are refused.
"""

from __future__ import annotations

import io
import os
import resource
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
import psutil

DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OverflowError,
    BadZipFile,
    zlib.error,
)
"""What reading a damaged .npz may raise: any of its bytes may be wrong, and each is another module's to notice."""

SMALL, RATIO = 1 << 26, 100
"""An archive may unpack to the larger of 64 MiB and a hundred times its size; NumPy's own seldom exceed 20 times."""

LARGEST_DIRECTORY = 1 << 24
"""Bytes of an archive's list of members: two hundred thousand names, which take a second to read."""

LARGEST_HEADER = 10_000
"""Bytes of an array's header; NumPy reads no longer ones either."""

_ARRAY, _ARCHIVE = b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")
_TRUNCATED = "it is truncated, or no .npz file"


class UnreadableError(ValueError):
    """A file that is refused; the message says why, in a clause."""


class Header(NamedTuple):
    """What an array promises.

    Attributes:
        shape: its shape.
        dtype: of its numbers, in the file's byte order.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return prod(self.shape) * self.dtype.itemsize


def reason(error: Exception) -> str:
    """Why a file was not read, as a clause."""
    return getattr(error, "strerror", None) or str(error)


def free_memory() -> int:
    """Bytes that this process may still take: what the machine has left, or its control group or limits allow."""
    rooms = [psutil.virtual_memory().available]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        rooms.append(soft - psutil.Process().memory_info().vms)
    try:
        group = Path("/sys/fs/cgroup")
        rooms.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no control groups, or "max"
        pass
    return max(0, min(rooms))


def one_line(text: str, most: int = 300) -> str:
    """Text of unknown origin for a sentence: its first line, not too long, with a question mark for what does not print."""
    first = next(iter(text.strip().splitlines()), "")[:most]
    return "".join(letter if letter.isprintable() else "?" for letter in first)


def printable(names: Iterable[str], most: int = 8) -> str:
    """Names of unknown origin for a sentence: the first few, each on one line and not too long."""
    names = list(names)
    words = [one_line(name, 60) for name in names[:most]]
    return ", ".join(words) + (f" and {len(names) - most} more" if len(names) > most else "")


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """A file to read, which is no pipe or device: one of those may have no end, or block.

    Raises:
        UnreadableError: it is one.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise UnreadableError("it is a pipe or a device, no file")
        yield file


def largest_unpacked(size: int) -> int:
    """Bytes to which an archive of so many bytes may unpack."""
    return max(SMALL, RATIO * size)


def read_header(file: IO[bytes], size: int) -> Header:
    """What the array that begins here promises, its numbers being next; the file is left where they begin.

    Args:
        file: at the first byte of an .npy.
        size: bytes from there to the end.

    Raises:
        UnreadableError: no array begins here, or one of Python objects, or its numbers need more bytes than there are.
    """
    try:
        start, version = file.read(len(_ARRAY)), file.read(2)
        if start != _ARRAY:
            raise UnreadableError("it is an archive of arrays" if start.startswith(_ARCHIVE) else "it holds no array")
        width = {b"\1\0": 2, b"\2\0": 4}[version]
        length = file.read(width)
        if int.from_bytes(length, "little") > LARGEST_HEADER:
            raise UnreadableError(f"the header of an array is longer than {LARGEST_HEADER:,} bytes")
        text = io.BytesIO(length + file.read(int.from_bytes(length, "little")))
        read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(text)
        header = Header(tuple(map(int, shape)), dtype)
    except UnreadableError:
        raise
    except Exception as error:  # NumPy asks several of Python's own parsers, and each raises what it likes
        raise UnreadableError("an array has a damaged header") from error
    if header.dtype.hasobject:
        raise UnreadableError("it holds Python objects, which are never read")
    left = size - len(_ARRAY) - 2 - width - int.from_bytes(length, "little")
    if min(header.shape, default=0) < 0 or len(header.shape) > 32:
        raise UnreadableError(f"an array declares the shape {header.shape!s:.80}")
    # An axis of length 0 beside one of 10^12 takes no bytes, until somebody sums over it.
    spanned = prod(side or 1 for side in header.shape) * max(header.dtype.itemsize, 1)
    if header.size > left or spanned > max(left, SMALL):
        raise UnreadableError(f"an array declares the shape {header.shape!s:.80} and fewer numbers follow")
    return header


def _require_numbers(name: str, dtype: np.dtype) -> None:
    if dtype.kind not in "biufcSU":
        raise UnreadableError(f"{name} holds {dtype!s:.60} where numbers are due")


def _require_room(name: str, header: Header) -> None:
    room = free_memory()
    if header.size > room:
        raise UnreadableError(
            f"{name} of shape {header.shape} takes {header.size:,} bytes and {room:,} bytes of memory are free"
        )


def _read(file: IO[bytes], name: str, header: Header) -> np.ndarray:
    """The array of an .npy that begins here, of which the header is known."""
    _require_numbers(name, header.dtype)
    _require_room(name, header)
    array = np.lib.format.read_array(file, allow_pickle=False)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def read_next(file: IO[bytes], name: str) -> np.ndarray:
    """The array of an .npy that begins here, in a seekable file; the file is left behind it.

    Raises:
        UnreadableError: as the module says.
    """
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    header = read_header(file, size)
    file.seek(begin)
    try:
        return _read(file, name, header)
    except UnreadableError:
        raise
    except DAMAGE as error:
        raise UnreadableError("it is truncated, or no .npy file") from error


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file.

    Raises:
        UnreadableError: as the module says.
        OSError: it cannot be opened.
    """
    with open_regular(path) as file:
        return read_next(file, path.name)


def map_npy(path: Path) -> np.ndarray:
    """The numbers of an .npy file where they lie on the disk: a page is read when it is used, and memory may forget it again.

    Raises:
        UnreadableError: as the module says, but that they need not fit into memory.
        OSError: it cannot be opened.
    """
    with open_regular(path) as file:
        header = read_header(file, os.fstat(file.fileno()).st_size)
    _require_numbers(path.name, header.dtype)
    if not header.size or not header.dtype.isnative:
        return read_npy(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


class _Directory:
    """A file of which no more is read at once than an archive's directory may have: zipfile reads that in one piece."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.most: int | None = LARGEST_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        if self.most is None:
            return self._file.read(size)
        data = self._file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise UnreadableError("it lists too many members")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def open_zip(file: IO[bytes]) -> ZipFile:
    """An archive whose directory has been read, and which does not unpack to too much.

    Args:
        file: seekable, of any origin.

    Raises:
        UnreadableError: as the module says.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    directory: Any = _Directory(file)
    try:
        archive = ZipFile(directory)
    except UnreadableError:
        raise
    except DAMAGE as error:
        raise UnreadableError(_TRUNCATED) from error
    directory.most = None
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > largest_unpacked(size):
        raise UnreadableError(f"it unpacks to {unpacked:,} bytes, more than {RATIO} times its size")
    for member in members:
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise UnreadableError(f"{printable([member.filename])} is packed in another way than NumPy's")
        if member.compress_type == ZIP_STORED and member.file_size > size:
            raise UnreadableError(f"{printable([member.filename])} claims more bytes than the file has")
    if len({member.filename for member in members}) < len(members):
        raise UnreadableError("it holds two members of one name")
    return archive


class Archive:
    """An open .npz file. Nothing but its directory has been read."""

    def __init__(self, archive: ZipFile):
        self._archive, members = archive, archive.infolist()
        self._members: dict[str, ZipInfo] = {member.filename.removesuffix(".npy"): member for member in members}
        self._headers: dict[str, Header] = {}
        if len(self._members) < len(members):
            raise UnreadableError("it holds two arrays of one name")

    @property
    def names(self) -> tuple[str, ...]:
        """Of its arrays."""
        return tuple(self._members)

    def header(self, name: str) -> Header:
        """What an array promises.

        Raises:
            UnreadableError: no array has this name, or it is damaged.
        """
        if name not in self._headers:
            try:
                with self._open(name) as file:
                    self._headers[name] = read_header(file, self._members[name].file_size)
            except UnreadableError as error:
                raise UnreadableError(f"{printable([name])}: {error}") from error
        return self._headers[name]

    def read(self, name: str) -> np.ndarray:
        """An array; the archive's checksum finds damage.

        Raises:
            UnreadableError: no array has this name, it is damaged, holds no numbers, or does not fit into memory.
        """
        header = self.header(name)
        with self._open(name) as file:
            try:
                return _read(file, printable([name]), header)
            except UnreadableError:
                raise
            except DAMAGE as error:
                raise UnreadableError(_TRUNCATED) from error

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        if name not in self._members:
            raise UnreadableError("there is no such array")
        try:
            file = self._archive.open(self._members[name])
        except DAMAGE as error:
            raise UnreadableError(_TRUNCATED) from error
        with file:
            yield file


@contextmanager
def open_arrays(path: Path) -> Iterator[Archive]:
    """An .npz file, opened.

    Raises:
        UnreadableError: as the module says.
        OSError: it cannot be opened.
    """
    with open_regular(path) as file:
        start = file.read(len(_ARRAY))
        if start == _ARRAY:
            raise UnreadableError("it holds no named array")
        if not start.startswith(_ARCHIVE):
            raise UnreadableError(_TRUNCATED)
        with open_zip(file) as archive:
            yield Archive(archive)
