"""What audits find, as frozen dataclasses, a module a family; and the one way from them to the values of a file.

An audit returns its findings as a dataclass, nested ones in it, whose docstrings say what each attribute is. `values` turns
them into what JSON knows where a page or a folder is written, and nowhere before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from typing import Any

import numpy as np

_OPTIONAL = {"optional": True}


def optional() -> Any:
    """A field of findings whose key is left out of files where it is None; any other None is null there."""
    return field(default=None, metadata=_OPTIONAL)


def values(findings: Any) -> Any:
    """Findings in values that JSON knows.

        dataclass           an object, a key a field; those that are `optional` and None are left out, and so is the underscore
                            that ends a name such as ``in_``
        mapping             an object; its keys as text
        tuple, list, array  an array, of more axes an array of arrays
        float               a number; null where it is NaN or infinite
        scalar of NumPy     Python's
        anything else       its text

    Example:
        >>> values({"epsilon": float("nan"), "counts": np.arange(3), "level": "label"})
        {'epsilon': None, 'counts': [0, 1, 2], 'level': 'label'}
    """
    if is_dataclass(findings) and not isinstance(findings, type):
        parts = ((part, getattr(findings, part.name)) for part in fields(findings))
        return {
            part.name.removesuffix("_"): values(value)
            for part, value in parts
            if not (value is None and part.metadata == _OPTIONAL)
        }
    if isinstance(findings, Mapping):
        return {str(key): values(value) for key, value in findings.items()}
    if isinstance(findings, list | tuple):
        return [values(value) for value in findings]
    if isinstance(findings, np.ndarray | np.generic):
        return values(findings.tolist())
    if isinstance(findings, float):
        return findings if math.isfinite(findings) else None
    return findings if findings is None or isinstance(findings, bool | int | str) else str(findings)
