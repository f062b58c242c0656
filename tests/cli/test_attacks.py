"""The catalogue in a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from jaxattack.attacks.methods import catalogue
from jaxattack.cli.attacks import attacks
from jaxattack.types import InputError


@pytest.mark.parametrize("columns", [80, 50])
def test_the_table_fits_and_every_name_stays_whole(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", f"{columns}")
    attacks()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert {method.name for method in catalogue()} <= {line.split(" ")[0] for line in lines}


def test_figures_stand_beside_the_names_where_there_is_room_and_else_below(capsys, monkeypatch):
    for columns, beside in ((80, True), (40, False)):
        monkeypatch.setenv("COLUMNS", f"{columns}")
        attacks("membership", "defences")
        lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        (head,) = [line for line in lines if line.startswith("membership")]
        assert (head.split() == ["membership", "sees", "queries", "models"]) == beside
        assert any(line.split() == ["merlin", "probability", "101", "0"] for line in lines) == beside
        assert ("  sees probability; queries 101; models" in lines) != beside
        assert "defences" in lines  # no defence sees or asks anything


def test_no_word_breaks_at_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    attacks("membership", "inversion")
    words = {*capsys.readouterr().out.split()}
    for method in catalogue(["membership", "inversion"]):
        assert {*method.paper.split(), method.sees} <= words


def test_json_has_the_rows_of_the_families_that_are_named(capsys):
    attacks("evasion", "signals", json=True)
    assert json.loads(capsys.readouterr().out) == [asdict(method) for method in catalogue(["evasion", "signals"])]


def test_an_unknown_family_is_refused():
    with pytest.raises(InputError, match="family is 'defenses'"):
        attacks("defenses")
