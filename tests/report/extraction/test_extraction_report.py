"""An extraction's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io
import re

import pytest
from report.readable import check_whole, figures, printed

from jaxattack.report import headline, read, write


@pytest.fixture(scope="module")
def exact(stolen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact")
    written = write(folder, stolen() | {"command": "jaxattack extract softmax"})
    return folder, {path.name for path in written}


def test_a_linear_victims_report_has_every_figure_but_the_tree(exact):
    folder, written = exact
    drawn = figures(written)
    assert drawn == {"curve", "errors", "parameters", "weights"}
    assert "tree.txt" not in written
    assert {path.name for path in folder.iterdir()} == written


def test_the_findings_come_back_as_they_were_written(exact, stolen):
    assert read(exact[0]) == stolen() | {"command": "jaxattack extract softmax"}


def test_the_page_is_whole_and_needs_nothing_else(exact):
    html = (exact[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 4)
    assert re.findall(r"Figure (\d)\.", html) == ["1", "2", "3", "4"]
    assert "jaxattack extract softmax" in html
    assert "at most 3 decimals" in html


def test_fidelity_by_queries_is_a_table_of_its_own(exact):
    rows = list(csv.DictReader(io.StringIO((exact[0] / "fidelity.csv").read_text())))
    assert [(row["queries"], float(row["uniform"])) for row in rows] == [("4", 0.4), ("13", 1.0)]


def test_a_trees_report_draws_it_and_keeps_its_text(recovered, tmp_path):
    names = {path.name for path in write(tmp_path, recovered())}
    assert {"tree.svg", "tree.txt"} <= names
    assert not {"parameters.svg", "weights.svg"} & names
    assert (tmp_path / "tree.txt").read_text() == recovered()["tree"]["text"]
    assert "<never>" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_tree_too_large_to_draw_is_shown_as_text(recovered, tmp_path):
    found = recovered()
    found["tree"]["nodes"] = []
    names = {path.name for path in write(tmp_path, found)}
    assert "tree.svg" not in names
    assert "else no" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("difference", [3e-10, None])
def test_of_a_regressor_no_agreement_is_shown_since_it_has_no_labels(stolen, tmp_path, difference):
    found = stolen()
    found["victim"] |= {"level": "logit", "classes": 1}
    for part in found["fidelity"].values():
        part |= {"accuracy": None, "total_variation": None, "difference": difference}
    names = {path.name for path in write(tmp_path, found)}
    assert not any(name.startswith("curve.") for name in names)
    assert "100%" not in printed(found)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("<td>100%", "<dt>agreement</dt>", '<p class="lead">The stolen model gives'):
        assert words not in html
    assert "a number has no label to agree on" in html


def test_one_point_makes_no_curve(stolen, tmp_path):
    found = stolen()
    found["curve"] = found["curve"][-1:]
    assert "curve.svg" not in {path.name for path in write(tmp_path, found)}


def test_the_terminal_shows_parameters_before_and_after_and_the_price(stolen):
    text = printed(stolen(), 100)
    assert "weight 0" in text
    assert "bias 2" in text
    assert "$0.0513" in text
    assert "0.60%" in text
    assert "0.950 (victim 0.950)" in text


def test_the_headline_says_what_was_found(stolen):
    told = headline(stolen())
    assert told.startswith(
        "softmax needed 513 queries in 2 calls ($0.0513, 500 to verify) and 1.5 s to steal softmax on digits."
    )
    assert "never disagreed with the victim on 500 fresh inputs: on such, they differ in at most 0.60% (95%)." in told
    assert "with the same confidences to 5.0e-11" in told
    assert "39 parameters to 1.2e-9" in told


def test_an_attack_that_did_not_finish_says_why(stolen, tmp_path):
    found = stolen()
    found["attack"] |= {"converged": False, "complete": False, "reason": "the budget ended at 13 of 39 queries."}
    found["fidelity"]["uniform"] |= {"agreement": 0.4, "total_variation": None, "difference": None}
    found |= {"parameters": None, "weights": None, "errors": None}
    assert "did not finish: the budget ended" in headline(found)
    assert "The best so far gives the victim's label on 100%" in headline(found)
    write(tmp_path, found)
    assert "The attack did not finish" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_attack_that_finished_and_is_not_verified_says_why(stolen, tmp_path):
    found = stolen()
    found["attack"] |= {"complete": False, "reason": "it disagrees with the victim on 7 of 500 fresh inputs."}
    found["attack"]["verification"] |= {"disagreements": 7, "bound": 0.026}
    assert "finished unverified: it disagrees" in headline(found)
    assert (
        "disagreed with the victim on 7 of 500 fresh inputs: on such, they differ in at most 2.6% (95%)."
        in headline(found)
    )
    write(tmp_path, found)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The attack finished, and what it stole is not verified" in page


def test_where_no_query_was_left_to_compare_the_report_is_written_and_says_so(stolen, tmp_path):
    found = stolen()
    found["fidelity"] = {"held_out": None, "uniform": None}
    found["cost"]["comparison"] = 0
    for point in found["curve"]:
        point |= {"held_out": None, "uniform": None}
    found |= {"parameters": None, "weights": None, "errors": None}
    assert "was not compared further, as no query was left for it" in headline(found)
    write(tmp_path, found)
    assert "these comparisons are 0 of the queries above" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_asked_at_all_is_told_by_its_parameters(stolen, tmp_path):
    found = stolen()
    found["fidelity"] = {"held_out": None, "uniform": None}
    found |= {"curve": [{"queries": 13, "held_out": None, "uniform": None}], "errors": None, "weights": None}
    assert "The stolen model has the victim's 39 parameters" in headline(found)
    assert {"report.html", "parameters.svg"} <= {path.name for path in write(tmp_path, found)}
