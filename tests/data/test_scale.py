"""Which columns are far from one scale."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack import load
from jaxattack.data import unscaled_columns
from jaxattack.types import Dataset, InputError


def table(*columns):
    x = np.stack(columns, axis=1).astype(np.float32)
    return Dataset(x=x, y=np.arange(len(x)) % 2, classes=2, name="table")


def test_columns_of_0_and_1_constant_ones_and_scaled_ones_stay():
    rng = np.random.default_rng(0)
    normal, coin = rng.normal(size=500), rng.random(500) < 0.005
    columns = (normal, coin, np.full(500, 1e4), 1e4 + 100 * normal, 0.001 * normal, 40 + 13 * normal)
    assert unscaled_columns(table(*columns)) == (False, False, False, True, True, True)
    assert unscaled_columns(table(normal, coin)) == ()


def test_images_and_the_tables_that_come_with_the_package_stay():
    for name in ("digits", "iris", "wine", "breast_cancer"):
        assert unscaled_columns(load(name)) == ()


def test_a_table_of_whole_numbers_is_judged_as_one_of_floats():
    numbers = np.random.default_rng(0).integers(0, 40, (200, 3))
    floats = table(*numbers.T)
    whole = Dataset(x=numbers, y=floats.y, classes=2, name="table")
    assert unscaled_columns(whole) == unscaled_columns(floats) == (True, True, True)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((4, 2), np.uint8), "x is a table of bytes, which are taken for brightness"),
        (np.zeros((4, 2), ">f4"), "x has dtype >f4: give bytes of pictures, or x.astype"),
        (np.zeros((4, 2), complex), "x has dtype complex128"),
        (np.zeros((4, 2), object), "x has dtype object"),
    ],
)
def test_records_of_which_networks_would_make_other_numbers_are_refused(x, words):
    with pytest.raises(InputError, match=words):
        Dataset(x=x, y=np.arange(4) % 2, classes=2, name="table")
