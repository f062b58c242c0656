"""Files that are whole or absent, and reading that says what is wrong with a file. Nothing is ever pickled.

What is read may come from anybody (`jaxattack.npz` says how arrays are read). A file of a folder is not followed where it
links to a file outside of that folder. JSON has at most 64 MiB and 64 levels; NaN, infinity and integers beyond 40 digits,
which JSON does not have or nothing here can hold, are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np

from jaxattack.error import FolderError
from jaxattack.npz import DAMAGE as DAMAGE
from jaxattack.npz import Archive, Header, UnreadableError, open_arrays, open_regular, read_next, reason

LARGEST_JSON = 1 << 26
"""Bytes of a file of JSON; in memory its values take up to twenty times as many."""

DEEPEST_JSON = 64
"""Levels of brackets; Python's own limit is a thousand, and whatever walks through the values meets it again."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

SEAL = 16
"""Bytes of the digest behind an array of its own file."""

ABANDONED = 3600.0
"""Seconds without a change after which a half-written file has no writer any more."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file that is whole or absent, whatever happens.

    Several processes and machines may write the same file at the same time: one of them comes last.

    Args:
        path: the file.
        write: writes the contents to an open binary file.

    Raises:
        InputError: the disk is full, or the folder cannot be written to; nothing is left behind.
    """
    _place(path, write, os.replace)


def _place(path: Path, write: Callable[[IO[bytes]], object], place: Callable[[Path, Path], None]) -> None:
    """Write a file under a name that no other writer has, and put it in its place."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        place(partial, path)
    except OSError as error:
        raise FolderError(
            f"cannot write {path}: {error.strerror or error}: make room or choose a folder you may write to, "
            "and give the same command again; what was finished is kept."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the reason above must not be hidden by what follows from it
            partial.unlink(missing_ok=True)


def _place_once(partial: Path, path: Path) -> None:
    """Name a file where nobody has that name; of several writers one is first, and the others leave its file."""
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            os.replace(partial, path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically. Raises what `write_atomically` raises."""
    write_atomically(path, lambda file: file.write(_text(value)))


