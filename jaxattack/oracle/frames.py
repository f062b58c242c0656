"""The file of a journal (`jaxattack.oracle.journal`): entries one after the other, each whole or the last.

b"JATK", length (8 bytes), CRC-32 of those twelve | length bytes: a line of JSON, then each array as .npy | BLAKE2b-128
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxattack.npz import free_memory
from jaxattack.types import InputError

_MAGIC = b"JATK"
HEAD = struct.Struct("<4sQI")
SEAL = 16


def lock_file(path: Path) -> IO[bytes]:
    """A journal's file, made where missing, for this process alone.

    Raises:
        InputError: it is no file, cannot be written to, or is in use.
    """
    try:
        # A folder may come from anybody: through a link, answers would be written to another file.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.fdopen(os.open(path, flags, 0o644), "r+b", buffering=0)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}: choose a folder you may write to.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(f"{path} is no file: choose another folder.")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(
            f"{path} is in use by another attack ({error.strerror}): wait for it, or give another folder."
        ) from error
    return file


def open_reading(file: IO[bytes]) -> IO[bytes]:
    """The same file, buffered: a read of the unbuffered one gives no more than 2 GiB of a longer entry."""
    return open(file.fileno(), "rb", closefd=False)


def frame(line: Mapping[str, Any], *arrays: np.ndarray) -> tuple[bytes, memoryview, bytes]:
    """Head, body and seal; apart, for an answer may be large beside memory."""
    payload = io.BytesIO()
    payload.write(json.dumps(line).encode() + b"\n")
    for array in arrays:
        np.lib.format.write_array(payload, np.asarray(array), allow_pickle=False)
    body = payload.getbuffer()
    return _head(len(body)), body, _seal(body)


def _head(length: int) -> bytes:
    start = HEAD.pack(_MAGIC, length, 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(start))


def _seal(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=SEAL).digest()


def read_frames(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """Every whole frame with its place; a last one that was cut short, or that a power failure left empty, is not told.

    Raises:
        InputError: damage elsewhere, or an entry that does not fit into memory.
    """
    at, size = 0, os.fstat(file.fileno()).st_size
    file.seek(0)
    while at < size:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size and _MAGIC.startswith(head[:4]):
            return
        length = HEAD.unpack(head)[1] if len(head) == HEAD.size else 0
        if head != _head(length):
            if not head.strip(b"\0") and _all_zero(file):
                return
            raise damaged(path, at)
        end = at + HEAD.size + length + SEAL
        if end > size:
            return
        if length > free_memory():
            raise InputError(f"{path} has an entry of {length:,} bytes, more than memory is free: give another folder.")
        body = file.read(length)
        if file.read(SEAL) != _seal(body):
            if end == size:
                return
            raise damaged(path, at)
        yield at, body
        at = end


def _all_zero(file: IO[bytes]) -> bool:
    """Whether the rest of a file is zeros; it may have holes of any size."""
    while piece := file.read(1 << 20):
        if piece.strip(b"\0"):
            return False
    return True


def damaged(path: Path, at: int) -> InputError:
    """What is raised for an entry that is wrong."""
    return InputError(f"{path} is damaged at byte {at}: give another folder, and the attack asks anew.")
