"""Limits on figures, and the exit statuses that follow from a report."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxattack.cli import application
from jaxattack.cli.limits import Limit, check_limits, limits_from, violations
from jaxattack.cli.output import Output
from jaxattack.cli.status import STATUSES
from jaxattack.error import InputError
from jaxattack.report.measure import MEASURES


@pytest.mark.parametrize(
    ("word", "limit"),
    [
        ("tpr@0.001=0.02", ("tpr@0.001", 0.02)),
        ("tpr@1e-5=0", ("tpr@0.00001", 0.0)),
        ("tpr@.10=0.3", ("tpr@0.1", 0.3)),
        ("auc=6e-1", ("auc", 0.6)),
        ("leak=-1", ("leak", -1.0)),
    ],
)
def test_a_word_is_a_limit(word, limit):
    assert limits_from((word,)) == (Limit(*limit),)


@pytest.mark.parametrize("word", ["auc", "auc=", "=0.5", "auc=high", "auc=nan", "auc=inf", "auc>0.5", "auc==0.5"])
def test_a_word_that_is_no_limit_is_refused(word):
    with pytest.raises(InputError, match=r"fail-above is .*give a figure and a limit, as tpr@0.001=0.02"):
        Output(fail_above=(word,))


def test_a_figure_fails_above_its_limit_and_not_at_it():
    figures = {"auc": 0.6, "tpr@0.001": None}
    assert violations(limits_from(("auc=0.6",)), figures) == []
    assert violations(limits_from(("auc=0.6", "auc=0.5")), figures) == ["auc is 0.6, above its limit of 0.5."]
    with pytest.raises(InputError, match="tpr@0.001 is not measured: choose from auc"):
        violations(limits_from(("tpr@0.001=1",)), figures)


@pytest.mark.parametrize("kind", MEASURES)
def test_every_kind_of_report_names_its_figures_before_anything_is_done(kind):
    measures = MEASURES[kind]
    check_limits(limits_from([f"{name}=1" for name in measures]), measures)
    with pytest.raises(InputError, match="fail-above is charm=1 and charm is not measured: "):
        Output(fail_above=("charm=1",)).check(kind)


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    """Of 8 leaky models of 100 records."""
    rng = np.random.default_rng(0)
    member = rng.permuted(np.arange(8 * 100).reshape(8, 100) % 2 == 0, axis=1)
    path = tmp_path_factory.mktemp("limits") / "observations.npz"
    np.savez(path, phi=rng.normal(size=(8, 100)) + 1.5 * member, member=member, label=np.arange(100) % 2)
    return path


def run(observations, *words):
    """The exit status of `score`, and its report."""
    command = ["score", str(observations), "--attacks", "loss", "--quiet", *words]
    try:
        application()(command)
        status = 0
    except SystemExit as end:
        status = end.code
    return status, json.loads((observations.with_suffix(".report") / "report.json").read_text())


def test_a_command_ends_with_3_above_a_limit_when_all_is_written(observations, capsys):
    status, findings = run(observations, "--fail-above", "auc=0.6,tpr@0.1=0.9")
    auc = findings["attacks"][0]["auc"]
    assert status == 3
    assert capsys.readouterr().err == f"jaxattack: auc is {auc:.4g}, above its limit of 0.6.\n"
    assert (observations.with_suffix(".report") / "config.toml").exists()


def test_a_rate_that_is_not_resolved_holds_no_limit(observations):
    with pytest.raises(InputError, match=r"tpr@0.00001 is not measured: choose from tpr@0.1, tpr@0.01, tpr-lower@0.1"):
        run(observations, "--fail-above", "tpr@0.00001=0.5")


def test_an_attack_that_stops_before_its_end_ends_with_4(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["extract", "tree", "--data", "iris", "--in-process", "--quiet", "--compare", "10"]
    with pytest.raises(SystemExit) as end:
        application()([*words, "--budget", "40", "--out", "short"])
    assert end.value.code == 4
    assert capsys.readouterr().err.startswith("jaxattack: the attack did not finish: ")
    assert not json.loads((tmp_path / "short" / "report.json").read_text())["attack"]["converged"]
    application()([*words, "--trials", "0", "--out", "unverified"])
    attack = json.loads((tmp_path / "unverified" / "report.json").read_text())["attack"]
    assert (attack["converged"], attack["complete"]) == (True, False)


def test_the_help_names_every_status(capsys):
    application()(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{number}: {' '.join(STATUSES[number].split()[:4])}" in text for number in STATUSES)
