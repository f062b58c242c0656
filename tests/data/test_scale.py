"""Which columns are far from one scale."""

from __future__ import annotations

import numpy as np

from jaxattack import load
from jaxattack.data import unscaled_columns
from jaxattack.types import Dataset


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
