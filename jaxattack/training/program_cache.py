"""Compiled programs that a process keeps, by their arguments and by those of JAX's settings that change what they compute.

`jax.jit` looks at the settings itself; what is compiled ahead of time for given shapes computes as it was compiled, whatever
is set when it is called: a sweep in float64 after one in float32 would be given the other's program.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any

import jax


def program_cache(most: int) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that keeps what a function of positional arguments has made last, so many results at most.

    Like `functools.lru_cache` the function has ``cache_info`` and ``cache_clear`` afterwards, and itself as ``__wrapped__``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        @lru_cache(maxsize=most)
        def make(settings: tuple[Hashable, ...], *arguments: Any) -> Any:  # noqa: ARG001
            return function(*arguments)

        @wraps(function)
        def find(*arguments: Any) -> Any:
            return make(_settings(), *arguments)

        cached: Any = find
        cached.cache_info, cached.cache_clear = make.cache_info, make.cache_clear
        return cached

    return decorate


def _settings() -> tuple[Hashable, ...]:
    """What holds now, of this thread: precision, random numbers, and where arrays are made."""
    now: Any = jax.config
    return (
        now.jax_enable_x64,
        now.jax_default_matmul_precision,
        now.jax_default_prng_impl,
        now.jax_threefry_partitionable,
        now.jax_default_device,
    )
