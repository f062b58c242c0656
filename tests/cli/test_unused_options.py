"""Options that another of the command line leaves without use are refused, and no file is lost without a word."""

from __future__ import annotations

import json

import numpy as np
import pytest
from paired import DEFENDED, PLAIN, write_run

from jaxattack.cli import application
from jaxattack.cli.extraction import _tell_address
from jaxattack.cli.figure import Alone
from jaxattack.cli.output import Output, Printing
from jaxattack.cli.report import report
from jaxattack.error import InputError

IRIS = ("--data", "iris")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("extract", "tree", *IRIS, "--key", "k"), "key is given and no prediction API is asked"),
        (("extract", "tree", *IRIS, "--key-file", "none"), "key-file is given and no prediction API is asked"),
        (("evade", "tree", *IRIS, "--key", "k"), "key is given and no prediction API is asked"),
        (("invert", "softmax", *IRIS, "--key-prompt"), "key-prompt is given and no prediction API is asked"),
        (("architecture", "--key", "k"), "key is given and no prediction API is asked"),
        (("membership", *IRIS, "--key", "k"), "key is given and no prediction API is asked"),
        (("membership", *IRIS, "--target", "a.npz", "--key", "k"), "key is given and no prediction API is asked"),
        (
            ("membership", *IRIS, "--dry-run", "--fail-above", "auc=1"),
            "fail-above is auc=1 and dry-run finds no figure",
        ),
        (("matrix", *IRIS, "--dry-run", "--fail-above", "auc=1"), "fail-above is auc=1 and dry-run finds no figure"),
        (
            ("invert", "softmax", *IRIS, "--users", "3"),
            "users is 3, and the attack that fits the victim inverts classes",
        ),
        (
            ("invert", "softmax", *IRIS, "--method", "mi-face", "--batch", "2"),
            "batch is 2, and mi-face inverts classes",
        ),
        (("invert", "softmax", *IRIS, "--trained"), "trained is yes, and the attack that fits"),
        (("reconstruct", *IRIS, "--property", "above?column=1"), "property is given and convex has no use for it"),
        (("reconstruct", *IRIS, "--update-steps", "3"), "update-steps is given and convex has no use for it"),
        (("reconstruct", *IRIS, "--epochs", "3"), "epochs is given and convex has no use for it"),
        (
            ("reconstruct", "softmax", *IRIS, "--method", "update-record", "--property", "above?column=1"),
            "property is given and update-record has no use for it",
        ),
        *(
            (
                ("membership", *IRIS, "--target", "a.npz", "--references", "b.npz", *option),
                f"{option[0].removeprefix('--')} is given and references too, which are trained already",
            )
            for option in (
                ("--models", "8"),
                ("--model", "softmax"),
                ("--learning-rate", "0.1"),
                ("--learner", "mixup"),
            )
        ),
    ],
)
def test_an_option_without_use_is_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        application()([*words])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_an_attack_uses_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "reconstruct",
        "softmax",
        *IRIS,
        "--targets",
        "2",
        "--update-steps",
        "2",
        "--quiet",
        "--out",
        "o",
    ]
    application()([*words, "--method", "update-record"])
    assert json.loads((tmp_path / "o" / "report.json").read_text())["config"]["update"]["steps"] == 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, leak in (("plain", PLAIN), ("defended", DEFENDED)):
        report(write_run(folder / name, leak), attacks=("loss",), output=Output(quiet=True))
    return folder


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--declare", "loss"), "declare"),
        (("--protocol", "leave-one-out"), "protocol"),
        (("--all-scores",), "all-scores"),
        (("--json",), "json"),
        (("--fail-above", "auc=0"), "fail-above"),
    ],
)
def test_a_figure_alone_takes_nothing_that_is_of_a_report(words, name, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{name} is .*leave {name} out"):
        application()(["report", str(runs / "plain"), "--figure", "roc", *words])
    if name == "json":
        with pytest.raises(InputError, match="json is given and figure roc"):
            application()(["compare", str(runs / "plain"), str(runs / "defended"), "--figure", "roc", "--json"])
    assert not list(tmp_path.iterdir())


def test_a_figure_in_the_place_of_another_is_told(runs, tmp_path, capsys):
    for said in (f"Wrote {tmp_path}/roc.pdf\n", f"Wrote {tmp_path}/roc.pdf, in the place of the one that was there\n"):
        report(runs / "plain", alone=Alone(figure="roc"), out=tmp_path)
        assert capsys.readouterr().err == said


def test_data_are_not_written_over_other_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    np.savez("records.npz", x=random.random((20, 3)), y=np.arange(20) % 2)
    before = (tmp_path / "records.npz").read_bytes()
    with pytest.raises(InputError, match=r"out is records.npz, which is there and holds something else"):
        application()(["data", "iris", "--out", "records.npz"])
    assert (tmp_path / "records.npz").read_bytes() == before
    for _ in range(2):
        application()(["data", "iris", "--out", "iris.npz"])
        assert capsys.readouterr().err == "Wrote iris.npz\n"


def test_a_program_reads_where_a_victim_is_served(capsys):
    class Named:
        name = "tree on iris"

    _tell_address(Printing(json=True), Named(), "http://127.0.0.1:1")  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert json.loads(told.out) == {"victim": "tree on iris", "url": "http://127.0.0.1:1"}
    assert "Serving tree on iris" in told.err
