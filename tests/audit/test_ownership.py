"""An audit of ownership: copies are told, the innocent are judged as they should be, and nothing that is there is made again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from attacks.ownership.owners import RECIPE, recordings

from jaxattack import load
from jaxattack.attacks.ownership import BlindWalk, Rank
from jaxattack.audit.ownership import OwnershipAudit, run_ownership, suspects
from jaxattack.audit.ownership.judgement import area, calibrated, calibrated_among
from jaxattack.audit.ownership.split import split
from jaxattack.models import Architecture
from jaxattack.training.copies import Extracted, Quantised, Retrained
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, FolderError, InputError

AUDIT = OwnershipAudit(
    model=Architecture(name="mlp:24"),
    dataset=recordings(),
    learner=Standard(recipe=RECIPE),
    tests=(Rank(statistic="lira"), Rank(statistic="label")),
    copies=(Quantised(), Extracted(budget=50), Retrained()),
    seeds=2,
    independents=8,
    others=2,
    other="softmax",
    overlapping=2,
    overlap=0.9,
    references=19,
    members=60,
    held_out=60,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("owner") / "run"
    return out, run_ownership(out, AUDIT).findings


def cells(findings, test="rank-lira"):
    return {cell.kind: cell for cell in findings.cells if cell.test == test}


def test_copies_of_the_records_and_of_the_model_are_told_from_independent_models(finished):
    rows = cells(finished[1])
    assert list(rows) == [
        "victim", "int8", "extract-logit?budget=50", "retrain", "independent", "90% shared records", "independent softmax",
    ]  # fmt: skip
    for kind in ("victim", "int8", "retrain", "90% shared records"):
        assert rows[kind].auc == 1
        assert rows[kind].rank_p_value == pytest.approx(1 / 9)  # the least that eight independent models allow
        assert rows[kind].p_value == pytest.approx(1 / 20)
        assert rows[kind].accused == rows[kind].models
    assert rows["independent"].auc is None
    assert rows["independent"].relation == rows["independent softmax"].relation == "independent"
    assert rows["90% shared records"].relation == "overlapping"


def test_what_a_copy_is_worth_and_costs_is_told(finished):
    by_kind = {row.kind: row for row in finished[1].suspects}
    assert by_kind["victim"].agreement == 1
    assert by_kind["victim"].variation_max == 0
    assert by_kind["int8"].variation_mean < 0.05
    assert (by_kind["int8"].models, by_kind["retrain"].models) == (1, 2)
    assert (by_kind["extract-logit?budget=50"].queries, by_kind["extract-logit?budget=50"].price) == (
        50,
        pytest.approx(0.005),
    )
    assert by_kind["retrain"].steps == RECIPE.steps(60)
    assert by_kind["retrain"].access == "the records"
    assert by_kind["int8"].access == "the model"
    victim = finished[1].victims[0]
    assert victim.train_accuracy - victim.test_accuracy > 0.1
    assert by_kind["victim"].accuracy == victim.test_accuracy


def test_a_run_goes_on_and_one_more_test_or_copy_costs_itself_alone(finished, monkeypatch):
    out, before = finished

    def train(*_, **__):
        raise AssertionError("what is there is trained again")

    monkeypatch.setattr(suspects, "train_ensemble", train)
    again = run_ownership(out, AUDIT).findings
    assert again.cells == before.cells
    assert again.suspects == before.suspects
    more = replace(AUDIT, tests=(*AUDIT.tests, Rank(statistic="loss")), copies=(*AUDIT.copies, Quantised(bits=4)))
    longer = run_ownership(out, more).findings
    assert cells(longer, "rank-loss")["int8?bits=4"].auc == 1
    assert cells(longer)["retrain"] == cells(before)["retrain"]


def test_a_folder_of_something_else_is_refused_and_damage_named(finished, tmp_path):
    out, _ = finished
    with pytest.raises(InputError, match="is of another owner \\(seed was 0 and is now 1\\)"):
        run_ownership(out, replace(AUDIT, seed=1))
    older = tmp_path / "older"
    shutil.copytree(out, older)
    identity = json.loads((older / "ownership.json").read_text())
    (older / "ownership.json").write_text(json.dumps(identity | {"format": 1}))
    with pytest.raises(InputError, match="older was made by another version"):
        run_ownership(older, AUDIT)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that are no run of ownership"):
        run_ownership(tmp_path, AUDIT)
    proofs = next((out / "proofs").glob("rank-label-retrain*.json"))
    kept = proofs.read_text()
    one = json.loads(kept)["proofs"][0]
    bad = (
        one | {"gradients": "<b>"},
        one | {"p_value": 7},
        one | {"score": "a"},
        one | {"cost": one["cost"] | {"queries": "many"}},
    )
    damages = (
        {}, {"proofs": [{}, {}], "seconds": 1}, {"proofs": 1, "seconds": 1}, {"proofs": [one], "seconds": 1},
        *({"proofs": [one, other], "seconds": 1} for other in bad),
    )  # fmt: skip
    for damage in damages:
        proofs.write_text(json.dumps(damage))
        with pytest.raises(InputError, match="is damaged"):
            run_ownership(out, AUDIT)
    proofs.write_text(kept)
    cost = next((out / "models").glob("retrain*.json"))
    before = cost.read_text()
    for text in ("{}", before.replace('"queries": 0', '"queries": -1'), before.replace("price", "prize")):
        cost.write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            run_ownership(out, AUDIT)
    cost.write_text(before)
    weights = cost.with_suffix(".npz")
    learnt = dict(np.load(weights))
    content = weights.read_bytes()
    np.savez(weights, **{name: leaf * np.nan for name, leaf in learnt.items()})
    with pytest.raises(InputError, match=f"{weights.name} holds what is NaN or infinite"):
        run_ownership(out, AUDIT)
    weights.write_bytes(content)
    assert json.loads(kept)["proofs"][0]["cost"]["queries"] == 120


LEAN = replace(
    AUDIT, independents=2, others=0, overlapping=0, tests=(Rank(statistic="label"),), copies=(Quantised(),)
)  # fmt: skip


def test_its_cost_is_what_each_suspect_was_asked_and_not_the_most_times_their_number(tmp_path):
    walk = BlindWalk(training=20, records=20, exposure=10, repeats=1, steps=20)
    findings = run_ownership(tmp_path, replace(LEAN, independents=4, tests=(walk,))).findings
    proofs = [proof for file in (tmp_path / "proofs").iterdir() for proof in json.loads(file.read_text())["proofs"]]
    assert len(proofs) == 1 + 1 + 4
    assert findings.cost.queries == sum(proof["cost"]["queries"] for proof in proofs)
    assert findings.cost.price == pytest.approx(sum(proof["cost"]["price"] for proof in proofs))
    assert findings.cost.queries < sum(cell.queries * cell.models for cell in findings.cells)


def test_evidence_that_does_not_fit_or_cannot_be_read_is_named_and_no_finding(tmp_path):
    run_ownership(tmp_path, LEAN)
    for proof in (tmp_path / "proofs").iterdir():
        proof.unlink()
    file = next((tmp_path / "evidence").glob("*.npz"))
    arrays = dict(np.load(file))
    for damage in ({"label": arrays["label"][:, :3]}, {"x": arrays["x"][:, :2]}):
        np.savez(file, **arrays | damage)
        with pytest.raises(FolderError, match=f"{file.name} does not fit rank-label"):
            run_ownership(tmp_path, LEAN)
    np.savez(file, x=arrays["x"])
    with pytest.raises(FolderError, match="does not fit"):
        run_ownership(tmp_path, LEAN)
    file.write_bytes(b"PK")
    with pytest.raises(FolderError, match="is damaged"):
        run_ownership(tmp_path, LEAN)
    file.unlink()
    with pytest.raises(FolderError, match="does not exist"):
        run_ownership(tmp_path, LEAN)


def test_parts_of_one_label_are_refused_by_what_they_are():
    few = Dataset(x=np.zeros((12, 2), np.float32), y=np.array([0] + [1] * 11), classes=2, name="few")
    with pytest.raises(InputError, match="of 12 records those the owner's would all have the label 1"):
        split(replace(AUDIT, dataset=few, members=3, held_out=2))


def test_a_test_that_cannot_be_run_says_why_and_the_others_are(tmp_path):
    lean = replace(
        AUDIT,
        references=18,
        independents=2,
        others=0,
        overlapping=0,
        tests=(Rank(statistic="label"),),
        copies=(Quantised(),),
    )
    findings = run_ownership(tmp_path / "run", lean).findings
    assert findings.tests[0].reason == "there are 18 references: give 19 or more, so that a rank can be one in 20."
    assert findings.cells == ()


def test_p_values_and_areas_are_those_counted_by_hand():
    null, scores = np.asarray([0.0, 1.0, 1.0, 3.0]), np.asarray([1.0, 4.0])
    assert area(scores, null) == ((1 + 0.5 + 0.5 + 0) + 4) / 8
    assert calibrated(scores, null).rank.tolist() == [4 / 5, 1 / 5]
    among = calibrated_among(null)
    assert among.rank.tolist() == [1, 3 / 4, 3 / 4, 1 / 4]
    for number in range(4):
        rest = np.delete(null, number)
        assert among.normal[number] == pytest.approx(calibrated(null[[number]], rest).normal[0])


@pytest.mark.parametrize("kind", ["normal", "matches of few points", "matches"])
def test_a_prediction_accuses_as_few_as_stated_whatever_scores_are(kind):
    """Of scores that are mostly 0, as those of conferrable points, it accused one in nine of the innocent at 5%."""
    rng = np.random.default_rng(0)
    draw = {
        "normal": lambda size: rng.normal(size=size),
        "matches of few points": lambda size: np.where(rng.random(size) < 0.8, 0, rng.binomial(20, 0.3, size) / 20),
        "matches": lambda size: rng.binomial(100, 0.02, size) / 100,
    }[kind]
    accused = [(calibrated(draw(50), draw(30)).normal <= 0.05).mean() for _ in range(400)]
    among = [(calibrated_among(draw(30)).normal <= 0.05).mean() for _ in range(400)]
    for each in (accused, among):
        assert np.mean(each) <= 0.05 + 3 * np.std(each) / 20
    thief = calibrated(np.array([20.0]), rng.normal(size=30)).normal[0]
    assert thief < 1e-9  # of normal scores it is the claim that it was


def test_records_are_dealt_out_once_and_scaled_by_those_of_the_public():
    rng = np.random.default_rng(0)
    table = Dataset(
        x=np.stack([rng.normal(size=40), 100 + 50 * np.arange(40)], axis=1).astype(np.float32), y=np.arange(40) % 2, classes=2,
        name="table",
    )  # fmt: skip
    parts = split(replace(AUDIT, dataset=table, members=10, held_out=8))
    assert [len(part) for part in (parts.members, parts.held_out, parts.public)] == [10, 8, 22]
    assert len(np.unique(parts.every.x[:, 1])) == 40
    assert parts.public.x[:, 1].mean() == pytest.approx(0, abs=1e-5)
    assert parts.public.x[:, 1].std() == pytest.approx(1, abs=1e-5)
    pictures = split(replace(AUDIT, dataset=load("digits"), members=None, held_out=None, records=100))
    assert (pictures.every.x.min(), pictures.every.x.max()) == (-1, 1)
    assert [len(part) for part in (pictures.members, pictures.held_out, pictures.public)] == [25, 20, 55]
    with pytest.raises(InputError, match="of 40 records 30 are the owner's and 8 held out, which leaves 2 for others"):
        split(replace(AUDIT, dataset=table, members=30, held_out=8))


def test_settings_out_of_range_are_one_sentence():
    for field, value in (
        ("overlap", 0.0),
        ("tests", ()),
        ("copies", ()),
        ("independents", 1),
        ("seeds", 0),
        ("other", "mlp"),
    ):
        with pytest.raises(InputError, match=r"\.$"):
            replace(AUDIT, **{field: value})
