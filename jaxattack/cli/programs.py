"""Programs that XLA compiled, kept between runs: in the user's cache folder, for this processor and these versions alone.

JAX writes a program in place, so that a process that is killed, or one beside it, would meet half of one. Here every process
has a folder of its own, which begins with links to all programs that are kept; what it compiled is linked into the user's
folder as it ends, whole. A process that is killed keeps nothing, and a later one removes its folder.

``JAXATTACK_CACHE`` names another folder, or is ``off``. JAX's own ``JAX_COMPILATION_CACHE_DIR`` goes before it. Nothing is kept
where the folder cannot be used: it must be the user's and writable by nobody else, because what is in it is run.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from jaxattack.release import release

LARGEST = 1 << 29
"""Bytes of programs that are kept; the oldest make room."""

SHORTEST = 0.1
"""Seconds of compiling from which a program is kept."""

ABANDONED = 7 * 86_400.0
"""Seconds after which the folder of a process has none any more."""

VARIABLE = "JAXATTACK_CACHE"


def keep_programs() -> None:
    """Let JAX take what is kept, and keep what this process compiles from here on."""
    cache = folder()
    if cache is None:
        return
    import jax

    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    with contextlib.suppress(OSError):  # a user without a folder of one's own compiles anew
        own = open_folder(cache)
        jax.config.update("jax_compilation_cache_dir", str(own))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        jax.config.update(
            "jax_persistent_cache_enable_xla_caches", "none"
        )  # their folder would be part of what is looked up


def folder() -> Path | None:
    """Where programs for this processor and these versions are kept, if they are to be."""
    place = os.environ.get(VARIABLE)
    if place == "off":
        return None
    cache = Path(place) if place else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxattack"
    parts = (release("jax"), release("jaxlib"), platform.machine(), _processor())
    return cache / hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What the processor can do: a home folder may be that of several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def open_folder(cache: Path) -> Path:
    """A folder for this process, with all that is kept; what it adds is kept as the process ends.

    Raises:
        OSError: nothing can be kept there.
    """
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = cache.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{cache} can be written by others")
    _remove_abandoned(cache)
    own = Path(tempfile.mkdtemp(prefix=".process-", dir=cache))
    for program in _programs(cache):
        with contextlib.suppress(OSError):  # another process makes room
            os.link(program, own / program.name)
    atexit.register(close_folder, own, cache, os.getpid())
    return own


def close_folder(own: Path, cache: Path, process: int) -> None:
    """Keep what a process added to its folder, and remove the folder; its forks have no part in it."""
    if os.getpid() != process:
        return
    for program in _programs(own):
        with contextlib.suppress(OSError):  # it is there already, or there is no room
            os.link(program, cache / program.name)
    shutil.rmtree(own, ignore_errors=True)
    _make_room(cache)


def _programs(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.name.endswith("-cache")]


def _make_room(cache: Path) -> None:
    """Remove the oldest programs beyond `LARGEST` bytes."""
    size = 0
    with contextlib.suppress(OSError):  # another process makes room too
        for program in sorted(_programs(cache), key=lambda path: path.stat().st_mtime, reverse=True):
            size += program.stat().st_size
            if size > LARGEST:
                program.unlink()


def _remove_abandoned(cache: Path) -> None:
    for own in cache.glob(".process-*"):
        with contextlib.suppress(OSError):
            if time.time() - own.stat().st_mtime > ABANDONED:
                shutil.rmtree(own, ignore_errors=True)
