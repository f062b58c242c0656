"""The versions of packages, and how those of an extra are installed."""

from __future__ import annotations

import shlex
from importlib.metadata import PackageNotFoundError, requires, version


def release(package: str) -> str:
    """The version of a package; "from source" where it is imported from a checkout, or absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"


def installation(extra: str) -> str:
    """The command that installs the packages of an extra, by their own names: jaxattack itself is not published.

    Args:
        extra: of this package, as "serve".
    """
    try:
        requirements = requires("jaxattack") or []
    except PackageNotFoundError:
        requirements = []
    parts = [requirement.partition(";") for requirement in requirements]
    packages = sorted(
        package.strip() for package, _, marker in parts if f"extra == '{extra}'" in marker.replace('"', "'")
    )
    return shlex.join(["pip", "install", *(packages or [f".[{extra}]"])])
