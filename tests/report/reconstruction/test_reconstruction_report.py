"""A reconstruction's report: there for every goal, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import copy
import csv
import io

import numpy as np
import pytest
from report.readable import check_whole, figures, printed

from jaxattack.report import headline, read, write

PICTURES = {number: np.full((6, 5, 1), 20 * number, np.uint8) for number in range(6)}


def _comparison(of, leak):
    return {
        "of": of, "targets": 4, "measure": "right values", "attack": {"value": 0.75, "low": 0.3, "high": 0.95},
        "baseline": {"value": 0.5, "low": 0.4, "high": 0.6}, "against": "an imputation <from> other records",
        "leak": {"value": leak, "low": leak - 0.1, "high": leak + 0.1}, "leaks": leak > 0.1,
    }  # fmt: skip


def _target(number, **other):
    row = {
        "target": number, "member": number < 2, "truth": 1.0, "value": 0.0, "score": 0.3, "error": 0.01, "baseline": 0.02,
        "label": None, "true_label": None,
    }  # fmt: skip
    return row | other


def findings(goal="attribute"):
    records = goal in ("record", "records")
    of = {"record": "records", "label": "updates", "property": "models"}.get(goal, "members")
    labels = {"truth": None, "value": None, "label": 3, "true_label": 4} if records else {}
    return {
        "format": 1, "kind": "reconstruction", "title": "tree on digits · map",
        "victim": {
            "name": "tree on <digits>", "features": 30, "classes": 10, "level": "probability", "decimals": 2, "members": 90,
            "accuracy": {"members": 1.0, "others": 0.9}, "models": 4 if goal == "property" else 0,
        },
        "attack": {
            "name": "map", "goal": goal, "about": "one attribute of each record", "needs": ["the model's answers"],
            "settings": {"runs": 3}, "question": "column 6", "complete": True, "reason": "", "notes": {"residual": 0.125},
        },
        "comparisons": [_comparison(of, 0.25), _comparison(of, 0.05)],
        "targets": [_target(number, **labels) for number in range(4)],
        "secrets": [{"of": "members", "value": 1, "precision": None, "recall": 0.5}] if goal == "attribute" else [],
        "gallery": [
            {"target": 7, "truth": 0, "made": 1, "nearest": 2}, {"target": 8, "truth": 3, "made": None, "nearest": 4},
        ] if records else [],
        "warnings": [], "notes": [],
        "cost": {
            "queries": 360, "calls": 1, "bytes": 0, "price": 0.036, "kept": 0, "models": 200, "steps": 4000,
            "memory_bytes": 1 << 28, "device": "1 x cpu",
            "seconds": {"victims": 0.1, "attack": 1.5, "judging": 0.2, "total": 2.0},
        },
        "config": {"attack": "map"}, "environment": {"jax": "0"},
    }  # fmt: skip


FIGURES = {
    "attribute": {"comparisons"}, "record": {"gallery", "errors"}, "records": {"gallery", "errors"},
    "label": {"comparisons"}, "property": {"shares"},
}  # fmt: skip


@pytest.mark.parametrize("goal", FIGURES)
def test_every_goal_has_its_figures_and_the_findings_come_back(goal, tmp_path):
    names = {path.name for path in write(tmp_path, findings(goal), PICTURES)}
    assert figures(names) == FIGURES[goal]
    assert read(tmp_path) == findings(goal)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    check_whole(html, len(FIGURES[goal]))
    assert "an imputation &lt;from&gt; other records" in html
    assert "<digits>" not in html


@pytest.mark.parametrize("goal", FIGURES)
def test_targets_are_flat_for_a_spreadsheet(goal, tmp_path):
    write(tmp_path, findings(goal), PICTURES)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "targets.csv").read_text())))
    assert [row["target"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["label"] == ("3" if goal in ("record", "records") else "")


def test_the_headline_says_whether_it_leaks():
    values = findings()
    text = headline(values)
    assert "map on tree on <digits>, 4 members, with 360 queries ($0.0360), 200 shadow models" in text
    assert "right values 75.0%, against 50.0% by an imputation <from> other records." in text
    assert "The model leaks: the difference is 0.250 (95% for all 2 comparisons together: 0.150 to 0.350)." in text
    values["comparisons"].reverse()
    assert "No leak is shown by that: the difference is 0.050" in headline(values)
    assert "shown by another measure: right values 75.0% of members" in headline(values)
    assert "No leak is shown: the difference" in headline(values | {"comparisons": values["comparisons"][:1]})


def test_a_record_that_was_not_made_is_left_out_of_the_figure(tmp_path):
    values = copy.deepcopy(findings("record"))
    values["targets"][0] |= {"error": None, "score": None, "label": -1}
    values["attack"] |= {"complete": False, "reason": "1 of 4 records have no influence."}
    write(tmp_path, values, PICTURES)
    assert "1 of 4 records have no influence" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "It is not complete: 1 of 4 records have no influence." in headline(values)


@pytest.mark.parametrize("goal", FIGURES)
def test_the_table_fits_a_terminal(goal):
    text = printed(findings(goal))
    assert "0.150 to" in text
    assert max(map(len, text.splitlines())) <= 80
