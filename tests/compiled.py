"""Programs that tests compile, kept for the tests after them: half of what the tests take is compiling, and much of it again.

All processes of a run of pytest, and the commands that they run one after the other, have one folder: what one has compiled,
none beside it compiles again.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax._src.interpreters import mlir
from jax._src.lru_cache import LRUCache

FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
"""Of XLA, for programs that are run once on little, by as many processes as there are cores: parts that would be compiled at
the same time cost a sixth more."""


def compile_quickly() -> None:
    """Set XLA's flags, for this process and those that it starts; before anything starts the backend.

    Programs do not say which lines of Python they come from, a tenth of what making them takes.
    """
    os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *FLAGS))
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    jax.config.update("jax_traceback_in_locations_limit", 0)


class Contexts(threading.local):
    """Contexts of MLIR, each for many programs that one thread writes: JAX makes one a program, 4 of the 17 ms of a small one.

    A context holds the constants of all its programs: after some another takes its place.
    """

    PROGRAMS = 64

    def __init__(self, make: Callable[[], Any]):
        """Take what makes one."""
        self.make, self.left = make, 0

    def __call__(self) -> Any:
        """The one of this thread, or the next one."""
        if not self.left:
            self.context, self.left = self.make(), self.PROGRAMS
        self.left -= 1
        return self.context


FOLDER = "JAXATTACK_TESTS_PROGRAMS"
"""The variable by which the process that starts others names the folder to them."""


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="jaxattack-programs-")


def programs() -> str:
    """The folder of this run of pytest, removed as its first process ends."""
    return os.environ.get(FOLDER) or os.environ.setdefault(FOLDER, _folder().name)


def keep_programs(folder: str) -> None:
    """Keep in a folder what this process compiles from here on, which it writes in contexts that programs share."""
    mlir.make_ir_context = Contexts(mlir.make_ir_context)
    LRUCache.put = put_whole
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def put_whole(cache: LRUCache, key: str, value: bytes) -> None:
    """As JAX's, which writes in place: a process beside it would read half of a program, and one that is killed leave it."""
    program = cache.path / f"{key}-cache"
    if not program.exists():
        part = cache.path / f"{key}-{os.getpid()}-{threading.get_ident()}"
        part.write_bytes(value)
        os.replace(part, program)


MAPPINGS = 30_000
"""Of memory, that programs may hold: Linux gives a process 65,530, of which each program takes some, and what asks for more dies."""


def forget_programs() -> None:
    """Drop what this process compiled, where that holds too many mappings; it is read from the folder when it is needed again."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPPINGS:
        jax.clear_caches()
        gc.collect()
