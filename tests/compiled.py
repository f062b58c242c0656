"""Programs that tests compile, kept for the tests after them: half of what the tests take is compiling, and much of it again.

Every process of pytest has a folder of its own, and hands it to the commands that it runs one after the other. JAX writes
a program in place: a process that is killed, or that runs beside another, would leave half of one there, so that such
processes keep none.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
from pathlib import Path

import jax

FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
)
"""Of XLA, for programs that are run once on little."""


def compile_quickly() -> None:
    """Set XLA's flags, for this process and those that it starts; before anything starts the backend.

    Programs do not say which lines of Python they come from, a tenth of what making them takes.
    """
    os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *FLAGS))
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    jax.config.update("jax_traceback_in_locations_limit", 0)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="jaxattack-programs-")


def programs() -> str:
    """This process's folder, removed as it ends."""
    return _folder().name


def keep_programs(folder: str) -> None:
    """Keep in a folder what this process compiles from here on."""
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


MAPPINGS = 30_000
"""Of memory, that programs may hold: Linux gives a process 65,530, of which each program takes some, and what asks for more dies."""


def forget_programs() -> None:
    """Drop what this process compiled, where that holds too many mappings; it is read from the folder when it is needed again."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPPINGS:
        jax.clear_caches()
        gc.collect()
