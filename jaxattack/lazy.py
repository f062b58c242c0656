"""Names that are imported when they are first asked for, so that importing the package costs nothing (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def attributes(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        homes: the module that each name is taken from; of the package's own modules, the package. Modules of the package that
            are not among them are attributes too.
    """

    def get(name: str) -> Any:
        home = homes.get(name, package)
        if name not in homes and (name.startswith("_") or find_spec(f"{package}.{name}") is None):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = import_module(f"{package}.{name}") if home == package else getattr(import_module(home), name)
        vars(sys.modules[package])[name] = value  # found there from now on
        return value

    def bind(module: ModuleType, name: str, value: Any) -> None:
        # Importing audit.epsilon binds the module to that name of audit, where the function of that name is meant.
        if not isinstance(value, ModuleType) or homes.get(name, package) == package:
            ModuleType.__setattr__(module, name, value)

    sys.modules[package].__class__ = type("Package", (ModuleType,), {"__setattr__": bind})
    return get, lambda: sorted({*vars(sys.modules[package]), *homes})
