"""An evasion's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from report.readable import check_whole, figures, printed

from jaxattack.report import headline, read, write

PICTURES = {number: np.full((6, 5, 1), 20 * number, np.uint8) for number in range(6)}
QUARTILES = {"lower": 0.1, "median": 0.25, "upper": 0.4}


def _record(number, *, right, success):
    return {
        "record": number, "label": 3, "right": right, "success": success, "answer": 8 if success else 3, "l0": 30, "l1": 1.5,
        "l2": 0.25, "linf": 0.1, "questions": 900, "first": 2,
    }  # fmt: skip


def findings():
    return {
        "format": 1, "kind": "evasion", "title": "softmax on digits · hopskipjump",
        "victim": {
            "name": "softmax on <digits>", "level": "label", "classes": 10, "features": 30, "top": 0, "decimals": None,
            "precision": "float64", "transport": "in this process",
        },
        "attack": {
            "name": "hopskipjump", "settings": {"queries": 1000}, "complete": True, "reason": "", "notes": {}, "white_box": False,
            "stolen": None,
        },
        "success": {
            "records": 4, "right": 3, "fooled": 2, "among_right": 2 / 3, "interval": [0.09, 0.99], "among_all": 0.75,
        },
        "distance": {"l0": {"lower": 28, "median": 30, "upper": 30}, "l1": QUARTILES, "l2": QUARTILES, "linf": QUARTILES},
        "curve": {norm: {"distance": [0.0, 0.1, 0.4], "share": [0.0, 1 / 3, 2 / 3]} for norm in ("l2", "linf")},
        "questions": {"questions": [0, 2, 40], "share": [0.0, 1 / 3, 2 / 3], "median": 21.0, "most": 900},
        "records": [
            _record(0, right=True, success=True), _record(1, right=True, success=True), _record(2, right=True, success=False),
            _record(3, right=False, success=True),
        ],
        "gallery": [
            {"label": 3, "answer": 8, "record": 0, "example": 1, "change": 2},
            {"label": 3, "answer": None, "record": 3, "example": 4, "change": 5},
        ],
        "warnings": [], "notes": [],
        "cost": {
            "queries": 3600, "questions": 3600, "calls": 120, "bytes": 0, "price": 0.36, "kept": 0, "gradients": 0,
            "memory_bytes": 1 << 28, "device": "1 x cpu", "seconds": {"extraction": None, "attack": 1.5, "total": 3.6},
        },
        "config": {"method": "hopskipjump"}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evasion")
    return folder, {path.name for path in write(folder, findings(), PICTURES)}


def test_every_figure_is_there_and_the_findings_come_back(written):
    folder, names = written
    assert figures(names) == {"gallery", "curve", "questions"}
    assert read(folder) == findings()


def test_the_page_is_whole_escaped_and_needs_nothing_else(written):
    html = (written[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 3)
    assert "softmax on &lt;digits&gt;" in html
    assert "2 of the 3 records that the victim labels right" in html
    assert "hopskipjump: queries" in html
    assert "half of those fooled by question 21" in html
    assert "mathdefault" not in html, "an axis has numbers that the page does not set"


def test_the_records_are_a_table_of_their_own(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "records.csv").read_text())))
    assert [(row["success"], row["answer"], row["l2"]) for row in rows] == [
        ("True", "8", "0.25"), ("True", "8", "0.25"), ("False", "3", "0.25"), ("True", "8", "0.25"),
    ]  # fmt: skip


def test_the_terminal_and_the_headline_say_who_is_fooled_and_how_far():
    shown = printed(findings())
    assert "66.7%" in shown
    assert "3,600" in shown
    text = headline(findings())
    assert "2 of the 3 records that it labels right (66.7%), with 3,600 queries ($0.3600) and 3.6 s" in text
    assert "within 0.250 in the 2-norm and 0.250 in the max norm" in text
    assert "wrong about 75.0% of all 4 records" in text


def test_findings_without_pictures_or_success_still_make_a_report(tmp_path):
    bare = findings() | {"gallery": [], "distance": None, "curve": None, "questions": None}
    bare["success"] |= {"right": 0, "fooled": 0, "among_right": None, "interval": None, "among_all": 1.0}
    bare["attack"] |= {
        "complete": False, "reason": "the budget ended.",
        "stolen": {
            "attack": "softmax", "converged": True, "complete": False, "reason": "Too few.", "queries": 65, "price": 0.0065,
            "verification": {"trials": 13, "disagreements": 0, "bound": 0.21, "places": {}},
        },
    }  # fmt: skip
    names = {path.name for path in write(tmp_path, bare, {})}
    assert not figures(names)
    assert "It is not complete: the budget ended." in headline(bare)
    assert "The victim is wrong about 100% of all 4 records." in headline(bare)
    assert "by softmax, 65 queries" in (tmp_path / "report.html").read_text(encoding="utf-8")
