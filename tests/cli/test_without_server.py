"""The commands that serve a victim, where the server's packages are not installed."""

from __future__ import annotations

import json
import sys

import pytest

from jaxattack.cli import application
from jaxattack.error import InputError


@pytest.fixture(autouse=True)
def without_server(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.chdir(tmp_path)


def test_extract_says_so_before_it_trains_and_goes_on_in_this_process(tmp_path, capsys):
    application()(["extract", "tree", "--data", "iris", "--compare", "10", "--trials", "100", "--out", "stolen"])
    said = capsys.readouterr().err
    assert said.startswith("uvicorn cannot be imported, so the victim is asked in this process and not over HTTP")
    assert "pip install " in said.partition("\n")[0]
    assert "jaxattack[" not in said
    assert json.loads((tmp_path / "stolen" / "report.json").read_text())["attack"]["complete"]


@pytest.mark.parametrize("words", ["serve", "invert --http", "evade --http"])
def test_what_is_to_be_served_is_refused_before_it_is_trained(words, tmp_path):
    with pytest.raises(InputError, match="serving needs uvicorn: pip install "):
        application()(words.split())
    assert not list(tmp_path.iterdir())
