"""The report of one target: whole and escaped, with members known and without."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from report.readable import check_report, printed

from jaxattack.attacks.membership import lookup
from jaxattack.audit.target import TargetTerms, score_target
from jaxattack.report import headline, read, write
from jaxattack.types import Observations

RECORDS = 400


def findings_of(*, known=True, fpr=0.05):
    rng = np.random.default_rng(0)
    halves = [rng.permuted(np.arange(RECORDS) % 2 == 0) for _ in range(4)]
    member = np.stack([rng.random(RECORDS) < 0.5, *(side for half in halves for side in (half, ~half))])
    phi = rng.normal(size=member.shape) + 2 * member
    observations = Observations(
        signals={"phi": phi[..., None].astype(np.float32)},
        member=member,
        label=rng.integers(0, 2, RECORDS),
        names=("<b>cat</b>", "dog"),
        ids=tuple(f"record-{i}" for i in range(RECORDS)),
    )
    truth = member[0].astype(np.int8) if known else np.full(RECORDS, -1, np.int8)
    attacks = (lookup("loss"), lookup("lira-offline"))
    return score_target(observations, 0, attacks, known=truth, terms=TargetTerms(fpr=fpr), name="a <b>")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("target")
    findings = findings_of()
    return folder, findings, {path.name for path in write(folder, findings)}


def test_every_file_is_there_and_the_findings_come_back(written):
    folder, findings, names = written
    assert names == {"report.json", "records.csv", "roc.svg", "roc.png", "p_values.svg", "p_values.png", "report.html"}
    assert read(folder)["verdicts"]["called"] == findings.verdicts.called
    page = (folder / "report.html").read_text()
    assert "a &lt;b&gt;" in page
    assert "&lt;b&gt;cat&lt;/b&gt;" in page
    assert "<b>cat" not in page
    check_report(folder)


def test_every_record_is_a_row(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "records.csv").read_text())))
    records = written[1].records
    assert len(rows) == RECORDS
    assert [row["id"] for row in rows] == list(records.id)
    np.testing.assert_allclose([float(row["p_value"]) for row in rows], records.p_value, rtol=1e-5)
    assert {row["member"] for row in rows} == {"yes", "no"}
    assert [row["verdict"] == "member" for row in rows] == [p <= 0.05 for p in records.p_value]


def test_the_headline_says_how_many_how_many_by_chance_and_how_often_it_is_right(written):
    words, verdicts = headline(written[1]), written[1].verdicts
    assert f"calls {verdicts.called} of 400 records members of this model at 5% false positives" in words
    assert f"of the {verdicts.members} known members and accuses {verdicts.wrong} of the" in words
    assert words.endswith("This holds for this one model.")


@pytest.mark.parametrize("width", [80, 50])
def test_the_terminal_shows_attacks_and_calibrations(written, width):
    text = printed(written[1], width)
    assert "lira-offline" in text
    assert "non-members" in text


def test_without_known_members_nothing_is_judged_and_the_page_is_whole(tmp_path):
    findings = findings_of(known=False)
    names = {path.name for path in write(tmp_path, findings)}
    assert names == {"report.json", "records.csv", "p_values.svg", "p_values.png", "report.html"}
    assert "It finds" not in headline(findings)
    assert "not known" in (tmp_path / "report.html").read_text()
