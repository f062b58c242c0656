"""What every key has spent, kept in a file, so that a budget holds over restarts.

A line is the name of a key and how many more of its queries were answered, as ``alice 512``, and where the request had a name
of its own a digest of both. Lines are appended before the answers are sent: a server that is killed has counted everything that
anybody got, and at most the answers of one batch that nobody got; who asks for these again by the same names is not charged
again. When the file is opened again its lines are added up into one a key, and the newest digests stay. The operating system
writes it to the disk in its own time: a power failure may lose the last seconds.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from jaxattack.disk import write_atomically
from jaxattack.npz import UnreadableError, open_regular
from jaxattack.types import InputError

LARGEST = 1 << 28
"""Bytes of a file of spending: five million lines."""

_LINE = re.compile(rb"([A-Za-z0-9_.-]{1,64}) ([0-9]{1,18})(?: ([0-9a-f]{32}))?")
_START = re.compile(rb"([A-Za-z0-9_.-]{1,64} [0-9]{1,18})(?: [0-9a-f]{0,31})?")


class Spent(NamedTuple):
    """What a request has cost.

    Attributes:
        name: of the key.
        queries: that were answered.
        receipt: 32 hexadecimal digits that tell the request from others; empty where it had no name.
    """

    name: str
    queries: int
    receipt: str = ""


class Spending:
    """An open file of spending; one server at a time has it."""

    def __init__(self, path: Path, receipts: int = 256):
        """Open the file, made where it is missing.

        Args:
            path: it.
            receipts: how many of each key stay, the newest.

        Raises:
            InputError: it cannot be written, is another kind of file, or another server has it open.
        """
        self._path = path
        self._file = self._open()
        try:
            text = self._read()
            self._receipts: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=receipts))
            self._total = self._sum(text)
            if text != self._summary():
                write_atomically(path, lambda file: file.write(self._summary()))
                os.close(self._file)
                self._file = self._open()
        except BaseException:
            os.close(self._file)
            raise

    @property
    def total(self) -> Mapping[str, int]:
        """The queries that each key had spent when the file was opened, by its name."""
        return self._total

    @property
    def receipts(self) -> Mapping[str, Sequence[str]]:
        """Of the newest requests that each key had paid for when the file was opened, the oldest first."""
        return self._receipts

    def add(self, requests: Iterable[Spent]) -> None:
        """Count requests that are answered.

        Raises:
            OSError: the disk is full.
        """
        lines = _text(requests)
        size = os.fstat(self._file).st_size
        if os.write(self._file, lines) != len(lines):
            os.ftruncate(self._file, size)  # half a line would join the next one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _open(self) -> int:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise InputError(
                f"spending is {self._path} and cannot be written ({error.strerror}): choose another file."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise InputError(f"spending is {self._path} and another server has it: give each its own.") from error
        return file

    def _read(self) -> bytes:
        try:
            with open_regular(self._path) as file:
                text = file.read(LARGEST + 1)
        except UnreadableError as error:
            raise InputError(f"spending is {self._path} ({error}): choose a file.") from error
        if len(text) > LARGEST:
            raise InputError(
                f"spending is {self._path} and larger than {LARGEST:,} bytes: give the server its own file."
            )
        return text

    def _sum(self, text: bytes) -> Counter[str]:
        total: Counter[str] = Counter()
        *lines, last = text.split(b"\n")
        if start := _START.match(last):  # a power failure may have left a part of it: so many queries at least
            lines.append(last if _LINE.fullmatch(last) else start[1])
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                raise InputError(f"spending is {self._path} and no file of spending: give the server its own file.")
            name = match[1].decode()
            total[name] += int(match[2])
            if match[3]:
                self._receipts[name].append(match[3].decode())
        return total

    def _summary(self) -> bytes:
        """One line a key, and one a receipt."""
        kept = (Spent(name, 0, one) for name, receipts in sorted(self._receipts.items()) for one in receipts)
        return _text([*(Spent(name, count) for name, count in sorted(self._total.items())), *kept])


def _text(requests: Iterable[Spent]) -> bytes:
    return "".join(f"{one.name} {one.queries} {one.receipt}".rstrip() + "\n" for one in requests).encode()
