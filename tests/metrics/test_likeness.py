"""Likeness of records, against cases with known answers and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from jaxattack.metrics import correlation, mse, nearest, psnr, ssim
from jaxattack.types import InputError


def pictures(seed: int, records: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (records, 12, 10, 2)).astype(float)


def test_a_shift_of_one_level_has_the_known_error_and_ratio():
    x = pictures(0)
    np.testing.assert_allclose(mse(x, x + 3), 9.0)
    np.testing.assert_allclose(psnr(x, x + 3, 255), 20 * np.log10(255 / 3))
    assert np.isinf(psnr(x, x, 255)).all()


def test_a_picture_is_wholly_similar_to_itself_and_not_at_all_to_its_negative():
    x = pictures(1)
    np.testing.assert_allclose(ssim(x, x, 255), 1.0)
    assert (ssim(x, 255 - x, 255) < 0).all()


def test_constant_pictures_differ_by_their_luminance_alone():
    dark, light = np.full((1, 16, 16, 1), 50.0), np.full((1, 16, 16, 1), 100.0)
    c1 = (0.01 * 255) ** 2
    np.testing.assert_allclose(ssim(dark, light, 255), (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1), rtol=1e-9)


def test_similarity_is_that_of_explicit_windows():
    a, b = pictures(2, 1), pictures(3, 1)
    offsets = np.arange(-5, 6)
    weight = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(weight, weight) / weight.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(2):
        p, q = (np.pad(x[0, ..., channel], 5, mode="symmetric") for x in (a, b))
        for i in range(12):
            for j in range(10):
                u, v = p[i : i + 11, j : j + 11], q[i : i + 11, j : j + 11]
                mu, mv = (window * u).sum(), (window * v).sum()
                cov = (window * u * v).sum() - mu * mv
                var = (window * u * u).sum() - mu**2 + (window * v * v).sum() - mv**2
                values.append((2 * mu * mv + c1) * (2 * cov + c2) / ((mu**2 + mv**2 + c1) * (var + c2)))
    np.testing.assert_allclose(ssim(a, b, 255), np.mean(values), rtol=1e-9)


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-50, 50))
def test_correlation_is_pearsons_and_leaves_out_brightness_and_contrast(seed, scale, shift):
    a, b = pictures(seed, 2)
    expected = pearsonr(a.ravel(), b.ravel()).statistic
    assert correlation(a[None], b[None])[0] == pytest.approx(expected, abs=1e-12)
    assert correlation(a[None] * scale + shift, b[None])[0] == pytest.approx(expected, abs=1e-9)


def test_a_constant_record_has_no_correlation():
    assert np.isnan(correlation(np.ones((1, 5)), np.arange(5.0)[None])).all()


@given(st.integers(0, 1000))
def test_the_nearest_record_is_the_one_that_a_loop_finds(seed):
    rng = np.random.default_rng(seed)
    x, records = rng.normal(size=(7, 3, 2)), rng.normal(size=(20, 3, 2))
    found = nearest(x, records)
    for query, record, distance in zip(x, found.record, found.distance, strict=True):
        distances = [np.linalg.norm(query - other) for other in records]
        assert record == np.argmin(distances)
        assert distance == pytest.approx(min(distances))


def test_the_nearest_of_records_far_from_0_is_found_by_their_differences():
    """Squares of times in nanoseconds are 1e36: between them the first record was the nearest to all."""
    records = 1e18 + 1024.0 * np.arange(50)[:, None] * np.array([1.0, 3.0])
    found = nearest(records + 300, records)
    np.testing.assert_array_equal(found.record, np.arange(50))


@pytest.mark.parametrize("measure", [mse, correlation, lambda a, b: ssim(a, b, 255), lambda a, b: psnr(a, b, 255)])
def test_one_record_is_not_compared_with_several(measure):
    x = pictures(0)
    with pytest.raises(InputError, match=r"records have shapes \(3, 12, 10, 2\) and \(1, 12, 10, 2\)"):
        measure(x, x[:1])


@pytest.mark.parametrize("records", [np.zeros((0, 2)), np.zeros((4, 3))])
def test_where_there_is_no_record_of_the_kind_none_is_the_nearest(records):
    with pytest.raises(InputError, match="give some records of the same features"):
        nearest(np.zeros((5, 2)), records)
