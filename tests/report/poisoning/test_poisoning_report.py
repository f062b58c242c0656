"""A poisoning's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from report.readable import check_report, printed

from jaxattack.report import headline, measures, read, write

PICTURES = {number: np.full((6, 5, 1), 40 * number, np.uint8) for number in range(3)}
RATES = {"targets": 8, "auc": 0.5, "tpr": {"0.01": 0.02}, "tpr_interval": {"0.01": [0.0, 0.1]}}


def share(value):
    return {"value": value, "interval": [value - 0.02, value + 0.02]}


def point(poison, accuracy, success=None, sanitise=None):
    return {
        "share": poison, "poison": round(1000 * poison), "sanitise": sanitise, "left": 0.4 if sanitise else 1.0,
        "accuracy": share(accuracy), "drop": share(0.98 - accuracy), "success": None if success is None else share(success),
        "without": None if success is None else share(0.01),
        "corrected": [min((0.98 - accuracy if success is None else success) + reach, 1.0) for reach in (-0.05, 0.05)],
    }  # fmt: skip


def attack(name, goal, points):
    return {
        "name": name,
        "goal": goal,
        "paper": "Somebody 2020",
        "surrogates": 1,
        "points": points,
        "notes": {"cosine": 0.5},
    }


def findings():
    return {
        "format": 1, "kind": "poisoning", "title": "<digits> · mlp:64 · poison by 2 attacks",
        "victim": {
            "model": "mlp:64", "data": "<digits>", "classes": 2, "train": 1000, "own": 500, "held_out": 500, "seeds": 8,
            "frozen": False,
        },
        "clean": [
            {"sanitise": None, "records": 1000, "accuracy": share(0.98)},
            {"sanitise": "slab", "records": 700, "accuracy": share(0.97)},
        ],
        "attacks": [
            attack("flip-influence?rounds=3", "availability", [
                point(0.01, 0.97), point(0.1, 0.87), point(0.01, 0.96, sanitise="slab"), point(0.1, 0.9, sanitise="slab"),
            ]),
            attack("badnets", "backdoor", [
                point(0.01, 0.98, 0.6), point(0.1, 0.981, 0.99), point(0.01, 0.97, 0.2, "slab"), point(0.1, 0.97, 0.3, "slab"),
            ]),
            attack("poison-frogs", "targeted", [point(0.01, 0.98, 0.1), point(0.1, 0.98, 0.5), point(0.1, 0.97, 0.4, "slab")]),
        ],
        "targets": [
            {
                "record": 6, "label": 5, "wanted": 0, "right": 1.0, "valid": True,
                "success": {"poison-frogs": {"0.01": 0.1, "0.1": 0.5}},
            },
        ],
        "bound": {
            "inside": 0.7, "norm_squared": 0.8,
            "points": [
                {"share": 0.0, "bound": 0.1, "loss": 0.09, "train_error": 0.01, "held_out_error": 0.02},
                {"share": 0.1, "bound": 0.3, "loss": 0.2, "train_error": 0.05, "held_out_error": 0.06},
            ],
        },
        "leakage": [
            {
                "attack": "badnets", "membership": "lira-online", "models": 64, "records": 100, "clean": RATES,
                "backdoor": RATES | {"auc": 0.8}, "others_clean": RATES, "others_backdoor": RATES,
            },
        ],
        "gallery": [
            {"attack": "badnets", "label": "0", "source": 0, "poison": 1},
            {"attack": "poison-frogs", "label": "1", "source": None, "poison": 2},
        ],
        "notes": [],
        "cost": {
            "victims": 100, "sets": 13, "gradient_steps": 1000, "memory_bytes": 1 << 28, "device": "1 x cpu",
            "seconds": {"crafting": 3.0, "training": 2.0, "total": 5.5},
        },
        "config": {"data": "digits"}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write(folder, findings(), PICTURES)
    return folder


def test_everything_is_there_and_escaped(written):
    check_report(written)
    names = {path.name for path in written.iterdir()}
    assert {"points.csv", "shares.svg", "filters.png", "bound.svg", "gallery.png"} <= names
    page = (written / "report.html").read_text()
    assert "&lt;digits&gt;" in page
    assert "<digits>" not in page
    assert "94.0% to 100% (95%, allowing for the choice among 6 points): badnets with 10% of poison" in page
    for words in ("What no poison can exceed", "What a backdoor does to membership", "Behind a filter", "0.800"):
        assert words in page
    assert read(written)["attacks"][1]["name"] == "badnets"


def test_a_report_of_an_earlier_version_has_the_interval_of_its_largest_effect_alone(tmp_path):
    old = findings()
    for each in old["attacks"]:
        each["points"] = [{name: part for name, part in one.items() if name != "corrected"} for one in each["points"]]
    write(tmp_path, old)
    assert "(95%): badnets with 10% of poison" in (tmp_path / "report.html").read_text()


def test_the_headline_is_of_the_largest_effect_and_the_others_follow():
    first, _, rest = headline(findings()).partition(". Beside it")
    assert first.startswith("With 10% of poison by badnets, 99.0% of records of other classes")
    assert "0.10 points above that without" in first
    assert rest.index("poison-frogs, 50.0% (10%)") < rest.index("flip-influence, accuracy 11.0 points below")
    assert "No 10% of poison within clean spheres and slabs makes a linear model err on more than 30.0%" in rest
    alone = findings() | {"attacks": findings()["attacks"][:1], "bound": None}
    assert headline(alone).startswith(
        "With 10% of poison by flip-influence?rounds=3, accuracy is 87.0%, 11.0 points below"
    )


def test_a_page_without_the_optional_parts_is_whole(tmp_path):
    bare = findings() | {"bound": None, "leakage": [], "targets": [], "gallery": [], "clean": findings()["clean"][:1]}
    bare["attacks"] = [attack("flip-random", "availability", [point(0.1, 0.9)])]
    files = {path.name for path in write(tmp_path, bare)}
    assert {"shares.svg", "report.html"} <= files
    assert not {"filters.svg", "bound.svg", "gallery.svg"} & files
    check_report(tmp_path)


def test_the_rows_of_the_spreadsheet_are_the_points(written):
    rows = list(csv.DictReader(io.StringIO((written / "points.csv").read_text())))
    assert len(rows) == 11
    assert rows[0]["success"] == ""
    assert float(rows[5]["success"]) == 0.99
    assert float(rows[5]["drop_low"]) == pytest.approx(-0.021)
    assert rows[6]["sanitise"] == "slab"


def test_the_terminal_shows_every_point_in_80_columns():
    text = printed(findings())
    assert max(map(len, text.splitlines())) <= 80
    assert "99.0%" in text
    assert "0.800" in text


def test_limits_are_on_the_largest_without_a_filter():
    assert measures(findings()) == {"success": 0.99, "drop": pytest.approx(0.11)}
