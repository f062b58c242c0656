"""Examples in docstrings run and answer what they say; `ja` is jaxattack, `np` NumPy."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxattack as ja

FOLDER = Path(ja.__file__).parent
MODULES = [
    ".".join(("jaxattack", *path.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(FOLDER.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8") and path != FOLDER / "__init__.py"  # tests/test_public_face.py
]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"ja": ja, "np": np, "jax": jax, "Path": Path}
    outcome = doctest.testmod(import_module(name), extraglobs=names, optionflags=FLAGS)
    assert outcome.attempted > 0
    assert outcome.failed == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in ja.__all__ if callable(getattr(ja, name))])
def test_every_name_at_the_top_has_an_example(name):
    assert ">>> " in getattr(ja, name).__doc__
