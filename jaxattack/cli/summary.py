"""What a command does, in a line, from its source: importing a command imports JAX."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def summary(place: str) -> str:
    """The first line of a function's docstring, without importing its module.

    Args:
        place: of the function, as ``package.module:function``.
    """
    module, _, name = place.partition(":")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    functions = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    (docstring,) = [
        ast.get_docstring(node) for node in functions if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return (docstring or "").partition("\n")[0]
