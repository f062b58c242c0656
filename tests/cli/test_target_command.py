"""One target by words: `membership --target` and `score --target`, in this process."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from jaxattack.cli import application
from jaxattack.data import load
from jaxattack.types import InputError


def command(*words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jaxattack", *words])
    return application()([*words], result_action="return_value")


def test_references_are_trained_for_a_target_and_kept(tmp_path, monkeypatch, capsys):
    iris = load("iris")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "answers.npz", logits=rng.normal(size=(150, 3)) + 3 * np.eye(3)[iris.y])
    np.save(tmp_path / "members.npy", rng.permutation(150)[:70])
    words = (
        "membership", "--target", str(tmp_path / "answers.npz"), "--members", str(tmp_path / "members.npy"), "--data", "iris",
        "--model", "softmax", "--epochs", "2", "--models", "4", "--chunk", "4", "--attacks", "loss", "calibration", "--fpr", "0.1",
        "--also", "mlp:4", "--json", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    command(*words, monkeypatch=monkeypatch)
    told = capsys.readouterr()
    findings = json.loads(told.out)
    verdicts = findings["verdicts"]
    assert (verdicts["fpr"], verdicts["members"], verdicts["non_members"]) == (0.1, 70, 80)
    assert verdicts["wrong"] <= 8
    assert (findings["references"]["origin"], findings["references"]["models"]) == ("trained here", 4)
    assert [other["what"] for other in findings["others"]] == ["mlp:4"]
    assert findings["cost"]["models"] == 8
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"report.json", "records.csv", "references", "also-mlp-4"} <= names

    # The target's members have no part in how references are trained: other members, the same references.
    np.save(tmp_path / "members.npy", rng.permutation(150)[:70])
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "references").rglob("*.npz")}
    command(*words, monkeypatch=monkeypatch)
    again = json.loads(capsys.readouterr().out)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "references").rglob("*.npz")}
    assert again["records"]["score"] == findings["records"]["score"]
    assert again["records"]["member"] != findings["records"]["member"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("membership", "--fpr", "0.1"), "fpr is given, which is of one target, and no target"),
        (("membership", "--also", "mlp:4"), "also is given, which is of one target"),
        (("membership", "--target", "a.npz", "--poison", "4"), "poison is given and target too"),
        (("membership", "--target", "none.npz", "--data", "iris"), "none.npz does not exist"),
        (("membership", "--target", "none.npz", "--data", "iris", "--members", "no.npy"), "no.npy cannot be read"),
        (("membership", "--target", "a.npz", "--fpr", "0"), "fpr is 0.0: give a number between 0 and 1"),
        (
            ("membership", "--target", "a.npy", "--data", "iris"),
            "target is 'a.npy', which is no model that is trained already",
        ),
        (("membership", "--target", "a.npz", "--data", "iris", "--also", "cnn:4"), "model 'cnn:4' needs images"),
        (("score", "a.npz", "--calibrate", "record"), "fpr or calibrate is given"),
        (("score", "a.npz", "--target", "0", "--all-scores"), "all_scores is given and target too"),
    ],
)
def test_words_that_mean_nothing_together_are_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        command(*words, monkeypatch=monkeypatch)


def test_a_row_of_a_file_is_a_target(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    member = np.stack([side for half in rng.random((3, 60)) < 0.5 for side in (half, ~half)])
    np.savez(tmp_path / "models.npz", logits=rng.normal(size=(6, 60, 2)), member=member, label=rng.integers(0, 2, 60))
    words = ("score", str(tmp_path / "models.npz"), "--target", "2", "--attacks", "loss", "--json")
    command(*words, monkeypatch=monkeypatch)
    findings = json.loads(capsys.readouterr().out)
    assert (findings["kind"], findings["references"]["models"]) == ("target", 5)
    assert findings["records"]["member"] == member[2].astype(int).tolist()
    assert (tmp_path / "models.target-2.report" / "records.csv").is_file()
