"""Tables of unscaled columns: sweeps and victims learn from them, answer about records as they are, and say so."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from jaxattack import Recipe, membership, open_victim
from jaxattack.attacks.membership import Threshold
from jaxattack.audit import load_victim, train_victim
from jaxattack.audit.judge import evaluation_model
from jaxattack.data import save, unscaled_columns
from jaxattack.models import Architecture
from jaxattack.training import learners
from jaxattack.types import Dataset, InputError

MODEL = Architecture(name="mlp:16")
LEARNER = learners.Standard(recipe=Recipe(epochs=10, learning_rate=0.01))


@pytest.fixture(scope="module")
def raw():
    measured = load_breast_cancer()
    x = np.concatenate([measured.data, 1e5 * measured.data[:, :1]], axis=1)
    return Dataset(x=x.astype(np.float32), y=measured.target, classes=2, name="raw")


def test_a_sweep_learns_from_them_unless_they_are_to_stay(raw, tmp_path):
    accuracy, identity = {}, {}
    for way in ("members", "none"):
        found = membership(
            tmp_path / way,
            model=MODEL,
            dataset=raw,
            standardise=way,
            learner=LEARNER,
            models=4,
            attacks=(Threshold(quantity="loss"),),
        )
        accuracy[way] = found.findings.models.test_accuracy.mean
        identity[way] = json.loads((tmp_path / way / "run.json").read_text())
    assert accuracy["members"] > 0.93
    assert accuracy["none"] < accuracy["members"] - 0.05
    assert "standardised" in identity["members"]
    assert "standardised" not in identity["none"]


def test_a_victim_answers_about_records_as_they_are(raw, tmp_path):
    described = train_victim(tmp_path, model=MODEL, dataset=raw, learner=LEARNER)
    trained = load_victim(tmp_path)
    right = np.asarray(trained.model.apply(trained.variables, raw.x)).argmax(axis=1) == raw.y
    assert right[~trained.member].mean() == pytest.approx(described["test_accuracy"])
    assert described["test_accuracy"] > 0.93


def test_victims_and_judges_that_audits_train_learn_what_they_would_of_scaled_columns(raw, tmp_path):
    save(raw, tmp_path / "raw.npz")
    victim = open_victim("mlp:16", data=str(tmp_path / "raw.npz"))
    members = raw.x[victim.member].astype(np.float64)
    far = np.array(unscaled_columns(raw))
    scaled = np.where(far, (raw.x - members.mean(axis=0)) / members.std(axis=0), raw.x).astype(np.float32)
    save(replace(raw, x=scaled), tmp_path / "scaled.npz")
    naive = open_victim("mlp:16", data=str(tmp_path / "scaled.npz"))
    np.testing.assert_allclose(
        victim.oracle(raw.x.astype(float)).probability, naive.oracle(scaled.astype(float)).probability, atol=2e-3
    )
    right = victim.oracle(raw.x.astype(float)).label == raw.y
    assert right[~victim.member].mean() > 0.93
    assert victim.notes == (
        f"mlp:16 is trained with {far.sum()} columns of {victim.dataset.name} far from one scale put on that of its members.",
    )
    assert naive.notes == ()
    assert evaluation_model(victim, MODEL, seed=0).accuracy > 0.93


def test_a_scale_that_privacy_does_not_cover_is_refused(raw, tmp_path):
    with pytest.raises(InputError, match="dp-sgd does not cover"):
        train_victim(tmp_path, model=MODEL, dataset=raw, learner=learners.LEARNERS["dp-sgd"])
    with pytest.raises(InputError, match="standardise is 'robust'"):
        membership(model=MODEL, dataset=raw, standardise="robust")
