"""The list of runs: what is complete, what is under way, what is damaged, what is none."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from jaxattack.cli import application
from jaxattack.error import InputError
from jaxattack.report.runs import describe_run, list_runs
from jaxattack.store import RunFolder


@pytest.fixture
def report(invent, tmp_path):
    """Write the report of a run; the findings may be changed before."""

    def write(name, **changes):
        place = tmp_path / name
        place.mkdir()
        (place / "report.json").write_text(json.dumps(invent() | changes))
        return place

    return write


def test_a_report_is_a_run_with_the_figure_of_its_headline(report, invent):
    run = describe_run(report("one"))
    findings = invent()
    rate = findings["claim"]["rate"]
    claimed = next(attack for attack in findings["attacks"] if attack["name"] == findings["claim"]["attack"])
    assert (run.name, run.kind, run.title, run.state) == ("one", "membership", findings["title"], "complete")
    assert (run.figure, run.value) == (f"tpr@{rate}", claimed["tpr"][rate])
    assert run.octets == len(json.dumps(findings))
    unquoted = describe_run(report("two", claim=findings["claim"] | {"rate": None}))
    assert (unquoted.figure, unquoted.value) == ("auc", claimed["auc"])


def test_what_has_no_report_says_how_far_it_got(tmp_path):
    label, member = np.zeros(6, int), np.ones((3, 6), bool)
    run = RunFolder.open(tmp_path / "run", {"signals": ["phi"]}, label)
    run.write(np.arange(3), member, {"phi": np.zeros((3, 6, 1), np.float32)})
    (tmp_path / "matrix" / "cells").mkdir(parents=True)
    (tmp_path / "theft").mkdir()
    (tmp_path / "theft" / "extraction.json").write_text("{}")
    (tmp_path / "copies" / "copies-1").mkdir(parents=True)
    (tmp_path / "copies" / "copies-1" / "run.json").write_text("{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    (tmp_path / "photographs").mkdir()
    states = {run.name: (run.kind, run.state) for run in list_runs(tmp_path)}
    assert states == {
        "run": ("membership", "3 models, no report"),
        "matrix": ("matrix", "0 cells, no report"),
        "theft": ("extraction", "answers, no report"),
        "copies": ("membership", "1 run with poison, no report"),
        "model": ("model", "complete"),
    }


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "{" * 9, '{"format": 1, "kind": "membership"}', '{"format": 1, "kind": ["\\u001b[31m"]}', "\0"],
)
def test_a_damaged_report_is_a_row_with_a_reason(text, report, tmp_path, capsys):
    report("whole")
    damaged = report("damaged")
    (damaged / "report.json").write_text(text)
    rows = {run.name: run for run in list_runs(tmp_path)}
    assert (rows["whole"].state, rows["damaged"].state) == ("complete", "damaged")
    assert rows["damaged"].reason
    application()(["runs", str(tmp_path)])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "damaged" in said


@pytest.mark.parametrize(
    "part", [{"attacks": [{}]}, {"attacks": 7}, {"claim": []}, {"claim": {"attack": "none", "rate": {}}}, {"title": 5}]
)
def test_a_report_that_lacks_a_part_is_no_traceback(part, report):
    assert describe_run(report("odd", **part)).state in ("damaged", "complete")


def test_the_newest_is_first_and_json_has_every_field(report, tmp_path, capsys):
    for age, name in enumerate(("new", "old")):
        os.utime(report(name) / "report.json", (1e9 - age, 1e9 - age))
    application()(["runs", str(tmp_path), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["new", "old"]
    assert rows[0]["changed"] == "2001-09-09T01:46:40+00:00"


def test_where_there_are_no_runs_a_sentence_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    application()(["runs"])
    assert capsys.readouterr().err == "There are no runs in jaxattack-runs.\n"
    with pytest.raises(InputError, match="there is no folder elsewhere"):
        application()(["runs", "elsewhere"])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be read"):
        application()(["runs", "file"])