def write_json_once(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically, unless the file is there: then it stays as it is. Raises what `write_atomically` raises."""
    _place(path, lambda file: file.write(_text(value)), _place_once)


def _text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def remove_abandoned(folder: Path) -> None:
    """Remove what writers that were killed left half written: files that nobody has touched for an hour."""
    for left in folder.glob(".*.partial"):
        with contextlib.suppress(OSError):  # its writer has finished, or another process removes it too
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def decode_json(text: bytes) -> Any:
    """The values of JSON of unknown origin.

    Raises:
        UnreadableError: it is none, or beyond the limits that the module names.
    """

    def refuse(constant: str) -> float:
        raise UnreadableError(f"it holds {constant}, which is no JSON")

    def integer(digits: str) -> int:
        if len(digits) > 40:
            raise UnreadableError(f"it holds a whole number of {len(digits)} digits")
        return int(digits)

    def fraction(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise UnreadableError(f"it holds {digits[:40]}, which no float64 is")
        return value

    if len(text) > LARGEST_JSON:
        raise UnreadableError(f"it has more than {LARGEST_JSON:,} bytes")
    try:
        value = json.loads(text.decode(), parse_constant=refuse, parse_int=integer, parse_float=fraction)
        _check_values(value)
    except (RecursionError, MemoryError) as error:
        raise UnreadableError("it is nested too deeply") from error
    except UnicodeError as error:
        raise UnreadableError("it is no text in UTF-8") from error
    except UnreadableError:
        raise
    except ValueError as error:
        raise UnreadableError(f"it is no JSON: {error}") from error
    return value


def _check_values(value: Any) -> None:
    """Refuse what is nested too deeply, and text that cannot be written again (half of a surrogate pair)."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST_JSON:
            raise UnreadableError(f"it is nested more than {DEEPEST_JSON} levels deep")
        following: list[Any] = []
        for entry in level:
            if isinstance(entry, str):
                entry.encode()
            elif isinstance(entry, dict):
                following += [*entry, *entry.values()]
            elif isinstance(entry, list):
                following += entry
        level = following


def _refuse_link(path: Path) -> None:
    """Refuse a file of a folder that leads out of it: whoever made the folder would decide what else is read."""
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise UnreadableError("it is a link to a file outside of its folder")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file of a folder; what would command a terminal that shows it is a question mark.

    Raises:
        InputError: it is missing or damaged, or refused as the module says.
    """
    try:
        _refuse_link(path)
        with open_regular(path) as file:
            value = _without_controls(decode_json(file.read(LARGEST_JSON + 1)))
    except FileNotFoundError as error:
        raise FolderError(f"{path} does not exist: give the folder of a run.") from error
    except (OSError, UnreadableError) as error:
        raise FolderError(f"{path} cannot be read ({reason(error)}): delete the folder and run again.") from error
    if not isinstance(value, dict):
        raise FolderError(f"{path} is no description of a run: give another folder.")
    return value


def _without_controls(value: Any) -> Any:
    """Plain values without control characters in their text, but for line ends and tabs."""
    if isinstance(value, str):
        return _CONTROLS.sub("?", value)
    if isinstance(value, list):
        return [_without_controls(part) for part in value]
    if isinstance(value, dict):
        return {_CONTROLS.sub("?", key): _without_controls(part) for key, part in value.items()}
    return value


def make_folder(path: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot make the folder {path}: {error.strerror}: choose another.") from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array atomically as .npy, and behind it a digest of its bytes, which NumPy leaves unread.

    Raises what `write_atomically` raises.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    whole = content.getvalue()
    write_atomically(path, lambda file: file.write(whole + _seal(whole)))


def read_array(path: Path, remedy: str = "delete the folder and run again") -> np.ndarray:
    """Read an .npy file of a folder; what follows the array is its digest, and files of before have none.

    Args:
        path: the file.
        remedy: what to do where it cannot be read.

    Raises:
        InputError: it is missing or damaged, or refused as the module says.
    """
    try:
        _refuse_link(path)
        with open_regular(path) as file:
            array = read_next(file, path.name)
            length = file.tell()
            seal = file.read(SEAL + 1)
            if seal:
                file.seek(0)
                if seal != _seal(file.read(length)):
                    raise UnreadableError("its digest is another")
            return array
    except (OSError, UnreadableError) as error:
        raise FolderError(f"{path} cannot be read ({reason(error)}): {remedy}.") from error


def _seal(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=SEAL).digest()


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays atomically as .npz. Raises what `write_atomically` raises."""
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def write_stream(
    path: Path, arrays: Mapping[str, np.ndarray], name: str, promise: Header, blocks: Iterable[np.ndarray]
) -> None:
    """Write named arrays and one more that comes in blocks, atomically as .npz; one block is in memory at a time.

    Args:
        path: the file.
        arrays: the others.
        name: of the array that comes in blocks.
        promise: its shape and type.
        blocks: what it consists of, along its first axis; together of the promised shape.

    Raises:
        InputError: as `write_atomically`, and whatever the blocks raise.
    """

    def write(file: IO[bytes]) -> None:
        with ZipFile(file, "w") as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": promise.dtype.str, "fortran_order": False, "shape": promise.shape}
                np.lib.format.write_array_header_1_0(member, header)
                for block in blocks:
                    member.write(np.ascontiguousarray(block, promise.dtype).data)

    write_atomically(path, write)


def read_arrays(
    path: Path, names: tuple[str, ...] | None = None, *, check: Callable[[Archive], object] | None = None
) -> dict[str, np.ndarray]:
    """Read arrays of an .npz of a folder, all by default; the archive's checksums find damage.

    Args:
        path: the file.
        names: which arrays.
        check: looks at what the arrays promise before any of them is read, and raises where that is wrong.

    Raises:
        InputError: it is missing or damaged, or refused as the module says.
    """
    try:
        _refuse_link(path)
        with open_arrays(path) as archive:
            if check is not None:
                check(archive)
            return {name: archive.read(name) for name in (archive.names if names is None else names)}
    except FileNotFoundError as error:
        raise FolderError(f"{path} does not exist: run again to make it.") from error
    except (OSError, UnreadableError) as error:
        raise FolderError(
            f"{path} is damaged ({reason(error)}): delete this file and run again; only its models are trained again."
        ) from error
