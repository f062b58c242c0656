"""Matrices that are refused before anything is trained, and folders that are left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audit.matrices import NOISE, ROUND, run, settings

from jaxattack.audit import Column, sweep
from jaxattack.defences import LabelOnly, Round
from jaxattack.types import InputError


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": 3}, "models is 3"),
        ({"targets": 0}, "targets is 0"),
        ({"attacks": ()}, "attacks is ()"),
        ({"columns": (ROUND, replace(NOISE, name="round"))}, "two columns are called 'round'"),
        ({"columns": (replace(NOISE, name="none"),)}, "two columns are called 'none'"),
        ({"columns": ("round",)}, "columns is ('round',)"),
        ({"repetitions": 1}, "repetitions is 1"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(changes, sentence):
    with pytest.raises(InputError) as refused:
        settings(**changes)
    assert sentence in str(refused.value)


def test_what_cannot_be_trained_or_answered_is_refused_before_anything_is(tmp_path, no_training):
    twice = Column(name="labels of labels", defences=(LabelOnly(), Round(decimals=2)))
    with pytest.raises(InputError, match="labels alone"):
        run(tmp_path / "run", columns=(ROUND, twice))
    assert not (tmp_path / "run").exists()


def test_the_folder_of_something_else_is_left_alone(tmp_path, no_training):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match="holds files that are no matrix"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    "files",
    [
        ["cells/battery.csv"],
        ["cells/" + "0" * 24 + ".json", "run.json"],
        ["cells/" + "0" * 24 + ".json", "report.json"],
        ["cells/", "notes.txt"],
    ],
)
def test_a_folder_with_cells_of_something_else_is_left_alone(files, tmp_path, no_training):
    (tmp_path / "cells").mkdir()
    for file in files:
        if not file.endswith("/"):
            (tmp_path / file).write_text('{"kind": "membership"}')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="holds files that are no matrix"):
        run(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_column_that_is_there_twice_is_there_once():
    assert [column.name for column in settings(columns=(ROUND, ROUND, Column(name="bare"))).columns] == [
        "none",
        "round",
    ]


def test_a_folder_that_is_no_path_is_refused():
    with pytest.raises(InputError, match="out is 3: give the path of a folder"), sweep.folder_or_none(3):
        pass
