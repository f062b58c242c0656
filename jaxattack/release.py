"""The versions of packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release(package: str) -> str:
    """The version of a package; "from source" where it is imported from a checkout, or absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"
