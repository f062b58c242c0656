"""The command `matrix`, in this process."""

from __future__ import annotations

import json
import sys

import pytest
from report.readable import check_report

from jaxattack.cli import application
from jaxattack.cli.matrix import USUAL, Crossed
from jaxattack.cli.report import report
from jaxattack.cli.words import Subject
from jaxattack.training import Recipe
from jaxattack.types import InputError


def command(*words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jaxattack", "matrix", *words])
    return application()(["matrix", *words], result_action="return_value")


def test_a_matrix_is_written_printed_and_gone_on_with(tmp_path, monkeypatch, capsys):
    words = (
        "--data", "iris", "--records", "40", "--model", "softmax", "--epochs", "2", "--models", "4", "--chunk", "4",
        "--attacks", "loss", "--extractions", "none", "--inversions", "none", "--json", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    command(*words, "--defend", "none", "round:1", monkeypatch=monkeypatch)
    told = capsys.readouterr()
    findings = json.loads(told.out)
    cells = {(cell["defence"], cell["attack"], cell["family"], cell["adaptive"]) for cell in findings["cells"]}
    assert cells == {
        (defence, attack, "membership", True) for defence in ("none", "round:1") for attack in ("loss", "gap")
    }
    assert findings["cost"]["new_cells"] == 4
    assert f"open {tmp_path / 'run' / 'report.html'}" in told.err.replace("\n", "")
    assert str(tmp_path / "run" / "cells") in told.err.replace("\n", "")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"report.json", "report.html", "cells.csv", "auc.svg", "pareto.png", "sweeps", "cells"} <= names
    check_report(tmp_path / "run")

    command(*words, "--defend", "round:1", "--defend", "label", monkeypatch=monkeypatch)
    more = json.loads(capsys.readouterr().out)
    assert more["cost"]["new_cells"] == 1  # gap on label: loss cannot be run there
    assert [column["name"] for column in more["columns"]] == ["none", "round:1", "label"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--defend", "rond"), "there is no defence 'rond'"),
        (("--models", "3"), "models is 3"),
        (("--attacks", "liar"), "lira-online"),
        (("--extractions", "softmacks"), "softmax"),
        (("--extractions", "none", "softmax"), "extractions is none softmax: none stands alone"),
        (("--targets", "0"), "targets is 0"),
    ],
)
def test_bad_words_are_refused_before_anything_is_written(tmp_path, monkeypatch, words, sentence):
    with pytest.raises(InputError) as refused:
        command(*words, "--out", str(tmp_path / "run"), monkeypatch=monkeypatch)
    assert sentence in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_the_help_says_what_a_column_may_be(monkeypatch, capsys):
    command("--help", monkeypatch=monkeypatch)
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("hamp, means both", "relaxloss?alpha=0.5+round:2", "dropout:0.5", "static", "adaptive"):
        assert words in told


def test_report_names_the_command_that_writes_a_matrix_anew(tmp_path):
    (tmp_path / "cells").mkdir()
    with pytest.raises(InputError, match="is of a matrix: give its command again"):
        report(tmp_path)


@pytest.mark.parametrize(("model", "has"), [("mlp:8", True), ("cnn:4", True), ("softmax", False), ("lenet:4", False)])
def test_by_default_a_network_without_a_place_for_dropout_has_no_column_of_it(model, has):
    columns = Crossed().audit(Subject(model=model), Recipe()).columns
    assert any(column.name == "dropout:0.5" for column in columns) == has
    assert [column.name for column in columns if column.name != "dropout:0.5"] == [
        word for word in USUAL.defences if word != "dropout:0.5"
    ]
