from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.data import fingerprint, from_arrays, load
from jaxattack.types import InputError, InputWarning

Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("dtype", "shape", "becomes", "as_shape"),
    [
        (np.uint8, (6, 3, 4), np.uint8, (6, 3, 4, 1)),
        (np.uint8, (6, 3, 4, 3), np.uint8, (6, 3, 4, 3)),
        (np.uint8, (6, 5), np.float32, (6, 5)),
        (np.int64, (6, 5), np.float32, (6, 5)),
        (bool, (6, 5), np.float32, (6, 5)),
        (np.float64, (6, 5), np.float32, (6, 5)),
        (np.float16, (6, 5), np.float32, (6, 5)),
        (np.float64, (6, 3, 4), np.float32, (6, 3, 4, 1)),
        (np.float64, (6, 3, 4, 3), np.float32, (6, 3, 4, 3)),
    ],
)
def test_records_take_the_kind_that_a_data_set_holds(dtype, shape, becomes, as_shape):
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    dataset = from_arrays(x, Y)
    assert (dataset.x.dtype, dataset.x.shape) == (becomes, as_shape)
    np.testing.assert_array_equal(dataset.x.ravel(), x.ravel().astype(becomes))
    assert dataset.classes == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.float32, np.float64])
def test_labels_of_every_numeric_kind_are_read(dtype):
    dataset = from_arrays(np.zeros((6, 2)), Y.astype(dtype))
    np.testing.assert_array_equal(dataset.y, Y)
    assert dataset.y.dtype == np.int64


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(6), Y, r"x has shape \(6,\): give a table \[record, feature\] or images"),
        (np.zeros((6, 1, 1, 1, 1)), Y, r"x has shape \(6, 1, 1, 1, 1\)"),
        (np.zeros((6, 0)), Y, r"shape \(6, 0\): give records with at least one feature"),
        (np.full((6, 2), "a"), Y, r"x has dtype <U1: give numbers \(encode categories"),
        (np.zeros((6, 2), complex), Y, r"x has dtype complex128: give numbers"),
        (np.zeros((6, 2, 2), np.int32), Y, r"images of dtype int32: give uint8 from 0 to 255, or floats"),
        (np.full((6, 2), 1e300), Y, r"x is NaN or infinite in 6 records"),
        (np.zeros((6, 2)), Y + 0.5, r"y holds 0\.5, which is no whole number: number the classes from 0"),
        (np.zeros((6, 2)), np.where(Y == 1, np.nan, Y), r"y holds nan, which is no whole number"),
        (np.zeros((6, 2)), np.full((6, 6), 1 / 6), r"y has shape \(6, 6\): give one label a record, or one-hot rows"),
        (np.zeros((0, 2)), Y[:0], r"there are no records"),
    ],
)
def test_arrays_of_another_kind_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        from_arrays(x, y)


def test_the_fingerprint_follows_the_records_and_not_the_name():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    dataset = from_arrays(x, Y, name="one")
    same = from_arrays(x.copy(order="F"), Y, name="two")
    assert fingerprint(dataset) == fingerprint(same)
    others = [
        from_arrays(x + 1, Y),
        from_arrays(x, Y[::-1]),
        from_arrays(x, Y, classes=4),
        replace(dataset, x=x.astype(np.float16)),
        replace(dataset, x=x.reshape(6, 2, 1)),
    ]
    assert len({fingerprint(other) for other in [dataset, *others]}) == 6


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20), st.integers(4, 9))
def test_declared_classes_admit_labels_with_gaps(labels, classes):
    y = np.array(labels)
    x = np.zeros((len(y), 1))
    if len(set(labels)) < 2:
        with pytest.raises(InputError, match="at least two classes"):
            from_arrays(x, y, classes=classes)
    else:
        assert from_arrays(x, y, classes=classes).classes == classes


