"""The command `epsilon`, as installed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command import run
from report.readable import check_report


def test_scores_become_a_report_beside_the_file(tmp_path):
    rng = np.random.default_rng(0)
    member = rng.random(401) < 0.5
    np.savez(tmp_path / "scores.npz", score=member + rng.normal(size=401), member=member)
    done = run("epsilon", "scores.npz", "--json", "--upper", "4.38", folder=tmp_path)
    values = json.loads(done.stdout)
    assert values["kind"] == "epsilon"
    assert 0 < values["headline"]["epsilon"] < 4.38
    assert (tmp_path / "scores.epsilon" / "report.html").exists()
    assert "epsilon is at least" in done.stderr


def test_what_cannot_be_read_ends_with_one_sentence(tmp_path):
    done = run("epsilon", "nothing.npz", folder=tmp_path, expect=2)
    assert done.stderr.strip().count("\n") == 0
    assert "nothing.npz does not exist" in done.stderr


def test_gradient_canaries_come_near_the_accountant(tmp_path):
    pytest.importorskip("dp_accounting")
    words = (
        "--model softmax --data iris --standardise none --kind random --canaries 12 --models 90 --batch 1000 --epochs 4"
    )
    done = run("epsilon", *words.split(), "--noise", "1", "--out", "run", "--json", folder=tmp_path)
    values = json.loads(done.stdout)
    assert values["headline"]["name"] == "gaussian"
    upper = min(row["epsilon"] for row in values["upper"])
    assert 0.8 * upper < values["headline"]["epsilon"] < upper
    assert "12 gradients (random), beside 150" in (tmp_path / "run" / "report.html").read_text()
    check_report(tmp_path / "run")


def test_scores_and_training_are_not_asked_for_at_once(tmp_path):
    done = run("epsilon", "scores.npz", "--noise", "2.0", folder=tmp_path, expect=2)
    assert "trains nothing" in done.stderr
