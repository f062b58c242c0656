"""The command `invert`, as a user runs it."""

from __future__ import annotations

import json

import pytest
from command import run
from report.readable import check_report


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def test_without_options_ten_digits_are_made_from_a_softmax(tmp_path):
    done = run("invert", "--out", "made", "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert found["recognition"]["victim"] == 1
    assert found["recognition"]["top1"] >= 0.8
    assert len(found["targets"]) == 10
    # A model takes noise for digits: a person must take these for digits too, and be told what of that is the generator's.
    assert found["appearance"]["share"] >= 0.8
    control = found["appearance"]["control"]
    assert control["of_any"] > control["of_class"] + 0.1
    assert "comes mostly from the generator" in (tmp_path / "made" / "report.html").read_text(encoding="utf-8")
    check_report(tmp_path / "made")
    assert {"report.html", "gallery.png", "reconstructions.npz"} <= {
        path.name for path in (tmp_path / "made").iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "mi-fase"), "did you mean 'mi-face'"),
        (("http://127.0.0.1:9", "--http"), "is asked over HTTP already: leave http out"),
        (("--targets", "3", "rose"), "has classes without names: give the number"),
        (("--targets", "12"), "target is 12 and the victim has 10 classes"),
        (("--method", "mi-face?restarts=0"), "restarts is 0"),
        (("--members", "5000"), "more members than"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    done = run("invert", *arguments, folder=tmp_path, expect=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_lists_victims_and_methods(tmp_path):
    text = run("invert", "--help", folder=tmp_path).stdout
    for word in ("mi-face", "numeric", "partial-tree", "--extract", "--targets"):
        assert word in text
