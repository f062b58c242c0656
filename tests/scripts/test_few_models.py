"""The study of few models, in small: on planted answers, whose strongest attack is known."""

from __future__ import annotations

import io
import json

import few_models
import pytest
from attacks.planted import complementary, observe
from comparison import Panel, points_table
from rich.console import Console


@pytest.fixture(scope="module")
def observations():
    # Records of one spread: what fits a variance to each record of few references loses by it.
    return observe(complementary(12, 200, seed=0), leak=1.5, spread=0.5, seed=1)


def test_it_keeps_every_attack_at_every_budget_and_says_who_beats_lira(observations, tmp_path, capsys):
    results = few_models.study(observations, (4, 8), tmp_path, "few")
    assert json.loads((tmp_path / "few.json").read_text())["models"] == 12
    assert (tmp_path / "few.png").stat().st_size > 1000
    assert len(results["attacks"]) == 2 * len(few_models.ATTACKS)
    assert {one["references"] for one in results["attacks"]} == {4, 8}
    assert results["told"][0] in " ".join(capsys.readouterr().out.split())
    by_name = results["differences"]
    assert few_models.LIRA not in by_name
    assert all(
        one["interval"][0] <= one["difference"] <= one["interval"][1] for by in by_name.values() for one in by.values()
    )


def test_the_headline_names_those_that_beat_lira_and_no_others():
    one = {"difference": 0.02, "interval": (0.01, 0.03), "beats": True}
    none = {"difference": 0.02, "interval": (-0.01, 0.03), "beats": False}
    said = few_models.headline({"base-1": {"0.01": one, "0.001": none}, "base-3": {"0.01": none}}, 8)
    assert "BASE 1 at 1% FPR by 2.00 points [1.00, 3.00]" in said
    assert "BASE 3" not in said
    assert "none finds more than LiRA" in few_models.headline({"base-3": {"0.01": none}}, 8)


def test_what_a_model_tells_alone_rises_with_the_leak(observations):
    nothing = observe(observations.member, leak=0.0, spread=0.5, seed=1)
    assert few_models.alone(observations)["0.01"] > few_models.alone(nothing)["0.01"] + 0.01


def test_a_panel_has_its_own_rate():
    point = {"references": 4, "tpr": {"0.01": 0.25, "0.001": 0.5}, "tpr_interval": {"0.01": [0.2, 0.3]}}
    text = io.StringIO()
    Console(width=80, file=text).print(points_table(Panel("references", "references", {"LiRA": [point]}, "0.01")))
    assert "TPR at 1% FPR" in text.getvalue()
    assert "25.0" in text.getvalue()
