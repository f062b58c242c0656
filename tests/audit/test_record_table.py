"""Every record of an audit: counts by hand, ranks where vulnerability ties, and a file that says the same."""

import csv
import io

import numpy as np
import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit.evaluation import evaluate_records
from jaxattack.audit.observations import score_records
from jaxattack.audit.per_record import exposure_of
from jaxattack.audit.record_table import detections_at, record_table
from jaxattack.data import Halves
from jaxattack.report import write
from jaxattack.report.membership.records import records_csv
from jaxattack.types import Observations

MEMBER = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1]], bool)
PHI = np.array([[1, 5, 3, 0], [0, 0, 2, 0], [1, 5, 2, 0], [0, 0, 1, 0]], float)


def rows(table):
    return list(csv.DictReader(io.StringIO(records_csv(table))))


def test_detections_are_shares_of_the_models_with_a_record_and_without():
    found = detections_at(PHI, MEMBER, {"0.001": 3.0, "0.01": 1.0})
    np.testing.assert_array_equal(found["0.001"].with_record, [0, 1, 0.5, 0])
    np.testing.assert_array_equal(found["0.001"].without_record, [0, 0, 0, np.nan])
    np.testing.assert_array_equal(found["0.01"].with_record, [1, 1, 1, 0])
    np.testing.assert_array_equal(found["0.01"].without_record, [0, 0, 1, np.nan])


def test_a_tie_of_vulnerability_is_ranked_by_how_far_phi_is_apart_and_not_by_place():
    exposure = exposure_of(PHI, MEMBER, np.arange(4))
    table = record_table(exposure, list("abcd"), "loss", {})
    assert table.vulnerability.tolist()[:3] == [1, 1, 0.5]
    assert table.rank.tolist() == [2, 1, 3, 4]
    np.testing.assert_array_equal(table.shown_with, [1, 5, 2, 0])
    np.testing.assert_array_equal(table.shown_without, [0, 0, 2, np.nan])
    assert table.difficulty[:3] == pytest.approx(np.logaddexp(0, [0, 0, -2]))


def test_where_labels_alone_are_answered_it_is_shares_that_are_right():
    exposure = exposure_of(PHI.clip(0, 1), MEMBER, np.arange(4), labels_alone=True)
    table = record_table(exposure, [0] * 4, "gap", {})
    np.testing.assert_array_equal(table.difficulty, [1, 1, 0, np.nan])


def test_an_evaluation_has_every_record_that_is_scored_and_writes_it(tmp_path):
    rng = np.random.default_rng(0)
    member = Halves()(16, 30, 0)
    phi = (rng.normal(size=member.shape) + 3 * member)[..., None]
    observed = Observations(
        signals={"phi": phi, "correct": (phi > 0).astype(np.float32)}, member=member, label=np.zeros(30, int), names=("x", "y")
    )  # fmt: skip
    found = evaluate_records(observed, (lookup("loss"), lookup("gap")), growth=False)
    table = rows(found.records)
    assert [int(row["record"]) for row in table] == [*range(30)]
    assert {row["attack"] for row in table} == {found.findings.claim.attack}
    worst = found.findings.vulnerable.records
    by_rank = sorted(table, key=lambda row: int(row["rank"]))
    assert [int(row["record"]) for row in by_rank[: len(worst)]] == [one.record for one in worst]
    assert [float(row["detected@0.01"]) for row in by_rank[: len(worst)]] == pytest.approx(
        [one.detected for one in worst]
    )
    for row in table:
        assert float(row["vulnerability_low"]) <= float(row["vulnerability"]) <= float(row["vulnerability_high"])


def test_a_report_without_records_leaves_none_of_an_earlier_one(tmp_path):
    member = Halves()(4, 40, 0)
    phi = np.random.default_rng(0).normal(size=(*member.shape, 1))
    observed = Observations(signals={"phi": phi}, member=member, label=np.zeros(40, int))
    result = score_records(observed, (lookup("loss"),))
    assert tmp_path / "records.csv" in write(tmp_path, result.findings, records=result.records)
    assert len((tmp_path / "records.csv").read_text().splitlines()) == 41
    write(tmp_path, result.findings)
    assert not (tmp_path / "records.csv").exists()
