"""Names that are imported when they are first asked for, so that importing the package costs nothing (PEP 562), and modules
that are bound to a task by the package itself, so that one below may use one above it without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

_MODULES: dict[str, str] = {}


def bind(**modules: str) -> None:
    """Say which module does what a lower one may ask for without knowing who does it.

    Args:
        modules: what is done -> the module that does it.
    """
    _MODULES.update(modules)


def bound(task: str) -> ModuleType:
    """The module that `bind` named for a task."""
    return import_module(_MODULES[task])


def attributes(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        homes: the module that each name is taken from; of the package's own modules, the package.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        value = import_module(f"{package}.{name}") if home == package else getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)  # found there from now on
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *homes})
