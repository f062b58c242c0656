"""Scores as a file: they are those of the report, and no damaged file is read."""

import numpy as np
import pytest

from jaxattack import read_scores
from jaxattack.attacks.membership import lookup
from jaxattack.audit.membership_scores import write_scores
from jaxattack.audit.observation_scoring import score_records
from jaxattack.data import Halves
from jaxattack.metrics import summarise
from jaxattack.types import InputError, Observations

ATTACKS = ("loss", "lira-online", "lira-offline")
WHOLE = {
    "scores/loss": np.zeros((4, 3)),
    "member": np.ones((4, 3), bool),
    "target": np.arange(4),
    "record": np.arange(3),
    "label": np.array([0, 1, 0]),
    "classes": np.array(["a", "b"]),
    "ids": np.array(["x", "y", "z"]),
}


@pytest.fixture(scope="module")
def observed():
    member = Halves()(8, 60, 0)
    phi = np.random.default_rng(0).normal(size=member.shape) + 2 * member
    signals = {"phi": phi[..., None].astype(np.float32)}
    ids = tuple(f"r{number}" for number in range(60))
    return Observations(signals=signals, member=member, label=np.arange(60) % 2, names=("no", "yes"), ids=ids)


@pytest.mark.parametrize("all_scores", [True, False])
def test_scores_that_are_read_back_give_the_figures_of_the_report(tmp_path, observed, all_scores):
    result = score_records(observed, [lookup(name) for name in ATTACKS], all_scores=all_scores)
    write_scores(tmp_path / "scores.npz", result.records)
    read = read_scores(tmp_path)
    claimed = result.findings.claim.attack
    assert {*read.scores} == ({*ATTACKS} if all_scores else {claimed})
    entries = {one.name: one for one in result.findings.attacks}
    for name, scores in read.scores.items():
        rates = tuple(map(float, entries[name].tpr))
        again = summarise(scores, read.member, rates)
        assert again.auc == entries[name].auc
        assert [point.tpr for point in again.tpr] == [*entries[name].tpr.values()]
        np.testing.assert_array_equal(scores, lookup(name)(observed))
    np.testing.assert_array_equal(read.target, np.arange(8))
    np.testing.assert_array_equal(read.record, np.arange(60))
    np.testing.assert_array_equal(read.label, observed.label)
    assert (read.ids, read.names) == (observed.ids, observed.names)
    with np.load(tmp_path / "scores.npz") as plain:
        np.testing.assert_array_equal(plain[f"scores/{claimed}"], read.scores[claimed])


def test_a_file_as_described_is_read(tmp_path):
    np.savez(tmp_path / "whole.npz", **WHOLE)
    read = read_scores(str(tmp_path / "whole.npz"))
    assert (read.names, read.ids, [*read.scores]) == (("a", "b"), ("x", "y", "z"), ["loss"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"member": None}, "has no member"),
        ({"scores/loss": None}, "has no scores/ATTACK"),
        ({"scores/loss": np.zeros((3, 4))}, r"scores/loss has dtype float64 and shape \(3, 4\)"),
        ({"scores/loss": np.zeros((4, 3), int)}, "scores/loss has dtype int64"),
        ({"scores/loss": np.full((4, 3), np.nan)}, "scores/loss holds NaN"),
        ({"scores/\x1b[31m": np.zeros(3)}, r"scores/\?\[31m has dtype"),
        ({"member": np.ones((4, 3))}, "member has dtype float64"),
        ({"member": np.ones(4, bool)}, "beside member of shape"),
        ({"target": np.arange(3)}, "target has dtype"),
        ({"record": np.arange(3.0)}, "record has dtype"),
        ({"label": np.array([0, 2, 0])}, "label ranges from 0 to 2"),
        ({"label": np.array([0, -1, 0])}, "label ranges from -1 to 0"),
        ({"classes": np.array([1, 2])}, "classes has dtype"),
        ({"ids": np.array(["x", "x", "z"])}, "the records 0 and 1 have the same id"),
        ({"ids": np.array(["x", "y"])}, "2 ids of 3 records"),
        ({"ids": np.array([{}, {}, {}])}, "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path, change, message):
    arrays = {name: value for name, value in (WHOLE | change).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_scores(tmp_path / "bad.npz")
    assert str(caught.value).isprintable()


def test_a_missing_or_truncated_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_scores(tmp_path)
    np.savez(tmp_path / "whole.npz", **WHOLE)
    half = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(half[: len(half) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "half.npz")
