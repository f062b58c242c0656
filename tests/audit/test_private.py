"""Private training with canaries: a leak is found, noise hides it below the accountant's bound, and a run is gone on with."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import CanarySweep, EpsilonAudit, audit_gradients, audit_training, private, sweep
from jaxattack.audit.findings.epsilon import LossFindings
from jaxattack.data import gaussian
from jaxattack.models import Architecture
from jaxattack.report import headline, read, write
from jaxattack.store import RunFolder
from jaxattack.training import Recipe
from jaxattack.training.learners import DPSGD
from jaxattack.types import InputError

pytest.importorskip("dp_accounting")

RECORDS = gaussian(records=70, features=30, classes=3, separation=3.0)
SWEEP = CanarySweep(models=32, canaries=20)


def run(folder, **changes):
    settings = {
        "model": Architecture(name="softmax"),
        "recipe": Recipe(epochs=20, batch=20, learning_rate=0.05),
        "private": DPSGD(noise=0.0, clip=5.0),
        "sweep": SWEEP,
        "audit": EpsilonAudit(delta=1e-4),
        "dataset": RECORDS,
    } | changes
    return audit_training(folder, **settings)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaky") / "run"
    return folder, run(folder)


def test_training_without_noise_leaks_and_has_no_upper_bound(leaky):
    _, findings = leaky
    assert findings.headline.epsilon > 1
    assert all(row.epsilon == np.inf for row in findings.upper)
    assert "no noise was added" in headline(findings)
    assert findings.experiment.coins == 32 * 20
    assert findings.training.background == 50
    losses = findings.training.preflight
    assert losses.silent == 0
    assert losses.out.median > losses.in_.median > 0
    assert findings.training.private.steps == 20 * ((50 + 20) // 20)


def test_a_finished_run_is_only_bounded_again(leaky, monkeypatch):
    folder, findings = leaky
    monkeypatch.setattr(sweep, "Engine", None)
    again = run(folder, audit=EpsilonAudit(delta=1e-4, declare="one_run"))
    assert again.headline.declared
    assert again.headline.epsilon >= findings.headline.epsilon
    fewer = run(folder, sweep=CanarySweep(models=8, canaries=20))
    assert fewer.experiment.models == 8


def test_the_coins_in_the_folder_are_the_coins_that_are_counted(leaky):
    folder, findings = leaky
    member = RunFolder.existing(folder).observations(32).member
    assert member[:, 20:].all()
    assert int(member[:, :20].sum()) == findings.experiment.ins


def test_noise_hides_the_canaries_below_the_accountants_bound(tmp_path):
    findings = run(tmp_path / "run", private=DPSGD(noise=3.0, clip=1.0), sweep=CanarySweep(models=8, canaries=20))
    uppers = [row.epsilon for row in findings.upper]
    assert 0 < min(uppers) < 20
    assert findings.headline.epsilon < min(uppers)
    write(tmp_path / "report", findings)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "PLD, Poisson sampling" in page
    assert "20 mislabelled, beside 50 records that are always in" in page
    assert read(tmp_path / "report")["training"]["private"]["noise"] == 3.0


def test_another_kind_of_canary_is_another_run(leaky):
    with pytest.raises(InputError, match="holds another run"):
        run(leaky[0], sweep=CanarySweep(models=32, canaries=20, kind="natural"))


def test_canaries_without_a_loss_are_refused_before_training(tmp_path, monkeypatch):
    sure = {"phi": np.full((70, 1), 60.0), "correct": np.ones((70, 1))}
    monkeypatch.setattr(private, "observe_one", lambda *_: sure)
    with pytest.raises(InputError, match="20 of 20 canaries have no loss"):
        run(tmp_path / "run")


def test_a_mean_loss_over_no_models_is_unknown():
    member = np.array([[True, False], [True, True]])
    preflight = private._preflight(np.ones(2), np.array([[1.0, 2.0], [3.0, 4.0]]), member)
    assert preflight.in_ == LossFindings(lowest=2.0, median=3.0, highest=4.0)
    assert preflight.out == LossFindings(lowest=2.0, median=2.0, highest=2.0)


def test_canaries_that_are_records_and_gradients_are_audited_apart(tmp_path):
    with pytest.raises(InputError, match="kind is dirac: give natural"):
        run(tmp_path / "run", sweep=CanarySweep(kind="dirac"))
    with pytest.raises(InputError, match="kind is blank: give dirac or random"):
        audit_gradients(model=Architecture(name="softmax"), dataset=RECORDS, sweep=CanarySweep(kind="blank"))
    assert not (tmp_path / "run").exists()
