from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from jaxattack.data import fingerprint, load, names
from jaxattack.types import InputError


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 8, 8, 1), 10),
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
        ("synthetic:gaussian", (1000, 20), 2),
        ("synthetic:random-labels", (1000, 20), 10),
    ],
)
def test_a_set_that_needs_no_file_loads(name, shape, classes):
    dataset = load(name)
    assert dataset.x.shape == shape
    assert dataset.classes == classes == len(np.unique(dataset.y))
    assert dataset.x.dtype == (np.uint8 if name == "digits" else np.float32)
    assert dataset.name == name
    assert names()[name]


def test_digits_are_the_sixteen_shades_stretched_to_a_byte():
    images = datasets.load_digits(return_X_y=True)[0].reshape(-1, 8, 8)
    x = load("digits").x[..., 0]
    assert (x.min(), x.max()) == (0, 255)
    np.testing.assert_array_equal(x, np.floor(images * 255 / 16 + 0.5))
    np.testing.assert_array_equal(np.rint(x / 255 * 16), images)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_tables_are_standardised_by_column(name):
    x = load(name).x.astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-6)


def test_options_reach_a_synthetic_set():
    name = "synthetic:gaussian?records=50&features=7&classes=3&separation=1.5&seed=4"
    dataset = load(name)
    assert (dataset.x.shape, dataset.classes, dataset.name) == ((50, 7), 3, name)
    assert fingerprint(dataset) != fingerprint(load(name.replace("seed=4", "seed=5")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "digit",
            r"no data set 'digit' \(did you mean 'digits'\?\): choose from digits, .*tfds:NAME, or the path of a",
        ),
        ("photographs.csv", r"photographs\.csv: there is no such file"),
        ("", r"no data set '': choose from"),
        ("digits?split=train", r"digits takes no option 'split': it takes none"),
        ("tfds:mnist?splt=train", r"tfds:mnist takes no option 'splt': it takes split, data_dir"),
        ("synthetic:gaussian?rows=3", r"takes no option 'rows': it takes records, features, classes, separation, seed"),
        ("synthetic:gaussian?records", r"'records' is no option: write synthetic:gaussian\?option=value"),
        ("synthetic:gaussian?records=", r"'records=' is no option"),
        ("synthetic:gaussian?records=many", r"records=many is no number of that kind: give a whole number"),
        ("synthetic:gaussian?separation=far", r"separation=far is no number of that kind: give a number"),
        ("synthetic:gausian", r"did you mean 'synthetic:gaussian'\?"),
    ],
)
def test_a_name_or_option_that_does_not_exist_is_refused(name, message):
    with pytest.raises(InputError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)
