"""Files that are whole or absent, and reading that says what is wrong with a file. Nothing is ever pickled."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from jaxattack.types import InputError

DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError, RuntimeError, BadZipFile, zlib.error)
"""What reading a damaged .npz may raise: any of its bytes may be wrong, and each is another module's to notice."""

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
        raise InputError(
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


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give the folder of a run.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): delete the folder and run again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is no description of a run: give another folder.")
    return value


def make_folder(path: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}: choose another.") from error


def read_array(path: Path) -> np.ndarray:
    """Read a .npy file.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error}): delete the folder and run again.") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays: delete the folder and run again.")
    return array


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays atomically as .npz. Raises what `write_atomically` raises."""
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read_arrays(path: Path, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
    """Read arrays of an .npz, all by default; the archive's checksums find damage.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in (names or archive.files)}
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run again to make it.") from error
    except DAMAGE as error:
        raise InputError(
            f"{path} is damaged ({error}): delete this file and run again; only its models are trained again."
        ) from error