def test_channels_that_come_first_and_scales_of_ones_own_are_options_of_a_file(tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (6, 3, 4, 5))
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    dataset = load(tmp_path / "a.npz", layout="nchw", scale=16)
    assert dataset.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.x, np.floor(x.transpose(0, 2, 3, 1) * 255 / 16 + 0.5))
    assert fingerprint(load(f"{tmp_path}/a.npz?layout=nchw&scale=16")) == fingerprint(dataset)
    assert dataset.name == f"{tmp_path}/a.npz?layout=nchw&scale=16"


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((6, 3, 4, 5)), {"layout": "nchv"}, r"layout is 'nchv': give nchw \(channels first\)"),
        (np.zeros((6, 3)), {"layout": "nchw"}, r"layout is nchw and x has shape \(6, 3\)"),
        (np.zeros((6, 3, 4)), {"scale": "bright"}, r"scale is 'bright': give the number of full brightness"),
        (np.zeros((6, 3, 4)), {"scale": -1}, r"scale is '-1'"),
        (np.zeros((6, 3)), {"scale": 1}, r"scale is 1 and x has shape \(6, 3\) and dtype float64: it is for pictures"),
        (np.full((6, 3, 4), 2.0), {"scale": 1}, r"scale is 1 and x ranges from 2 to 2: give the scale that it has"),
        (np.full((6, 3, 4), np.nan), {"scale": 1}, r"ranges from nan to nan"),
        (np.zeros((6, 3)), {"label": "y"}, r"takes no option 'label': it takes layout, scale"),
    ],
)
def test_a_layout_or_scale_that_the_arrays_have_not_is_refused(tmp_path, x, options, message):
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.npz", **options)


def test_a_column_that_float32_cannot_tell_apart_is_refused_with_what_is_left_of_it():
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3))
    for column in (1.7e9 + np.arange(40), 1_700_000_000 + np.arange(40), 1e9 + x[:, 0]):
        x[:, 1] = column
        left = len(set(map(float, np.float32(x[:, 1]))))
        with pytest.raises(
            InputError, match=rf"arrays: column 1 ranges from .* float32 has {left} numbers for its 40 values"
        ):
            from_arrays(x, np.arange(40) % 2)
    with pytest.raises(InputError, match="column 0 ranges from 1700000000 to 1700000039"):
        from_arrays(1_700_000_000 + np.arange(40)[:, None], np.arange(40) % 2)


def test_columns_of_which_float32_loses_nothing_that_counts_are_taken():
    day = 1.7e9 + 86_400 * np.random.default_rng(0).random(40)
    noise = 0.1 + np.arange(40) * 1e-17  # what float64 leaves of a constant
    two = 1e6 + np.where(np.arange(40) % 3, 0.1, 0.6)
    x = np.column_stack([day, noise, two, np.zeros(40), np.full(40, 1 / 3)])
    np.testing.assert_array_equal(from_arrays(x, np.arange(40) % 2).x, x.astype(np.float32))


def test_bytes_of_another_scale_are_told_and_scaled_where_that_is_said(tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (6, 3, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    with pytest.warns(
        InputWarning,
        match="bytes up to 16, and networks take 255 for full brightness.* multiply them by 255 / 16, as scale=16",
    ):
        np.testing.assert_array_equal(load(tmp_path / "a.npz").x[..., 0], x)
    assert load(tmp_path / "a.npz", scale=16).x.max() == 255


def test_what_is_under_a_mask_is_no_value():
    x, masked = np.arange(12.0).reshape(6, 2), np.arange(12).reshape(6, 2) == 3
    with pytest.raises(InputError, match="x is masked in 1 places: fill them"):
        from_arrays(np.ma.masked_array(x, masked), Y)
    with pytest.raises(InputError, match="y is masked in 2 places"):
        from_arrays(x, np.ma.masked_equal(Y, 1))
    np.testing.assert_array_equal(from_arrays(np.ma.masked_array(x), Y).x, x)
