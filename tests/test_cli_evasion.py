"""The command `evade`, as a user runs it."""

from __future__ import annotations

import json

import pytest
from command import run
from report.readable import check_report


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def test_without_options_digits_are_moved_just_over_a_boundary(tmp_path):
    done = run("evade", "--out", "made", "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert found["success"]["among_right"] == 1
    assert found["success"]["records"] == len(found["records"]) == 100
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert {"report.html", "gallery.png", "curve.svg", "records.csv", "examples.npz"} <= names
    check_report(tmp_path / "made")


def test_the_chain_of_a_thief_is_one_command(tmp_path):
    done = run(
        "evade",
        "softmax",
        "--extract",
        "softmax",
        "--method",
        "fgsm?size=0.2",
        "--records",
        "20",
        "--http",
        folder=tmp_path,
    )
    assert "transfer-fgsm fools softmax on digits" in done.stdout
    report = json.loads(next((tmp_path / "jaxattack-runs").glob("evade-softmax-*/report.json")).read_text())
    assert report["attack"]["stolen"]["complete"]
    assert report["cost"]["questions"] == 40
    assert "loopback" in report["victim"]["transport"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "deepfol"), "did you mean 'deepfool'"),
        (("tree", "--method", "deepfool"), "needs the weights of tree on digits"),
        (("--records", "0"), "records is 0"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    done = run("evade", *arguments, folder=tmp_path, expect=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_lists_victims_and_methods(tmp_path):
    text = run("evade", "--help", folder=tmp_path).stdout
    for word in ("deepfool", "hopskipjump", "transfer-fgsm", "--extract", "--records"):
        assert word in text
