"""Which module does a task for one below it: the package itself says so, and the lower module imports nothing above it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_MODULES: dict[str, str] = {}


def provide(**modules: str) -> None:
    """Say which module does a task.

    Args:
        modules: the task -> the name of the module.
    """
    _MODULES.update(modules)


def provider(task: str) -> ModuleType:
    """The module that does a task, imported when it is first called for."""
    return import_module(_MODULES[task])
