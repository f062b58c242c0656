"""Ids of records: read, saved, carried with their records, and no part of what a run is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxattack.audit.columns import fitted_columns, within
from jaxattack.audit.records import choose_records, set_aside
from jaxattack.data import fingerprint, from_arrays, load, marginals, noisy, save
from jaxattack.data.canary import MAKERS
from jaxattack.data.poison import relabel_copies
from jaxattack.types import Dataset, InputError

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])
IDS = ("ann", "bob", "cy", "dé", "eve 5", "f-6")


def records() -> Dataset:
    return from_arrays(X, Y, ids=IDS)


def test_ids_are_saved_and_read_and_numbers_become_text(tmp_path):
    save(records(), tmp_path / "records.npz")
    assert load(tmp_path / "records.npz").ids == IDS
    np.savez(tmp_path / "numbered.npz", x=X, y=Y, ids=np.arange(40, 46))
    assert load(tmp_path / "numbered.npz").ids == ("40", "41", "42", "43", "44", "45")
    save(from_arrays(X, Y), tmp_path / "none.npz")
    with np.load(tmp_path / "none.npz") as file:
        assert "ids" not in file


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (IDS[:5], r"there are 5 ids of 6 records: give one for each"),
        ((*IDS[:5], "bob"), r"the records 1 and 5 have the same id 'bob': give each its own"),
        ((*IDS[:5], ""), r"the id of record 5 is '': give text of 1 to 200 printable"),
        ((*IDS[:5], "a\nb"), r"the id of record 5 is 'a\\nb'"),
        ((*IDS[:5], "\x1b[31m"), r"the id of record 5 is '\\x1b\[31m'"),
        ((*IDS[:5], "a" * 201), r"the id of record 5 is 'a{59}: give"),
        (np.array(IDS).reshape(6, 1), r"ids has dtype <U5 and shape \(6, 1\): give text or a whole number"),
        (np.zeros(6), r"ids has dtype float64 and shape \(6,\)"),
    ],
)
def test_ids_that_tell_no_record_are_refused(tmp_path, ids, message):
    np.savez(tmp_path / "bad.npz", x=X, y=Y, ids=ids)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / "bad.npz")
    assert "\n" not in str(caught.value)


def test_a_data_set_is_a_line_to_print():
    assert repr(records()) == "<Dataset arrays: 6 records of 4 (float32), 3 classes>"


def test_an_id_is_no_part_of_what_a_run_is():
    assert fingerprint(records()) == fingerprint(from_arrays(X, Y))


@settings(max_examples=25)
@given(st.lists(st.integers(-6, 5), min_size=2, max_size=8), st.booleans())
def test_records_are_taken_with_their_ids(rows, mask):
    dataset = records()
    chosen = np.isin(np.arange(6), rows) if mask else np.array(rows)
    naive = [int(row) for row in np.arange(6)[chosen]]
    if len(set(Y[chosen].tolist())) < 2:
        return
    part = dataset.take(chosen)
    assert part.ids == (tuple(IDS[row] for row in naive) if len(set(naive)) == len(naive) else ())
    np.testing.assert_array_equal(part.x, X[naive])


def test_records_that_are_chosen_or_altered_keep_their_ids_and_new_ones_have_none_of_theirs():
    dataset = records()
    for part in (choose_records(dataset, 4, seed=1), set_aside(dataset, 2, seed=1), dataset.take(slice(1, 4))):
        for row, name in zip(part.x, part.ids, strict=True):
            np.testing.assert_array_equal(row, X[IDS.index(name)])
    assert noisy(dataset).ids == IDS
    assert marginals(dataset, records=9).ids == ()
    member = np.array([1, 0, 0, 1, 1, 0], bool)
    known, _ = within(dataset, member, fitted_columns(dataset, member))
    assert known.ids == ("ann", "bob", "dé", "eve 5")


def test_records_that_are_added_have_ids_of_their_own():
    dataset = replace(records(), ids=("poison 1", *IDS[1:]))
    poisoned = relabel_copies(dataset, np.array([1, 3]), 2, seed=0).records
    assert poisoned.ids == (*dataset.ids, "poison' 0", "poison' 1", "poison' 2", "poison' 3")
    np.testing.assert_array_equal(poisoned.x[6:], X[[1, 3, 1, 3]])
    assert MAKERS["blank"](dataset, 2, 0).dataset.ids == (*dataset.ids, "blank canary 0", "blank canary 1")
    assert MAKERS["natural"](dataset, 2, 0).dataset.ids == dataset.ids
    assert relabel_copies(from_arrays(X, Y), np.array([1]), 2, seed=0).records.ids == ()
