"""Arrays that mix without a cast: refused by JAX where the package computes, and allowed inside of optax and flax, which mix.

Optax raises a Python number to a step's number and multiplies rates by counters, and the linear layer of flax adds a bias
in bfloat16 to sums in float32. What the package computes inside of optax, a schedule of its own or the loss of a line
search, is allowed there too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import optax

TESTS = Path(__file__).parent
STRICT = (
    "attacks",
    "audit",
    "cli",
    "data",
    "defences",
    "metrics",
    "models",
    "oracle",
    "perturb",
    "serve",
    "signals",
    "test_descent.py",
    "test_promotion.py",
    "training",
)
"""The directories and files of tests that run under strict promotion."""


def is_strict(path: Path) -> bool:
    """Whether the tests of a file run under strict promotion."""
    return any(path.is_relative_to(TESTS / place) for place in STRICT)


def set_promotion(*, strict: bool) -> None:
    """In every thread, from here on."""
    jax.config.update("jax_numpy_dtype_promotion", "strict" if strict else "standard")


def leave_out(library: ModuleType) -> None:
    """Let the functions of a library, the transformations and the functions that they return, mix kinds of arrays."""
    for name, value in [*vars(library).items()]:
        if inspect.isfunction(value):
            setattr(library, name, standard(value))


def standard(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function under JAX's standard promotion, and with it the functions that it returns."""

    @functools.wraps(function)
    def mixing(*args: Any, **kwargs: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            result = function(*args, **kwargs)
        if isinstance(result, optax.GradientTransformation):
            return result._replace(init=standard(result.init), update=standard(result.update))
        return standard(result) if inspect.isfunction(result) else result

    return mixing
