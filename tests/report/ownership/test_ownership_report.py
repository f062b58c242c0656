"""The report of an audit of ownership: power on the victim first, every test and suspect, escaped, whole, and what it says."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from report.readable import check_whole, figures, printed

from jaxattack.metrics import area_interval
from jaxattack.report import headline, measures, read, write
from jaxattack.report.ownership.page import useful
from jaxattack.report.ownership.reading import best, short_names


def _cell(test, kind, relation, auc, *, own=None):
    return {
        "test": test, "kind": kind, "victim": "", "relation": relation, "auc": auc,
        "models": 1 if relation == "victim" else 3 if relation == "stolen" else 30,
        "auc_interval": None if auc is None else [max(auc - 0.2, 0.0), min(auc + 0.1, 1.0)], "score": 0.5,
        "p_value": own, "accused": None if own is None else 3 * (own <= 0.05), "rank_p_value": 1 / 31 if auc == 1 else 0.6,
        "rank_accused": 3 if auc == 1 else 0, "normal_p_value": 1e-7, "normal_accused": 3, "queries": 1000, "price": 0.1,
        "gradients": 0, "seconds": 0.01,
    }  # fmt: skip


def _rate(accused):
    return {"accused": accused, "models": 30, "rate": accused / 30, "interval": [0.0, 0.2]}


def _test(name, own, reason=""):
    ran = not reason
    return {
        "name": name, "paper": "Somebody 2021", "settings": {}, "sees": "label", "victim": "", "false": own,
        "rank_false": _rate(1) if ran else None, "normal_false": _rate(2) if ran else None, "gradients": 0, "seconds": 1.0,
        "notes": {"scale of the noise": 2.0} if ran else {}, "reason": reason,
    }  # fmt: skip


def _suspect(kind, relation, loss):
    return {
        "kind": kind, "victim": "", "relation": relation, "access": "the <model>", "paper": "", "models": 3, "accuracy": 0.9,
        "accuracy_loss": loss, "agreement": 0.95, "variation_mean": 0.02, "variation_max": 0.4, "queries": 0, "steps": 70,
        "seconds": 0.2, "price": 0.0,
    }  # fmt: skip


def findings():
    cells = [
        _cell("rank", "victim", "victim", 1.0, own=0.025), _cell("rank", "prune", "stolen", 0.97, own=0.2),
        _cell("rank", "int8", "stolen", 1.0, own=0.025), _cell("rank", "independent", "independent", None, own=0.5),
        _cell("rank", "independent mlp:8", "independent", 0.4, own=0.5), _cell("walk", "victim", "victim", 0.43),
        _cell("walk", "prune", "stolen", 0.5), _cell("walk", "independent", "independent", None),
    ]  # fmt: skip
    return {
        "format": 1, "kind": "ownership", "title": "digits <b> · mlp:8",
        "split": {"members": 449, "held_out": 359, "public": 989, "features": 64, "classes": 10},
        "victims": [
            {"name": "", "train_accuracy": 1.0, "test_accuracy": 0.95},
            {"name": "marks", "train_accuracy": 1.0, "test_accuracy": 0.94},
        ],
        "suspects": [_suspect("victim", "victim", 0.0), _suspect("prune", "stolen", 0.02)],
        "tests": [_test("rank", _rate(2)), _test("walk", None), _test("marked", None, reason="it has <no> marks.")],
        "cells": cells, "notes": ["All copies are of one model."],
        "cost": {
            "models": 90, "queries": 12000, "price": 1.2, "memory_bytes": 1 << 28, "device": "1 x cpu",
            "seconds": {"models": 3.0, "evidence": 1.0, "proofs": 2.0, "total": 6.5},
        },
        "config": {"seed": 0}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ownership")
    return folder, {path.name for path in write(folder, findings())}


def test_every_figure_and_table_is_there_and_the_findings_come_back(written):
    folder, names = written
    assert figures(names) == {"auc", "accusations"}
    assert read(folder) == findings()
    rows = list(csv.DictReader(io.StringIO((folder / "cells.csv").read_text())))
    assert [row["auc"] for row in rows] == ["1.0", "0.97", "1.0", "", "0.4", "0.43", "0.5", ""]
    assert [row["accuracy_loss"] for row in csv.DictReader(io.StringIO((folder / "suspects.csv").read_text()))] == [
        "0.0",
        "0.02",
    ]


def test_the_page_is_whole_and_escaped_and_power_on_the_victim_comes_first(written):
    html = (written[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 2)
    assert "digits &lt;b&gt;" in html
    assert "the &lt;model&gt;" in html
    assert "cannot be run: it has &lt;no&gt; marks." in html
    assert html.index("Power on the victim itself") < html.index("Which copies are told")
    assert "<td>2.00</td><td>≤ 2</td>" in html
    assert re.search(r"2 of 30<small><span>0% to 20.0%", html)


def test_the_headline_names_what_has_no_power_and_the_hardest_copies():
    text = headline(findings())
    assert (
        "1 of 2 tests tell the owner's own model from independent ones; without power on it: walk (AUC 0.430)." in text
    )
    assert (
        "rank, tells all 2 kinds of copies from independent models with an AUC of 0.970 or more (prune is the hardest)"
        in text
    )
    assert "Of 30 independent models p-values at 5% accuse: rank 6.67%." in text
    assert measures(findings()) == {"false-accusations": 2 / 30}


def test_the_interval_of_the_best_test_allows_for_the_choice_of_it():
    """Nine tests of one kind of copies that none tells: at 95% each the best would be above chance in every eighth audit or so."""
    rng, repeats, above, alone = np.random.default_rng(0), 300, 0, 0
    for _ in range(repeats):
        none = findings()
        none["cells"] = []
        for test in map(str, range(9)):
            scores, null = rng.normal(size=3), rng.normal(size=30)
            auc = float((scores[:, None] > null).mean())
            none["cells"] += [_cell(test, "victim", "victim", 1.0), _cell(test, "prune", "stolen", auc)]
            none["cells"] += [_cell(test, "independent", "independent", None)]
            alone += area_interval(auc, 3, 30)[0] > 0.5
        none["tests"] = [_test(test, None) for test in map(str, range(9))]
        summary = best(none)
        assert summary.choices == 9
        above += summary.interval[0] > 0.5
    assert above <= 0.05 * repeats < alone
    low, high = summary.interval
    assert f"hardest {low:.3f} to {high:.3f}, allowing for the choice among 9 tests)" in headline(none)


def test_too_few_independent_models_give_no_test_power():
    few = findings()
    few["cells"] = [cell | {"models": 2} if cell["kind"] == "independent" else cell for cell in few["cells"]]
    assert "2 independent models are too few for a test to tell the owner's own model from them at 5%" in headline(few)


def test_one_model_of_another_architecture_that_scores_high_misleads_nobody():
    one = findings()
    for cell in one["cells"]:
        if cell["kind"] == "independent mlp:8":
            cell |= {"models": 1, "auc": 1.0, "auc_interval": list(area_interval(1.0, 1, 2))}
    assert "are told apart" not in headline(one)


def test_a_test_that_also_accuses_another_architecture_says_so_and_is_second_to_one_that_does_not():
    two = findings()
    two["cells"] = [
        _cell(
            test, cell["kind"], cell["relation"], cell["auc"] and (auc if cell["kind"] == "independent mlp:8" else 1.0)
        )
        for test, auc in (("walk", 0.89), ("rank", 0.5))
        for cell in findings()["cells"][:5]
    ]
    assert "The best of them, rank, tells all 2 kinds" in headline(two)
    two["cells"] = [cell for cell in two["cells"] if cell["test"] == "walk"]
    assert "Independent mlp:8 models, of another architecture, are told apart by it too (AUC 0.890)." in headline(two)


def test_the_terminal_shows_every_test_and_suspect():
    shown = printed(findings())
    for text in ("rank", "walk", "marked", "0.0323", "0.970", "prune", "2.00"):
        assert text in shown


def test_findings_of_which_no_test_was_run_still_make_a_report(tmp_path):
    bare = findings() | {
        "cells": [],
        "tests": [_test("marked", None, reason="it has no marks.")],
        "victims": findings()["victims"][:1],
    }
    names = {path.name for path in write(tmp_path, bare)}
    assert not figures(names)
    assert headline(bare) == "No test could be run. marked: it has no marks."
    assert measures(bare) == {"false-accusations": None}


def test_what_a_copy_keeps_is_told_by_the_least_loss_that_it_stays_within():
    assert [useful(loss) for loss in (-0.03, 0.01, 0.011, 0.05, 0.051)] == [
        "≤ 1", "≤ 1", "≤ 2", "≤ 5", "> 5",
    ]  # fmt: skip


def test_names_in_figures_are_without_settings_where_that_leaves_them_apart():
    assert short_names(["rank?records=9", "walk?a=1", "walk?a=2"]) == ["rank", "walk?a=1", "walk?a=2"]
