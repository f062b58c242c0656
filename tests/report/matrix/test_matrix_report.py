"""A matrix's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from report.readable import check_whole, figures, printed
from rich.console import Console

from jaxattack.report import headline, read, table, write
from jaxattack.report.matrix.figures import _per_cent
from jaxattack.report.matrix.labels import put_labels
from jaxattack.report.matrix.reading import attacks_of, cells_at, largest_auc, word_of
from jaxattack.report.style import styled

RATES = ("0.1", "0.01", "0.001", "0.0001", "0.00001")
AREAS = {  # by column: of lira, static and adaptive, of loss and of gap
    "none": (None, 0.7, 0.6, 0.55),
    "round:<2>": (0.64, 0.68, 0.58, 0.55),
    "noise:0.1": (0.6, 0.59, 0.55, 0.54),
}


def cell(defence, attack, **changes):
    blank = dict.fromkeys(
        (
            "leak", "leak_interval", "auc", "auc_interval", "tpr", "tpr_interval", "resolvable", "targets",
            "queries_per_record", "queries", "complete", "curve", "recognised_by_victim", "gradients", "models",
            "gradient_steps", "seconds",
        )
    )  # fmt: skip
    about = {
        "defence": defence, "attack": attack, "family": "membership", "adaptive": True, "static_alike": False, "repetitions": 1,
        "reason": "", "test_accuracy": 0.9,
    }  # fmt: skip
    return blank | about | changes


def scored(defence, attack, area, **changes):
    return cell(
        defence, attack, leak=area, auc=area, leak_interval=[area - 0.02, area + 0.02],
        auc_interval=[area - 0.02, area + 0.02], tpr={rate: float(rate) ** 0.5 * area for rate in RATES},
        tpr_interval={rate: [0.0, 1.0] for rate in RATES}, resolvable=dict.fromkeys(RATES, True), targets=16,
        queries_per_record=1, queries=400, models=32, gradient_steps=960, seconds=0.1, **changes,
    )  # fmt: skip


def column(name, auc, *, strongest=True):
    best = {
        "attack": "lira-online", "adaptive": True, "repetitions": 1, "choices": 4, "rate": "0.001", "tpr": 0.03,
        "tpr_interval": [0.01, 0.08], "auc": auc, "auc_interval": [auc - 0.05, auc + 0.05],
    }  # fmt: skip
    spread = {"mean": 0.9, "sd": 0.01}
    return {
        "name": name, "learner": "Standard()", "defences": [], "model": "mlp:8", "answers": "probability", "random": False,
        "trained": name == "none", "train_accuracy": spread, "test_accuracy": spread,
        "label_changes": None if name == "none" else 0.01, "distortion": None if name == "none" else 0.2, "models": 32,
        "gradient_steps": 960, "train_seconds": 3.0, "observe_seconds": 1.0, "strongest": best if strongest else None,
        "gap": 0.55,
    }  # fmt: skip


def findings():
    cells = []
    for name, (static, adaptive, loss, gap) in AREAS.items():
        if static is not None:
            cells.append(scored(name, "lira-online", static, adaptive=False))
        cells.append(scored(name, "lira-online", adaptive, static_alike=static is None))
        if name.startswith("noise"):
            cells.append(scored(name, "lira-online", 0.66, repetitions=16))
        cells += [scored(name, "loss", loss, static_alike=True), scored(name, "gap", gap, static_alike=True)]
        cells.append(cell(name, "softmax", family="extraction", adaptive=False, static_alike=True, leak=0.8,
                          leak_interval=[0.7, 0.9], queries=100, curve=[[50, 0.7], [100, 0.8]], models=1, seconds=1.0))  # fmt: skip
        cells.append(
            cell(name, "mi-face", family="inversion", adaptive=False, static_alike=True, reason="It <cannot>.")
        )
    return {
        "format": 1, "kind": "matrix", "title": "digits · mlp:8 · 3 columns of 32 models",
        "columns": [column(name, areas[1]) for name, areas in AREAS.items()], "cells": cells, "records": 400,
        "notes": ["Something is left out."],
        "cost": {
            "models": 32, "gradient_steps": 960, "new_cells": 12, "memory_bytes": 1 << 28, "device": "1 x cpu",
            "seconds": {"train": 3.0, "observe": 2.0, "attack": 1.0, "total": 6.0},
        },
        "config": {"models": 32, "repetitions": 16}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    return folder, {path.name for path in write(folder, findings())}


def test_every_figure_is_there_and_the_findings_come_back(written):
    folder, names = written
    assert figures(names) == {"auc", "tpr", "others", "pareto"}
    assert read(folder) == findings()


def test_the_page_is_whole_escaped_and_needs_nothing_else(written):
    html = (written[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 4)
    assert "round:&lt;2&gt;" in html
    assert "round:<2>" not in html
    assert "It &lt;cannot&gt;." in html
    assert "mi-face on noise:0.1 (static and adaptive)" in html


def test_a_heat_map_has_a_number_a_cell_and_puts_the_floor_last(written):
    svg = (written[0] / "auc.svg").read_text()
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    shown = sorted(text.strip() for text in texts if re.fullmatch(r"\s*\.\d\d\s*", text))
    areas = [each["auc"] for each in findings()["cells"] if each["auc"] is not None]
    assert shown == sorted(f"{area:.2f}"[1:] for area in areas)
    assert [text.strip() for text in texts if "gap" in text] == ["gap (floor)"]
    assert attacks_of(findings(), "membership") == ["lira-online", "loss", "gap"]


def test_rates_are_written_in_few_letters(written):
    svg = (written[0] / "tpr.svg").read_text()
    texts = {text.strip() for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg)}
    for cell in findings()["cells"]:
        if cell["tpr"]:
            assert f"{100 * cell['tpr']['0.001']:.1f}" in texts
    assert [_per_cent(share) for share in (0, 0.00004, 0.00056, 0.00994, 0.00996, 0.0333, 0.0996, 1)] == [
        "0", "0", ".06", ".99", "1.0", "3.3", "10", "100",
    ]  # fmt: skip


def test_cells_stand_beside_one_another_static_first():
    words = [word_of(one) for one in cells_at(findings(), "noise:0.1", "lira-online")]
    assert words == ["static", "adaptive", "asked 16 times"]
    assert largest_auc(findings(), "noise:0.1", adaptive=True) == 0.66
    assert largest_auc(findings(), "noise:0.1", adaptive=False) == 0.6
    assert largest_auc(findings(), "noise:0.1") == 0.66
    assert largest_auc(findings(), "none", adaptive=False) == 0.7  # the same either way


def test_the_cells_are_a_table_of_their_own(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "cells.csv").read_text())))
    assert len(rows) == len(findings()["cells"])
    assert rows[0]["auc"] == rows[0]["leak"] == "0.7"
    assert rows[0]["tpr_0.01"] == f"{0.1 * 0.7}"
    assert rows[-1]["leak"] == ""
    assert rows[-1]["reason"] == "It <cannot>."


def test_the_terminal_and_the_headline_say_what_a_defence_buys():
    shown = printed(findings())
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("round:<2>", "0.680", "3.00%", "80.0%"):
        assert word in shown
    text = headline(findings())
    assert (
        "lira-online finds 3.00% of the members at 0.1% false positives (1.00% to 8.00%, allowing for the choice among 4)"
        in text
    )
    assert "of 2 defences noise:0.1 gives away least here, its largest AUC 0.660" in text
    assert "On 2 of 2 of them the best attack that knows of the defence has a larger AUC" in text
    assert "15 cells on 3 columns, 32 models trained." in text


def test_that_knowing_of_a_defence_helps_is_said_of_intervals_that_allow_for_all_cells():
    def said(on_round, asked_again):
        changed = findings()
        for one in changed["cells"]:
            if (one["defence"], one["attack"], one["adaptive"]) == ("round:<2>", "lira-online", True):
                one |= {"auc": on_round, "auc_interval": [on_round - 0.02, on_round + 0.02]}
            if one["repetitions"] == 16:
                one |= {"auc": asked_again, "auc_interval": [asked_again - 0.02, asked_again + 0.02]}
        return headline(changed)

    # The two defences have 9 cells. Intervals at 1 - .05 / 9 are 1.41 times as wide, and the best static AUCs are .64 and .6.
    larger = "On 2 of 2 of them the best attack that knows of the defence has a larger AUC here than the best that does not; "
    choice = "the intervals, which allow for the choice among 9 cells, bear that out."
    assert f"{larger}on none {choice}" in said(0.69, 0.65)
    assert f"{larger}on 1 {choice}" in said(0.69, 0.66)
    assert f"{larger}on 2 {choice}" in said(0.72, 0.66)


def test_findings_of_one_column_without_membership_still_make_a_report(tmp_path):
    bare = findings()
    bare |= {
        "columns": [
            column("none", 0.5, strongest=False) | {"gap": None, "test_accuracy": None, "train_accuracy": None}
        ],
        "cells": [one for one in bare["cells"] if one["defence"] == "none" and one["family"] != "membership"],
    }
    names = {path.name for path in write(tmp_path, bare)}
    assert figures(names) == {"others"}
    assert "No membership attack could be run." in headline(bare)
    Console(file=io.StringIO()).print(table(bare))


def test_names_of_points_do_not_cover_one_another():
    with styled():
        figure = Figure(figsize=(3, 3))
        axes = figure.add_subplot()
        points = [(0.5, 0.5 + number / 1000, f"name-{number}") for number in range(6)]
        axes.plot([0, 1], [0, 1], "o")
        put_labels(axes, points)
        figure.canvas.draw()
    boxes = [text.get_window_extent().extents for text in axes.texts]
    assert len(boxes) == 6
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            across = min(one[2], other[2]) - max(one[0], other[0])
            along = min(one[3], other[3]) - max(one[1], other[1])
            assert min(across, along) < 0.3 * np.ptp(one[1::2])


def test_a_name_covers_no_marker_without_a_name():
    with styled():
        figure = Figure(figsize=(3, 3))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], "o")
        nameless = (0.6, 0.5)  # where the name would stand
        put_labels(axes, [(0.5, 0.5, "reverse-sigmoid")], [nameless])
        figure.canvas.draw()
    (text,) = axes.texts
    assert not text.get_window_extent().contains(*axes.transData.transform(nameless))
