"""Public functions take text for paths, and refuse an argument of another type in a sentence, before anything is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxattack as ja
from jaxattack.types import InputError

IRIS = ja.load("iris")
NETWORK = {"model": ja.models.Architecture(name="softmax"), "dataset": IRIS}
ORACLE = ja.oracle.from_function(lambda x: x, ja.Access(level="logit", classes=3, inputs=ja.Inputs.box(-1, 1, (3,))))
WORDS = {
    "placement": "placement is 'x': give a Placement",
    "progress": "progress is 'x': give a function or none",
    "out": "out is 3: give the path of a folder",
}


def called(function, *args, **settings):
    return pytest.param(lambda folder, wrong: function(*args, **(settings | wrong)), id=function.__name__)


@pytest.mark.parametrize(
    "call",
    [
        called(ja.membership, **NETWORK),
        called(ja.matrix, **NETWORK),
        called(ja.audit.train_part, "run", ja.audit.MembershipAudit(**NETWORK, models=4)),
        called(ja.audit.audit_training, "run", **NETWORK),
    ],
)
@pytest.mark.parametrize("name", ["placement", "progress"])
def test_how_work_is_cut_and_told_is_checked_first(tmp_path, monkeypatch, call, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=WORDS[name]):
        call(tmp_path, {name: "x"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", [ja.extract, ja.invert, ja.evade, ja.reconstruct])
@pytest.mark.parametrize("name", ["out", "progress"])
def test_so_it_is_for_attacks_on_a_victim(function, name):
    with pytest.raises(InputError, match=WORDS[name]):
        function(ORACLE, **{name: 3 if name == "out" else "x"})


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (ja.rescore, "does not exist"),
        (ja.read_observations, "does not exist"),
        (ja.audit.read_canary_scores, "does not exist|no such file"),
        (ja.audit.load_victim, "does not exist"),
        (ja.report.read, "does not exist"),
        (ja.load, "there is no such file"),
    ],
)
def test_text_is_a_path_wherever_a_path_is(tmp_path, function, words, kind):
    with pytest.raises(InputError, match=words):
        function(kind(tmp_path / "nothing.npz"))


@pytest.mark.parametrize("wrong", [3, None])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (ja.score, "observations"),
        (ja.as_observations, "arrays"),
        (ja.read_observations, "path"),
        (ja.read_scores, "path"),
        (ja.open_victim, "name"),
        (lambda wrong: ja.run_observations(wrong, None), "out"),
        (lambda wrong: ja.train_ensemble(NETWORK["model"], ja.Recipe(), wrong, np.ones((4, 9), bool)), "dataset"),
    ],
)
def test_what_is_read_is_of_its_kind(function, name, wrong):
    with pytest.raises(InputError, match=f"{name} is {wrong}: give "):
        function(wrong)


def test_a_path_is_no_observations():
    with pytest.raises(InputError, match="observations is 'answers.npz': give an Observations"):
        ja.score("answers.npz")


def test_a_model_and_a_journal_are_written_where_text_says(tmp_path):
    learner = ja.learners.Standard(recipe=ja.Recipe(epochs=1))
    ja.audit.train_victim(str(tmp_path / "model"), **NETWORK, learner=learner)
    assert ja.audit.load_victim(str(tmp_path / "model")).member.shape == (150,)
    with ja.oracle.journalled(ORACLE, str(tmp_path / "answers"), identity={"name": "x"}) as asked:
        asked(np.zeros((1, 3)))
    assert (tmp_path / "answers").is_dir()
    with pytest.raises(InputError, match="seed is 'x': give a whole number"):
        ja.audit.train_victim(tmp_path / "model", **NETWORK, seed="x")
