"""The report of a comparison: whole, escaped, in the findings' figures, and in words that say what they say."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from paired import ATTACKS, DEFENDED, OTHER_MODELS, PLAIN
from report.readable import check_report, printed

from jaxattack.attacks.membership import lookup
from jaxattack.audit.comparison import compare
from jaxattack.audit.findings import values
from jaxattack.audit.findings.comparison import ChangeFindings, Contrast
from jaxattack.audit.findings.matrix_comparison import (
    CellComparison,
    ColumnComparison,
    MatrixComparison,
    MatrixFindings,
)
from jaxattack.audit.findings.report_comparison import CostRow, FigureComparison, ReportComparison, ReportFindings
from jaxattack.report import draw, headline, read, write
from jaxattack.report.compare.reading import choose, pairing_in_words, signed, signed_points
from jaxattack.report.compare.tables import files
from jaxattack.report.kind import Choice
from jaxattack.types import InputError

NAMES = ("plain", "<defended>", "other_models")


@pytest.fixture(scope="module")
def findings():
    found = compare(PLAIN, DEFENDED, OTHER_MODELS, names=NAMES, attacks=ATTACKS).findings
    row = ChangeFindings(name="recipe.epochs", values=("<2>", None, "4"))
    return values(replace(found, changes=(row,), notes=("Something is left out.",)))


@pytest.fixture(scope="module")
def matrices():
    found = compare(PLAIN, DEFENDED, attacks=ATTACKS[2:]).findings
    shared = {name: getattr(found, name) for name in ("title", "changes", "notes", "cost", "config", "environment")}
    clear = Contrast(difference=0.1, interval=(0.02, 0.18), clear=True)
    cells = [
        CellComparison(
            defence=defence, attack="loss", family="membership", adaptive=adaptive, repetitions=1, leaks=(0.6, leak),
            intervals=((0.5, 0.7), None), differences=(contrast,),
        )
        for defence, adaptive, leak, contrast in (("none", True, 0.7, clear), ("round:<1>", False, None, None))
    ]  # fmt: skip
    columns = (ColumnComparison(name="none", test_accuracy=(0.9, None)),)
    runs = tuple(MatrixFindings(name=run.name, title=run.title, cost=run.cost) for run in found.runs)
    return values(MatrixComparison(**shared, allowance=2, runs=runs, columns=columns, cells=tuple(cells)))


def test_the_folder_is_whole_and_gives_the_findings_back(findings, tmp_path):
    names = {path.name for path in write(tmp_path, findings)}
    figures = {f"{name}.{suffix}" for name in ("roc", "differences") for suffix in ("svg", "png")}
    assert names == {"report.json", "report.html", "differences.csv", "settings.csv", "attacks.tex"} | figures
    assert read(tmp_path) == findings
    page = (tmp_path / "report.html").read_text()
    assert "&lt;defended&gt;" in page
    assert "<defended>" not in page
    assert "&lt;2&gt;" in page
    assert page.count("<figure ") == page.count("</figure>") == 2
    assert "Something is left out." in page
    check_report(tmp_path, NAMES)
    body = page[page.index("Every attack on every run") : page.index("</table>")]
    bold = sum(
        c["clear"] for a in findings["attacks"] for leak in a["differences"] for c in (leak["auc"], leak["tpr"]["0.1"])
    )
    assert 0 < body.count("<b>") == bold < 2 * 2 * len(findings["attacks"])


def test_the_headline_says_the_difference_its_interval_and_for_how_many_it_allows(findings):
    text = headline(findings)
    attack = findings["attacks"][0]
    contrast = attack["differences"][0]["tpr"]["0.1"]
    assert f"At 10% false positives {attack['name']} finds" in text
    low, high = (signed_points(end) for end in contrast["interval"])
    assert f"{signed_points(contrast['difference'])} points ({low} to {high})" in text
    assert "allow for 6 such differences" in text
    assert "finds clearly less than the strongest on plain" in text
    assert pairing_in_words(findings["pairs"][0], "plain").startswith(
        "<defended> and plain share 240 records and 8 models"
    )
    assert "no model with the same members" in pairing_in_words(findings["pairs"][1], "plain")
    assert "unpaired" in pairing_in_words({"records": 0, "run": "a"}, "b")


@pytest.mark.parametrize("width", [80, 50])
def test_the_terminal_stars_what_is_clear(findings, width):
    text = printed(findings, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "lira-online" in text
    assert f"{findings['attacks'][0]['runs'][1]['auc']:.3f}*" in text or width == 50
    assert "leaves 0 out" in " ".join(text.split())


def test_csv_has_a_row_an_attack_and_run(findings):
    text = files(findings)
    rows = list(csv.DictReader(io.StringIO(text["differences.csv"])))
    assert [(row["attack"], row["run"]) for row in rows[:2]] == [
        (findings["attacks"][0]["name"], name) for name in NAMES[1:]
    ]
    contrast = findings["attacks"][0]["differences"][0]
    assert float(rows[0]["auc_difference"]) == contrast["auc"]["difference"]
    assert [float(rows[0][f"tpr_{end}@0.01"]) for end in ("low", "high")] == contrast["tpr"]["0.01"]["interval"]
    assert float(rows[0]["auc"]) - float(rows[0]["auc_than"]) == pytest.approx(contrast["auc"]["difference"])
    assert (rows[0]["common_records"], rows[1]["common_models"]) == ("240", "0")
    settings = list(csv.reader(io.StringIO(text["settings.csv"])))
    assert settings == [["setting", *NAMES], ["recipe.epochs", "<2>", "", "4"]]


def test_an_attack_that_cannot_be_run_somewhere_is_shown_by_a_dash():
    labels = replace(DEFENDED, signals={"correct": DEFENDED.signals["correct"]})
    found = values(compare(PLAIN, labels, names=["plain", "labels"], attacks=ATTACKS, declare=lookup("loss")).findings)
    assert "it cannot be run on labels" in headline(found)
    assert re.search(r"loss +0\.\d+ +[\d.]+ +– +–", printed(found))
    rows = list(csv.DictReader(io.StringIO(files(found)["differences.csv"])))
    assert {row["attack"]: row["auc_clear"] for row in rows} == {"loss": "", "lira-online": "", "gap": "true"}


def test_attacks_and_names_of_a_figure_are_chosen(findings):
    chosen = choose(findings, Choice(attacks=("gap", "loss"), names=("a", "b, c", "d")))
    assert [attack["name"] for attack in chosen["attacks"]] == ["gap", "loss"]
    assert chosen["claim"]["attack"] == "gap"
    svg = draw(findings, "roc", form="svg", attacks=["loss"], names=["a", "b, c", "d"]).decode()
    assert "b, c (AUC" in svg
    assert "defended" not in svg
    for choice, message in (
        (Choice(attacks=("liar",)), "attacks has 'liar'"),
        (Choice(names=("a",)), "names has 1 and runs 3"),
        (Choice(names=("a", "", "c")), "give printable names"),
    ):
        with pytest.raises(InputError, match=message):
            choose(findings, choice)


def test_matrices_are_shown_cell_by_cell(matrices, tmp_path):
    names = {path.name for path in write(tmp_path, matrices)}
    assert names == {"report.json", "report.html", "cells.csv", "cells.svg", "cells.png", "settings.csv"}
    assert "1 of 1 cell differ clearly" in headline(matrices)
    assert "of loss on none in observations 2, +0.100 (+0.020 to +0.180)" in headline(matrices)
    page = (tmp_path / "report.html").read_text()
    assert "round:&lt;1&gt;" in page
    assert "<b>+0.100</b>" in page
    check_report(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cells.csv").read_text())))
    assert (rows[0]["leak_difference"], rows[1]["leak_difference"], rows[1]["adaptive"]) == ("0.1", "", "false")
    assert "0.700*" in printed(matrices)
    with pytest.raises(InputError, match="leave attacks out"):
        choose(matrices, Choice(attacks=("loss",)))


@pytest.mark.parametrize(
    ("value", "points", "number"),
    [(0.021, "+2.1", "+0.021"), (-0.5, "−50", "−0.500"), (0.0, "0", "0.000"), (-0.0001, "−0.010", "0.000")],
)
def test_a_difference_has_its_sign(value, points, number):
    assert signed_points(value) == points
    assert signed(value) == number


def test_reports_of_another_kind_are_shown_by_their_figures(matrices, tmp_path):
    shared = {name: matrices[name] for name in ("title", "changes", "notes", "cost", "config", "environment")}
    runs = tuple(ReportFindings(name=name, title=name) for name in ("<a>", "b"))
    clear = Contrast(difference=0.25, interval=(0.1, 0.4), clear=True)
    rows = [
        FigureComparison(
            name=name, values=values_, intervals=(None, None), differences=(difference,), contrasts=(contrast,)
        )
        for name, values_, difference, contrast in (
            ("agreement", (0.5, 0.75), 0.25, clear), ("other", (None, 0.1), None, None), ("third", (0.2, 0.1), -0.1, None)
        )
    ]  # fmt: skip
    costs = (CostRow(name="queries", values=("10", None)),)
    found = values(
        ReportComparison(**shared, allowance=1, of="extraction", runs=runs, figures=tuple(rows), costs=costs)
    )
    names = {path.name for path in write(tmp_path, found)}
    assert names == {"report.json", "report.html", "figures.csv", "settings.csv"}
    page = (tmp_path / "report.html").read_text()
    assert "<b>+0.250</b>" in page
    assert "&lt;a&gt;" in page
    assert "−0.100" in page
    assert headline(found).startswith("Agreement: 0.500 in <a>; 0.750 in b, +0.250 (+0.100 to +0.400).")
    assert "0.750*" in printed(found)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "figures.csv").read_text())))
    assert [(row["value_difference"], row["value_clear"]) for row in rows] == [("0.25", "true"), ("", ""), ("-0.1", "")]
