"""The report of a privacy audit: whole, escaped, and saying what the numbers say, with and without a valid bound."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from report.readable import printed

from jaxattack.audit import EpsilonAudit, epsilon
from jaxattack.audit.findings import values
from jaxattack.report import headline, read, write


def experiment(models=1, canaries=301, mu=2.0, **settings):
    rng = np.random.default_rng(0)
    member = rng.random((models, canaries)) < 0.5
    scores = mu * member + rng.normal(size=member.shape)
    return epsilon(scores, member, audit=EpsilonAudit(coins_independent=True, **settings), name="a <b>")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("epsilon")
    findings = experiment(upper=10.0)
    return folder, findings, {path.name for path in write(folder, findings)}


def test_every_file_is_there_and_the_findings_come_back(written):
    folder, findings, names = written
    assert {"report.json", "bounds.csv", "bounds.svg", "bounds.png", "report.html"} == names
    assert read(folder)["headline"]["epsilon"] == findings.headline.epsilon


def test_the_page_is_escaped_and_gives_each_bound_or_its_reason(written):
    page = (written[0] / "report.html").read_text()
    assert "a &lt;b&gt;" in page
    assert "a <b>" not in page
    for name in ("one run fdp", "many runs gdp", "gaussian"):
        assert name in page
    assert "Independent runs: 1" in page


def test_the_table_of_bounds_has_those_that_are_not_allowed_too(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "bounds.csv").read_text())))
    assert [row["epsilon"] == "" for row in rows] == [True, False, False, True, True, True]
    assert all((row["epsilon"] == "") == (row["why"] != "") for row in rows)


def test_the_headline_says_how_much_of_what_at_which_confidence(written):
    words = headline(written[1])
    assert f"epsilon is at least {written[1].headline.epsilon:.2f} at delta 1.0e-5" in words
    assert "95% confidence" in words
    assert "301 canaries in 1 run" in words
    assert words.endswith("The upper bound (from elsewhere) is 10.00.")
    assert "refuted: the training leaks more" in headline(experiment(upper=0.1))
    assert "only one of its claim" in words
    assert "declared beforehand" in headline(experiment(declare="one_run"))
    assert "show no leak" in headline(experiment(mu=0.0))


def test_an_upper_bound_is_refuted_by_what_speaks_of_the_same_alone():
    gdp = experiment(upper=0.1, declare="one_run_gdp", losses_independent=True)
    assert gdp.headline.epsilon > 0.1
    assert "which is less, but no accountant promises what the bound refutes: Gaussian" in headline(gdp)
    training = {"private": {"noise": 1.0, "clip": 1.0, "rate": 1.0, "steps": 3}}
    assert "which is refuted" in headline(values(gdp) | {"training": training}), "all steps are Gaussian mechanisms"
    training["private"]["rate"] = 0.5
    assert "which is refuted" not in headline(values(gdp) | {"training": training})
    halves = np.random.default_rng(1).permuted(np.tile(np.arange(40) < 20, (64, 1)), axis=1)
    scores = 4 * halves + np.random.default_rng(2).normal(size=halves.shape)
    replaced = epsilon(scores, halves, audit=EpsilonAudit(upper=0.01))
    assert replaced.experiment.replaces
    assert replaced.headline.epsilon > 0.01
    assert "of records that replace one another" in headline(replaced).rsplit("promises", 1)[1]


def test_without_a_valid_bound_the_report_is_whole_and_draws_nothing(tmp_path):
    findings = epsilon(np.zeros(6), np.arange(6) < 3)
    names = {path.name for path in write(tmp_path, findings)}
    assert names == {"report.json", "bounds.csv", "report.html"}
    assert headline(findings).startswith("No lower bound on epsilon is valid for 6 canaries in 1 run.")


def test_the_terminal_shows_what_is_allowed_and_what_is_not(written):
    text = printed(written[1])
    assert "one run fdp" in text
    assert "gaussian: It needs canaries" in text
    assert "from elsewhere" in text
