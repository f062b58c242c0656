"""The command `poison`, as a user runs it."""

from __future__ import annotations

import json

import pytest
from command import run
from report.readable import check_report


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def test_a_table_is_poisoned_judged_and_gone_on_with(tmp_path):
    words = "poison --data breast_cancer --model softmax --epochs 3 --seeds 2 --method flip-random minimax?steps=200 --shares 0.05 --sanitise slab"
    first = json.loads(run(*words.split(), "--out", "made", "--json", folder=tmp_path).stdout)
    assert [attack["name"] for attack in first["attacks"]] == ["flip-random", "minimax?steps=200"]
    assert first["bound"]["points"][1]["bound"] >= first["bound"]["points"][1]["loss"]
    check_report(tmp_path / "made", names=("breast_cancer",))
    done = run(*words.split(), "--out", "made", folder=tmp_path)
    assert "With 5% of poison by" in done.stdout
    assert "config.toml" in {path.name for path in (tmp_path / "made").iterdir()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--method nothing", "there is no poisoning attack 'nothing'"),
        ("--shares many", "shares has 'many': give shares"),
        ("--shares nan", "shares has 'nan': give shares"),
        ("--sanitise cube", "sanitise is 'cube': choose from sphere"),
        ("--data iris --method badnets", "puts a square on images"),
        ("--method minimax", "is for two classes and digits has 10"),
        ("--classes 3", "name at least two"),
    ],
)
def test_bad_input_ends_with_one_sentence(words, sentence, tmp_path):
    done = run("poison", *words.split(), folder=tmp_path, expect=2)
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
