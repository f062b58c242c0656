"""The matrix: every attack against every defence, each cell measured once and kept."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from audit.matrices import (
    LABEL,
    LONGER,
    LOSS,
    NOISE,
    ONLINE,
    PLACEMENT,
    RECIPE,
    ROUND,
    cells_by_access,
    run,
    settings,
    timeless,
)

from jaxattack.attacks.membership import Threshold, by_label, lookup
from jaxattack.audit import Column, sweep
from jaxattack.audit.matrix import cells, columns, run_matrix
from jaxattack.audit.matrix.membership import cells_of, static_scores
from jaxattack.audit.scorable import Scorable
from jaxattack.defences import Purifier, Round
from jaxattack.metrics import auc, roc_curve
from jaxattack.training.learners import DMP
from jaxattack.types import Observations


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    return folder, run(folder)


def test_every_defence_is_attacked_by_references_that_know_of_it_and_by_some_that_do_not(made):
    findings = made[1]
    assert [column.name for column in findings.columns] == ["none", "round", "noise", "label", "longer"]
    assert cells_by_access(findings, "none", "lira-online").keys() == {(True, 1)}
    assert cells_by_access(findings, "round", "lira-online").keys() == {(True, 1), (False, 1)}
    assert cells_by_access(findings, "noise", "lira-online").keys() == {(True, 1), (False, 1), (True, 4)}
    assert cells_by_access(findings, "longer", "lira-online").keys() == {(True, 1), (False, 1)}
    for defence in ("none", "round", "longer"):
        (alone,) = cells_by_access(findings, defence, "loss").values()
        assert alone.static_alike
        assert (alone.models, alone.gradient_steps) == (1, 0)
    assert all(cells_by_access(findings, column.name, "gap") for column in findings.columns)
    assert cells_by_access(findings, "noise", "lira-online")[True, 4].queries_per_record == 4


def test_figures_are_those_of_scores_that_are_summed_up_by_hand(made):
    folder, findings = made
    audit = settings()
    observations = columns.open_column(
        folder, audit, Column(name="none"), placement=PLACEMENT, cluster=None, progress=None
    ).observations
    cell = cells_by_access(findings, "none", "lira-online")[True, 1]
    curve = roc_curve(ONLINE(observations)[:4].ravel(), observations.member[:4].ravel())
    assert cell.auc == cell.leak == auc(curve)
    assert cell.auc_interval[0] <= cell.auc <= cell.auc_interval[1]
    assert cell.tpr["0.1"] == curve.tpr[curve.fpr <= 0.1].max()
    assert cell.resolvable == {"0.1": True, "0.01": True, "0.001": False, "0.0001": False, "0.00001": False}
    assert (cell.models, cell.gradient_steps) == (8, 8 * 30 * 3)
    right = observations.signal("correct")[:, :, 0]
    column = findings.columns[0]
    assert column.test_accuracy.mean == pytest.approx(right[~observations.member].reshape(8, -1).mean())
    floor = cells_by_access(findings, "none", "gap")[True, 1].auc
    gap = np.mean([row[inside].mean() - row[~inside].mean() for row, inside in zip(right[:4], observations.member[:4], strict=True)])  # fmt: skip
    assert column.gap == floor == pytest.approx(0.5 + gap / 2)


def test_a_theft_is_complete_where_nothing_told_the_copy_from_its_victim_and_not_where_it_ended(made):
    # Of substitutes, which come to their end with any answers, it was always said.
    thefts = [cell for cell in made[1].cells if cell.family == "extraction" and not cell.reason]
    assert any(cell.complete for cell in thefts)
    assert all(cell.leak == 1 for cell in thefts if cell.complete)
    assert any(cell.leak < 1 for cell in thefts)


def test_a_static_attack_sees_one_defended_row_among_undefended_ones(made):
    rng = np.random.default_rng(0)
    member = np.repeat(rng.random((3, 30)) < 0.5, 2, axis=0)
    member[1::2] = ~member[::2]

    def observed(shift):
        phi = (rng.standard_normal((6, 30, 1)) + member[..., None] + shift).astype(np.float32)
        return Observations(signals={"phi": phi}, member=member, label=np.zeros(30, int))

    plain, defended = observed(0.0), observed(5.0)
    scores = static_scores(ONLINE, plain, defended, range(4))
    for target in range(4):
        phi = np.concatenate(
            [plain.signals["phi"][:target], defended.signals["phi"][[target]], plain.signals["phi"][target + 1 :]]
        )
        np.testing.assert_array_equal(scores[target], ONLINE(replace(plain, signals={"phi": phi}), [target])[0])


def test_what_a_defence_does_to_answers_is_told(made):
    by_name = {column.name: column for column in made[1].columns}
    assert by_name["none"].distortion is by_name["longer"].distortion is None
    assert 0 < by_name["round"].distortion < 3 * 0.005
    assert by_name["round"].label_changes == 0
    assert by_name["round"].test_accuracy == by_name["none"].test_accuracy
    assert by_name["noise"].distortion > 0.05
    assert by_name["label"].label_changes == 0
    assert [by_name[name].trained for name in ("none", "round", "longer")] == [True, False, True]
    assert by_name["longer"].gradient_steps == 2 * by_name["none"].gradient_steps
    assert len(list((made[0] / "sweeps").iterdir())) == 5


def test_what_cannot_be_run_says_why(made):
    findings = made[1]
    reasons = {
        (cell.defence, cell.attack): cell.reason
        for cell in findings.cells
        if cell.reason and cell.family != "extraction"
    }
    assert "reads phi, which sees probability, and label shows label" in reasons["label", "lira-online"]
    assert "label answers" in reasons["label", "numeric?steps=3"]
    assert "shows its answers alone" in reasons["round", "mi-face?restarts=1&steps=3"]
    assert ("longer", "mi-face?restarts=1&steps=3") not in reasons
    assert all(cell.leak is None for cell in findings.cells if cell.reason)
    stolen = cells_by_access(findings, "none", "uniform-retraining?budget=20&rounds=2")[False, 1]
    assert 0 <= stolen.leak_interval[0] <= stolen.leak <= stolen.leak_interval[1] <= 1
    assert stolen.queries == 20 + 1  # a session asks one question twice
    assert "label" in cells_by_access(findings, "label", "softmax")[False, 1].reason
    made_back = cells_by_access(findings, "round", "numeric?steps=3")[False, 1]
    assert made_back.targets == 3
    assert made_back.queries > 0


def test_the_strongest_attack_is_a_choice_and_its_interval_allows_for_it(made):
    for column in made[1].columns:
        best = column.strongest
        ran = [
            cell for cell in made[1].cells
            if cell.defence == column.name and cell.family == "membership" and not cell.reason
        ]  # fmt: skip
        assert best.choices == len(ran)
        assert best.rate == "0.1"  # of 120 non-members
        (cell,) = [
            cell for cell in ran
            if (cell.attack, cell.adaptive, cell.repetitions) == (best.attack, best.adaptive, best.repetitions)
        ]  # fmt: skip
        assert best.tpr == max(one.tpr["0.1"] for one in ran) == cell.tpr["0.1"]
        assert (
            best.tpr_interval[0] <= cell.tpr_interval["0.1"][0] <= cell.tpr_interval["0.1"][1] <= best.tpr_interval[1]
        )


def test_a_second_call_measures_nothing_and_says_the_same(made, no_training):
    again = run(made[0])
    assert again.cost.new_cells == 0
    assert timeless(again) == timeless(made[1])


def test_one_more_column_and_attack_cost_their_own_cells_alone(made, no_training, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(made[0], folder)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("cells/*")}
    more = Column(name="rounder", defences=(Round(decimals=1),))
    both = {"extractions": (), "inversions": ()}
    wider = run(folder, columns=(ROUND, NOISE, LABEL, LONGER, more), **both)
    assert wider.cost.new_cells == 2 + 1 + 1  # lira-online twice, loss and gap
    confident = Threshold(quantity="confidence")
    longer = run(folder, columns=(ROUND, more), attacks=(ONLINE, LOSS, confident), **both)
    assert longer.cost.new_cells == 3  # the attack on none, round and rounder
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_a_matrix_that_is_stopped_between_cells_ends_as_if_it_never_was(made, tmp_path, monkeypatch):
    kept = cells.write_json
    written = []

    def stop(file, content):
        if len(written) == 5:
            raise KeyboardInterrupt
        kept(file, content)
        written.append(file)

    small = {"columns": (ROUND,), "inversions": ()}
    monkeypatch.setattr(cells, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", **small)
    monkeypatch.setattr(cells, "write_json", kept)
    assert len(list((tmp_path / "stopped" / "cells").iterdir())) == 5
    ended = run(tmp_path / "stopped", **small)
    assert ended.cost.new_cells == 3 + 4 + 2 * 2 - 5
    assert timeless(ended) == timeless(run(made[0], **small))


def test_a_cluster_trains_what_has_models_of_its_own(tmp_path, monkeypatch):
    addresses = []

    def train(plan, address, placement, progress):
        addresses.append(address)
        sweep.train_missing(plan, range(len(plan.member)), placement, progress)

    monkeypatch.setattr(sweep, "train_on_cluster", train)
    audit = settings(columns=(ROUND, LONGER), extractions=(), inversions=())
    findings = run_matrix(tmp_path, audit, placement=PLACEMENT, cluster="here:1").findings
    assert set(addresses) == {"here:1"}
    assert findings.cost.models == 16


def test_a_learner_that_sets_records_aside_has_no_undefended_references(made, tmp_path):
    own = Column(name="private", learner=DMP(recipe=RECIPE))
    folder = tmp_path / "copy"
    shutil.copytree(made[0], folder)
    findings = run(folder, columns=(own,), extractions=(), inversions=())
    by_how = cells_by_access(findings, "private", "lira-online")
    assert not by_how[True, 1].reason
    assert by_how[True, 1].queries == 60 - 20  # those set aside are not asked about
    assert "has records set aside, and its models have other members" in by_how[False, 1].reason
    assert not cells_by_access(findings, "private", "gap")[True, 1].reason


def test_columns_that_all_set_as_many_records_aside_have_undefended_references(tmp_path):
    own = Column(name="private", defences=(Purifier(swap=False, passes=2, reserve=1 / 3),))
    findings = run(
        tmp_path, columns=(own,), attacks=(lookup("calibration"),), reserve=1 / 3, extractions=(), inversions=()
    )
    by_how = cells_by_access(findings, "private", "calibration")
    assert {cell.queries for cell in by_how.values()} == {60 - 20}
    assert not by_how[False, 1].reason
    assert findings.cost.models == 8  # the defended column asks the undefended one's models


def test_queries_that_are_found_on_models_have_no_static_form(made):
    audit = settings(attacks=(lookup("canary"),))

    def opened(column):
        return columns.open_column(
            made[0], audit, column, placement=PLACEMENT, cluster=None, progress=None
        )  # fmt: skip

    run, bare = opened(ROUND), opened(Column(name="none"))
    part = Scorable(np.arange(60), by_label(audit.attacks), ())
    reasons = {cell.how: cell.reason for cell in cells_of(run, bare, audit, part) if cell.attack.name == "canary"}
    assert reasons["adaptive"] == ""
    assert reasons["static"] == "canary finds its queries on the models of round: undefended ones are asked others."
