"""Every record of an audit: counts by hand, ranks where vulnerability ties, and a file that says the same."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit import per_record
from jaxattack.audit.evaluation import evaluate_records
from jaxattack.audit.observation_scoring import score_records
from jaxattack.audit.per_record import exposure_of, mean_over
from jaxattack.audit.record_table import detections_at, record_table
from jaxattack.data import Halves
from jaxattack.report import write
from jaxattack.report.membership.records import records_csv
from jaxattack.types import InputError, Observations

MEMBER = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1]], bool)
PHI = np.array([[1, 5, 3, 0], [0, 0, 2, 0], [1, 5, 2, 0], [0, 0, 1, 0]], float)


def observed(phi=PHI, member=MEMBER, **fields):
    return Observations(signals={"phi": phi[..., None]}, member=member, label=np.zeros(phi.shape[1], int), **fields)


def table_of(phi=PHI, *, labels_alone=False, **fields):
    exposure = exposure_of(phi, MEMBER, np.arange(4), labels_alone=labels_alone)
    return record_table(exposure, observed(phi, **fields), "loss", {}, {})


def rows(table):
    return list(csv.DictReader(io.StringIO(records_csv(table))))


def test_detections_are_shares_of_the_models_with_a_record_and_without():
    found = detections_at(PHI, MEMBER, {"0.001": 3.0, "0.01": 1.0})
    np.testing.assert_array_equal(found["0.001"].tpr, [0, 1, 0.5, 0])
    np.testing.assert_array_equal(found["0.001"].fpr, [0, 0, 0, np.nan])
    np.testing.assert_array_equal(found["0.01"].tpr, [1, 1, 1, 0])
    np.testing.assert_array_equal(found["0.01"].fpr, [0, 0, 1, np.nan])


def test_a_tie_of_vulnerability_is_ranked_by_how_far_phi_is_apart_in_its_own_spread():
    phi = PHI + np.array([0.1, 2, 0, 0]) * np.array([1, 1, -1, -1])[:, None]  # 5 apart and spread by 2; 1, and by .1
    table = table_of(phi)
    assert table.exposure.vulnerability.tolist()[:3] == [1, 1, 0.5]
    assert table.rank.tolist() == [1, 2, 3, 4]
    assert [row["sensitivity_index"] for row in rows(table)] == ["10", "2.5", "0", ""]


def test_means_and_difficulty_are_over_the_models_with_a_record_and_without():
    table = table_of()
    assert table.exposure.vulnerability.tolist()[:3] == [1, 1, 0.5]
    np.testing.assert_array_equal(table.mean_in, [1, 5, 2, 0])
    np.testing.assert_array_equal(table.mean_out, [0, 0, 2, np.nan])
    assert table.difficulty[:3] == pytest.approx(np.logaddexp(0, [0, 0, -2]))


def test_a_mean_is_the_same_however_many_records_at_a_time(monkeypatch):
    whole = mean_over(PHI, MEMBER, np.square)
    monkeypatch.setattr(per_record, "BLOCK", 3)
    np.testing.assert_array_equal(mean_over(PHI, MEMBER, np.square), whole)
    np.testing.assert_array_equal(whole, [1, 25, (9 + 1) / 2, 0])


def test_where_labels_alone_are_answered_it_is_shares_that_are_right():
    table = table_of(PHI.clip(0, 1), labels_alone=True)
    np.testing.assert_array_equal(table.difficulty, [1, 1, 0, np.nan])
    assert rows(table)[0]["correct_in"] == "1"


def test_ids_and_class_names_are_in_the_rows_and_numbers_stand_for_them_where_there_are_none():
    ids = ("ann", "=1+1", "</script>", 'a,"b"')
    told = rows(table_of(ids=ids, names=("<b>", "dog")))
    assert [row["id"] for row in told] == [*ids]
    assert {(row["label"], row["class"]) for row in told} == {("0", "<b>")}
    alone = rows(table_of())
    assert [row["id"] for row in alone] == [row["record"] for row in alone] == ["0", "1", "2", "3"]
    assert alone[0]["class"] == "0"


def test_records_of_observations_are_taken_with_their_ids():
    some = observed(ids=("a", "b", "c", "d"))
    assert some.take_records(np.array([2, 0])).ids == ("c", "a")
    assert some.take_records(np.array([True, False, True, False])).ids == ("a", "c")
    assert some.take_records(np.array([1, 1])).ids == ()
    assert some.take(slice(2)).ids == some.ids
    with pytest.raises(InputError, match="the records 0 and 1 have the same id 'a'"):
        replace(some, ids=("a", "a", "c", "d"))


def test_an_evaluation_has_every_record_that_is_scored_and_writes_it():
    rng = np.random.default_rng(0)
    member = Halves()(16, 30, 0)
    member[:, 4] = True  # nothing tells whether a record of all models is one
    phi = (rng.normal(size=member.shape) + 3 * member)[..., None]
    observed = Observations(
        signals={"phi": phi, "correct": (phi > 0).astype(np.float32)},
        member=member,
        label=np.zeros(30, int),
        names=("x", "y"),
        ids=tuple(f"r{number}" for number in range(30)),
    )
    unread = np.arange(30) == 7
    found = evaluate_records(observed, (lookup("loss"), lookup("gap")), growth=False, unread=unread)
    table = rows(found.records)
    assert [row["id"] for row in table] == [f"r{row['record']}" for row in table]
    assert 7 not in {int(row["record"]) for row in table}
    assert {row["attack"] for row in table} == {found.findings.claim.attack}
    worst = found.findings.vulnerable.records
    by_rank = sorted(table, key=lambda row: int(row["rank"]))
    assert [row["id"] for row in by_rank[: len(worst)]] == [one.id for one in worst]
    assert [float(row["tpr@0.01"]) for row in by_rank[: len(worst)]] == pytest.approx([one.detected for one in worst])
    for row in by_rank[:-1] if by_rank[-1]["vulnerability"] == "" else by_rank:
        assert float(row["vulnerability_low"]) <= float(row["vulnerability"]) <= float(row["vulnerability_high"])


def test_a_report_without_records_leaves_none_of_an_earlier_one(tmp_path):
    member = Halves()(4, 40, 0)
    phi = np.random.default_rng(0).normal(size=member.shape)
    result = score_records(observed(phi, member), (lookup("loss"),))
    written = write(tmp_path, result.findings, records=result.records)
    assert {tmp_path / "records.csv", tmp_path / "scores.npz"} <= {*written}
    assert len((tmp_path / "records.csv").read_text().splitlines()) == 41
    write(tmp_path, result.findings)
    assert not (tmp_path / "records.csv").exists()
    assert not (tmp_path / "scores.npz").exists()
