"""The study of few models, in small: on planted answers, whose strongest attack is known."""

from __future__ import annotations

import io
import json
from functools import partial

import few_models
import numpy as np
import pytest
from attacks.planted import complementary, observe
from comparison import Panel, points_table
from rich.console import Console

from jaxattack.attacks.membership import LiRA

TARGETS = 6


@pytest.fixture(scope="module")
def observations():
    # Records of one spread: what fits a variance to each record of few references loses by it.
    return observe(complementary(12, 200, seed=0), leak=1.5, spread=0.5, seed=1)


def imitators(observations):
    """Answers of sixteen models without the record, for each target."""
    outside = observations.signal("imitation_10_0.8")[:TARGETS, :, 0, :4]
    return np.concatenate([outside, outside + 0.1], axis=-1)


def test_it_keeps_every_attack_for_every_number_of_models_and_says_who_beats_lira(observations, tmp_path, capsys):
    imitated = partial(few_models.imitation_scores, observations, imitators(observations))
    scorers = few_models.registered(observations, TARGETS) | {"IMIA": imitated}
    phi, member = observations.signal("phi")[:TARGETS, :, 0], observations.member[:TARGETS]
    results = few_models.study(scorers, phi, member, (4, 8), tmp_path, "few")
    assert json.loads((tmp_path / "few.json").read_text())["targets"] == TARGETS
    assert (tmp_path / "few.png").stat().st_size > 1000
    assert {*results["attacks"]} == {*few_models.ATTACKS, "IMIA"}
    assert all([one["models"] for one in points] == [4, 8] for points in results["attacks"].values())
    assert results["told"][0] in " ".join(capsys.readouterr().out.split())
    by_name = results["differences"]
    assert few_models.LIRA not in by_name
    assert all(
        one["interval"][0] <= one["difference"] <= one["interval"][1] for by in by_name.values() for one in by.values()
    )


def test_of_the_models_that_imia_may_train_half_imitate_and_pairs_are_ordinary(observations):
    scores = few_models.imitation_scores(observations, imitators(observations), 8)
    phi, member = observations.signal("phi")[:, :, 0].astype(float), observations.member
    target, pairs = 2, [4, 5, 6, 7]  # of pairs 2 and 3, which follow the target's own
    for record in range(20):
        inside = phi[[m for m in pairs if member[m, record]], record].mean()
        outside, own = imitators(observations)[target, record, :2].mean(), phi[target, record]
        expected = (outside - own) ** 2 - (inside - own) ** 2 if inside >= outside else 0.0
        assert scores[target, record] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_for_as_many_models_lira_has_as_many_pairs_as_it_may_train(observations):
    scores = few_models.registered(observations, TARGETS)[few_models.LIRA](4)
    for target, own in ((0, [2, 3, 4, 5, 0]), (5, [6, 7, 8, 9, 5])):
        alone = LiRA(online=True)(observations.take(np.array(own)), [4])
        np.testing.assert_array_equal(scores[target], alone[0])


def test_the_headline_names_those_that_beat_lira_and_no_others():
    one = {"difference": 0.02, "interval": (0.01, 0.03), "beats": True}
    none = {"difference": 0.02, "interval": (-0.01, 0.03), "beats": False}
    said = few_models.headline({"BASE 1": {"0.01": one, "0.001": none}, "BASE 3": {"0.01": none}}, 8)
    assert "BASE 1 at 1% FPR by 2.00 points [1.00, 3.00]" in said
    assert "BASE 3" not in said
    assert "none finds more than LiRA" in few_models.headline({"BASE 3": {"0.01": none}}, 8)


def test_what_a_model_tells_alone_rises_with_the_leak(observations):
    nothing = observe(observations.member, leak=0.0, spread=0.5, seed=1)
    leaking, silent = (
        few_models.alone(one.signal("phi")[:, :, 0], one.member)["0.01"] for one in (observations, nothing)
    )
    assert leaking > silent + 0.01


def test_a_panel_has_its_own_rate():
    point = {"references": 4, "tpr": {"0.01": 0.25, "0.001": 0.5}, "tpr_interval": {"0.01": [0.2, 0.3]}}
    text = io.StringIO()
    Console(width=80, file=text).print(points_table(Panel("references", "references", {"LiRA": [point]}, "0.01")))
    assert "TPR at 1% FPR" in text.getvalue()
    assert "25.0" in text.getvalue()
