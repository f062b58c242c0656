"""Our figures beside published ones: what a cell says, what is out of range, and the files of a result."""

from __future__ import annotations

import io
import json

import comparison
import pytest
from comparison import Panel, Published
from rich.console import Console

from jaxattack.report.style import styled


def entry(**changed):
    rates = ("0.1", "0.01", "0.001", "0.0001", "0.00001")
    return {
        "name": "lira-online",
        "auc": 0.7204,
        "balanced_accuracy": 0.638,
        "tpr": dict(zip(rates, (0.3, 0.15, 0.084, 0.04, 0.022), strict=True)),
        "tpr_interval": {rate: [0.02, 0.09] for rate in rates},
        "false_positives": dict(zip(rates, (4000, 400, 40, 4, 0), strict=True)),
        "resolvable": dict(zip(rates, (True, True, True, True, False), strict=True)),
        "per_target": {
            "auc": {"mean": 0.72, "sd": 0.004},
            "balanced_accuracy": {"mean": 0.64, "sd": None},
            "tpr": {rate: {"mean": 0.08, "sd": 0.0061} for rate in rates},
        },
        "band": {"fpr": [0.001, 0.1], "low": [0.07, 0.25], "high": [0.1, 0.35]},
        "roc": {
            "false_positives": [0, 0, 40, 40000],
            "true_positives": [0, 800, 3360, 40000],
            "negatives": 40000,
            "positives": 40000,
        },
    } | changed


@pytest.mark.parametrize(
    ("column", "targets", "said"),
    [
        ("auc", 8, "0.720 ± 0.004"),
        ("balanced_accuracy", 8, "0.638"),
        ("0.001", 8, "8.40 ± 0.61"),  # one target allows five false positives
        ("0.001", 80, "8.40 [2.00, 9.00]"),  # one target does not resolve the rate
        ("0.0001", 8, "4.00 [2.00, 9.00] (4)"),
        ("0.00001", 8, "n/r"),
    ],
)
def test_a_cell_tells_the_figure_its_spread_and_few_false_positives(column, targets, said):
    assert comparison.cell(entry(), column, targets) == said


def test_figures_out_of_their_range_are_told():
    entries = {"lira-online": entry()}
    assert comparison.outside(entries, {"lira-online": {"auc": (0.72, 0.75), "0.001": (0.05, 0.084)}}) == []
    (told,) = comparison.outside(entries, {"lira-online": {"auc": (0.73, 1), "0.001": (0.05, 0.1)}})
    assert told == "lira-online, AUC: 0.720, expected ≥ 0.730."


def test_the_table_puts_published_and_expected_rows_under_ours():
    made = comparison.comparison(
        "LiRA",
        {"lira-online": entry(), "loss": entry()},
        {"lira-online": "online", "loss": "loss"},
        targets=8,
        published=[Published("a paper", "lira-online", {"auc": 0.72, "0.001": 0.084})],
        expected={"loss": {"0.001": (0.0, 0.003)}},
    )
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(made)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    rows = [line for line in lines if line.split(" ")[0] in ("online", "a", "loss", "expected")]
    assert rows == [
        "online 0.720 ± 0.004 0.638 8.40 ± 0.61 4.00 [2.00, 9.00] (4) n/r",
        "a paper 0.720 8.40",
        "loss 0.720 ± 0.004 0.638 8.40 ± 0.61 4.00 [2.00, 9.00] (4) n/r",
        "expected 0 to 0.30",
    ]


def test_a_figure_has_a_ring_for_each_published_rate_in_the_colour_of_its_attack():
    rows = [Published("a paper", "lira-online", {"auc": 0.72, "0.001": 0.084, "0.00001": 0.022})]
    weak = entry(tpr=dict.fromkeys(entry()["tpr"], 0.01))
    with styled():
        axes = comparison.roc_figure(
            {"loss": weak, "lira-online": entry()}, {"loss": "loss", "lira-online": "online"}, rows
        ).axes[0]
    curves = {str(line.get_label()).partition(" (AUC")[0]: line for line in axes.lines}
    (rings,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert rings.get_xydata().tolist() == [[0.001, 0.084], [0.00001, 0.022]]
    assert rings.get_color() == curves["online"].get_color() != curves["loss"].get_color()
    assert curves["online"].get_linewidth() > curves["loss"].get_linewidth()  # the strongest stands out


def test_every_point_of_a_curve_is_on_the_figure():
    points = [
        {"models": count, "tpr": {"0.001": 0.01 * count}, "tpr_interval": {"0.001": [0.0, 0.02 * count]}}
        for count in (4, 8)
    ]
    panels = [Panel("models", "models", {"online": points[:1]}), Panel("queries", "models", {"online": points})]
    with styled():
        first, second = comparison.curves_figure(panels).axes
    assert second.lines[0].get_xydata().tolist() == [[4, 4.0], [8, 8.0]]
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] >= 16


@pytest.mark.parametrize("joint", [" ", "="])
def test_results_are_kept_with_the_command_and_no_path_of_this_machine(tmp_path, monkeypatch, capsys, joint):
    data = tmp_path / "cifar10.npz"
    data.touch()
    monkeypatch.setattr(
        "sys.argv", ["/somewhere/scripts/lira_cifar10.py", *f"--data{joint}{data}".split(), "--seed", "3"]
    )
    comparison.keep(tmp_path / "new", "lira", {"outside": []}, ["a line"])
    command = f"python scripts/lira_cifar10.py --data{joint}cifar10.npz --seed 3"
    assert json.loads((tmp_path / "new" / "lira.json").read_text()) == {
        "name": "lira",
        "command": command,
        "outside": [],
    }
    assert (tmp_path / "new" / "lira.txt").read_text().splitlines() == [f"$ {command}", "", "a line"]
    assert capsys.readouterr().out == "a line\n"
