"""Poisoned sweeps: what is trained and scored, that folders are told apart, and that poison raises what is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxattack import InputError, Recipe, load, rescore
from jaxattack.attacks.membership import LiRA, lookup
from jaxattack.audit import MembershipAudit
from jaxattack.audit.poisoning import Poisoning, poison
from jaxattack.audit.scoring import scored_observations
from jaxattack.audit.sweep import train_run
from jaxattack.data.designs import Halves, Poisson
from jaxattack.models import Architecture
from jaxattack.report import write
from jaxattack.store import RunFolder
from jaxattack.training.learners import Standard
from jaxattack.types import InputWarning

SMALL = MembershipAudit(
    model=Architecture(name="mlp:64"),
    dataset=load("digits"),
    records=400,
    learner=Standard(recipe=Recipe(epochs=15, batch=32)),
    models=16,
    attacks=(LiRA(online=True),),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("poison")
    return out, poison(out, SMALL, Poisoning(copies=(4,), targets=40)).findings


def test_poison_is_in_every_model_and_is_not_scored(run):
    out, findings = run
    folder = RunFolder.existing(out / "copies-4")
    everything, scored = folder.observations(16), scored_observations(folder, 16)
    assert everything.member.shape == (16, 400 + 160)
    assert everything.member[:, 400:].all()
    assert scored.records == findings.models.records == 400
    plain = RunFolder.existing(out / "copies-0").observations(16)
    np.testing.assert_array_equal(scored.member, plain.member)


def test_copies_raise_what_is_found_of_the_targets(run):
    curve = run[1].poison.curve
    assert [row.copies for row in curve] == [0, 4]
    clean, poisoned = (row.targets.auc for row in curve)
    assert poisoned > clean + 0.05


def test_a_poisoned_run_is_scored_again_without_its_poison(run):
    out, findings = run
    again = rescore(out / "copies-4", SMALL.attacks).findings
    assert again.models.records == 400
    assert again.attacks[0].auc == findings.attacks[0].auc


def test_the_page_says_what_poison_raises(run, tmp_path):
    write(tmp_path, run[1])
    page = (tmp_path / "report.html").read_text()
    assert "What poison raises" in page
    before, after = (row.targets.tpr["0.01"] for row in run[1].poison.curve)
    verb = "raise" if after > before else "lower" if after < before else "do not change"
    assert f"4 copies with a wrong label {verb} what lira-online finds of 40 records" in page
    assert (tmp_path / "poison.png").stat().st_size > 5000


def test_a_folder_of_other_poison_is_refused(run):
    with pytest.raises(InputError, match="holds another run"):
        train_run(run[0] / "copies-4", replace(SMALL, background=8))


@pytest.mark.parametrize(
    ("poisoning", "message"),
    [
        ({"copies": ()}, "copies is ()"),
        ({"copies": (-1,)}, "copies is"),
        ({"targets": 1.5}, "targets is 1.5"),
        ({"copies": (1.5,)}, "copies is"),
    ],
)
def test_what_is_no_poison_is_refused(poisoning, message):
    with pytest.raises(InputError) as refusal:
        Poisoning(**poisoning)
    assert message in str(refusal.value)


def test_targets_that_are_no_records_are_refused_before_training(tmp_path):
    with pytest.raises(InputError, match="from 0 to 399"):
        poison(tmp_path, SMALL, Poisoning(targets=(400,)))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("models", "design"), [(4, Halves()), (8, Poisson())])
def test_a_curve_that_cannot_be_drawn_is_refused_before_training(tmp_path, models, design):
    audit = replace(SMALL, dataset=load("iris"), records=None, models=models, design=design, attacks=(lookup("loss"),))
    with pytest.raises(InputError, match="curve of lira-online cannot be drawn: too few of the records"):
        poison(tmp_path / "run", audit, Poisoning(copies=(1,), targets=3))
    assert not (tmp_path / "run").exists()


def test_records_that_the_curve_cannot_score_are_left_out_of_it(tmp_path):
    audit = MembershipAudit(
        model=Architecture(name="softmax"),
        dataset=load("iris"),
        learner=Standard(recipe=Recipe(epochs=1, batch=16)),
        models=12,
        design=Poisson(),
        attacks=(LiRA(online=True),),
    )
    with pytest.warns(InputWarning, match="eft out"):
        findings = poison(tmp_path, audit, Poisoning(copies=(1,), targets=30)).findings
    assert [row.copies for row in findings.poison.curve] == [0, 1]
