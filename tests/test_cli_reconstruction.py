"""The command `reconstruct`, as a user runs it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command import run
from report.readable import check_report


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def test_records_of_a_regression_are_solved_for(tmp_path):
    done = run("reconstruct", "newton", "--data", "wine", "--out", "made", "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert found["attack"]["name"] == "convex"
    assert found["comparisons"][0]["leaks"]
    assert found["comparisons"][0]["attack"]["value"] > 0.9
    files = {path.name for path in (tmp_path / "made").iterdir()}
    assert {"report.html", "errors.png", "targets.csv", "reconstructions.npz"} <= files
    check_report(tmp_path / "made")


def test_an_attribute_is_guessed_behind_defences_and_answers_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "table.npz", x=rng.integers(0, (16, 16, 8), (300, 3)), y=rng.integers(0, 10, 300))
    words = ("reconstruct", "full-tree", "--data", "table.npz", "--secret", "2", "--level", "label", "--json")
    first, again = (json.loads(run(*words, "--method", "map", folder=tmp_path).stdout) for _ in range(2))
    assert first["victim"]["level"] == "label"
    assert first["comparisons"][0]["leaks"]
    assert again["cost"]["kept"] == first["cost"]["queries"] > 0
    assert again["comparisons"] == first["comparisons"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "conwex"), "did you mean 'convex'"),
        (("--method", "csmia"), "secret names no column"),
        (("--targets", "0"), "targets is 0"),
        (("--property", "beneath"), "there is no property 'beneath'"),
        (("--rate", "5"), "leave rate out"),
        (("--update-rate", "0"), "learning_rate is 0"),
        (("http://127.0.0.1:1",), "a service comes without its records"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    victim = () if arguments[0].startswith("http") else ("newton", "--data", "iris")
    done = run("reconstruct", *victim, *arguments, folder=tmp_path, expect=2)
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_help_lists_victims_and_methods(tmp_path):
    text = run("reconstruct", "--help", folder=tmp_path).stdout
    for word in ("update-record", "tree-counts", "full-tree", "--secret", "--property"):
        assert word in text
