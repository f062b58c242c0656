"""Canaries: what each kind is, who stays in, and coins that are fair and independent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxattack.audit import coins
from jaxattack.data import canary, gaussian
from jaxattack.types import Dataset, InputError

RECORDS = gaussian(records=200, features=6, classes=4)
BYTES = Dataset(
    x=np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1)).astype(np.uint8),
    y=np.arange(40) % 4,
    classes=4,
    name="b",
)


def test_natural_canaries_are_records_of_the_set():
    planted = canary.natural(RECORDS, 30, 0)
    assert np.array_equal(planted.dataset.x, RECORDS.x)
    assert np.array_equal(planted.dataset.y, RECORDS.y)
    assert planted.role.sum() == 30
    assert not np.array_equal(planted.role, canary.natural(RECORDS, 30, 1).role)


def test_mislabelled_canaries_alone_have_another_label():
    planted = canary.mislabelled(RECORDS, 60, 0)
    assert np.array_equal(planted.dataset.y != RECORDS.y, planted.role == canary.CANARY)
    shifts = (planted.dataset.y - RECORDS.y)[planted.role == canary.CANARY] % 4
    assert {*shifts} == {1, 2, 3}


@pytest.mark.parametrize("dataset", [RECORDS, BYTES])
def test_blank_canaries_differ_in_their_label_alone_while_there_are_labels(dataset):
    few = canary.blank(dataset, 4, 0).dataset
    assert {*few.y[-4:]} == {0, 1, 2, 3}
    assert (few.x[-4:] == few.x[-1]).all()
    assert np.allclose(few.x[-1], dataset.x.mean(axis=0), atol=0.5 if dataset is BYTES else 1e-5)


def test_more_blank_canaries_are_as_far_from_the_mean_as_records_and_differ():
    many = canary.blank(RECORDS, 20, 0)
    middle = RECORDS.x.mean(axis=0)
    far = np.linalg.norm(many.dataset.x[-20:] - middle, axis=1)
    assert np.allclose(far, np.median(np.linalg.norm(RECORDS.x - middle, axis=1)), rtol=1e-4)
    assert len(np.unique(many.dataset.x[-20:], axis=0)) > 10
    assert canary.blank(BYTES, 20, 0).dataset.x.dtype == np.uint8


def test_clipbkd_follows_the_directions_of_least_variance():
    planted = canary.clipbkd(RECORDS, 3, 0)
    x = planted.dataset.x[planted.role == canary.CANARY]
    values, vectors = np.linalg.eigh(np.cov(RECORDS.x.T))
    cosines = np.abs((x / np.linalg.norm(x, axis=1, keepdims=True) * vectors[:, :3].T).sum(axis=1))
    assert np.allclose(cosines, 1, atol=1e-3)
    assert values[0] <= values[1] <= values[2]
    with pytest.raises(InputError, match="6 features"):
        canary.clipbkd(RECORDS, 7, 0)
    with pytest.raises(InputError, match="holds bytes"):
        canary.clipbkd(BYTES, 1, 0)


@pytest.mark.parametrize("kind", canary.KINDS)
@pytest.mark.parametrize("count", [0, -3, 2**21])
def test_numbers_out_of_range_are_refused(kind, count):
    with pytest.raises(InputError, match="canaries is"):
        canary.MAKERS[kind](RECORDS, count, 0)


def test_none_may_be_left_always_in_of_the_records_that_become_canaries():
    with pytest.raises(InputError, match="leave at least 2"):
        canary.natural(RECORDS, 199, 0)


def test_coins_are_fair_and_independent_and_the_background_is_always_in():
    role = canary.natural(RECORDS, 80, 0).role
    member = canary.flip_coins(role, 60, 0)
    assert member[:, role == canary.BACKGROUND].all()
    tossed = member[:, role == canary.CANARY]
    assert coins.unfair(tossed) is None
    assert coins.balanced(tossed, False) is None
    assert coins.balanced(tossed.T, False) is None
    assert coins.tied_canaries(tossed) is None
    assert coins.tied_runs(tossed) is None
    assert member.sum(axis=1).max() <= canary.slots(role)
    assert np.array_equal(canary.flip_coins(role, 20, 0), member[:20])
    assert not np.array_equal(canary.flip_coins(role, 60, 1), member)


def test_labels_need_not_begin_at_every_class():
    some = replace(RECORDS, y=RECORDS.y // 2, classes=4)
    planted = canary.clipbkd(some, 2, 0)
    assert {*planted.dataset.y} <= {0, 1}
