"""The journeys of those who bring models and data of their own, as they would type them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDS = {"pytorch_user.py": ("torch",), "scikit_learn_user.py": ("pandas",), "notebook_user.py": ("pandas",)}


@pytest.mark.parametrize("script", NEEDS)
@pytest.mark.filterwarnings("ignore::jaxattack.types.InputWarning")
def test_a_journey_comes_to_its_end(tmp_path, monkeypatch, capsys, script):
    for library in NEEDS[script]:
        pytest.importorskip(library, reason=f"{library} is not installed here")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(HERE / script))
    assert "<" in capsys.readouterr().out
