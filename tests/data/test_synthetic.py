from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from jaxattack.data import gaussian, load, random_labels
from jaxattack.types import InputError


def test_the_bayes_classifier_of_two_gaussians_is_right_as_often_as_the_closed_form_says():
    dataset = gaussian(records=100_000, features=3, separation=1.7, seed=1)
    right = (dataset.x[:, :2].argmax(axis=1) == dataset.y).mean()
    assert right == pytest.approx(norm.cdf(1.7 / 2), abs=4 * 0.5 / math.sqrt(100_000))


def test_the_bayes_classifier_of_many_gaussians_is_right_as_often_as_the_integral_says():
    classes, separation = 5, 2.5
    z = np.linspace(-9, 9, 20_001)
    integrand = norm.pdf(z) * norm.cdf(z + separation / math.sqrt(2)) ** (classes - 1)
    dataset = gaussian(records=100_000, features=5, classes=classes, separation=separation)
    right = (dataset.x.argmax(axis=1) == dataset.y).mean()
    assert right == pytest.approx(np.trapezoid(integrand, z), abs=4 * 0.5 / math.sqrt(100_000))


def test_every_two_means_lie_the_separation_apart():
    dataset = gaussian(records=200_000, features=4, classes=3, separation=3.0)
    means = np.stack([dataset.x[dataset.y == cls].mean(axis=0) for cls in range(3)])
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert np.linalg.norm(means[first] - means[second]) == pytest.approx(3.0, abs=0.05)


def test_random_labels_are_uniform_and_uncorrelated_with_the_records():
    dataset = random_labels(records=50_000, features=3, classes=4, seed=2)
    counts = np.bincount(dataset.y, minlength=4)
    assert np.abs(counts - 12_500).max() < 5 * math.sqrt(12_500)
    for cls in range(4):
        assert np.abs(dataset.x[dataset.y == cls].mean(axis=0)).max() < 5 / math.sqrt(counts[cls])


@pytest.mark.parametrize("make", [gaussian, random_labels])
def test_a_set_follows_from_its_seed_and_its_name_loads_it(make):
    dataset = make(records=40, seed=7)
    np.testing.assert_array_equal(dataset.x, make(records=40, seed=7).x)
    assert not np.array_equal(dataset.x, make(records=40, seed=8).x)
    np.testing.assert_array_equal(dataset.x, load(dataset.name).x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"records": 0}, r"records=0: give at least 1"),
        ({"features": 0}, r"features=0: give at least 1"),
        ({"classes": 1}, r"classes=1: give at least 2"),
        ({"seed": -1}, r"seed=-1: give at least 0"),
        ({"separation": -1.0}, r"separation=-1.0: give a distance of at least 0"),
        ({"separation": math.nan}, r"separation=nan: give a distance"),
        ({"features": 2, "classes": 3}, r"features=2 is less than classes=3: give a feature for each class"),
        ({"records": 1}, r"every record has the label \d: a classifier needs at least two classes"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        gaussian(**options)
