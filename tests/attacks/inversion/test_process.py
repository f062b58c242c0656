"""What is done between steps, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from jaxattack.attacks.inversion.process import process
from jaxattack.types import InputError

X = np.random.default_rng(0).random((4, 9, 7, 2)).astype(np.float32)
KERNEL = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16


def test_the_median_is_scipys():
    np.testing.assert_array_equal(process("median")(X), ndimage.median_filter(X, (1, 3, 3, 1), mode="nearest"))


def test_the_gaussian_is_a_convolution_and_sharpening_undoes_some_of_it():
    blurred = ndimage.convolve(X, KERNEL, mode="nearest")
    np.testing.assert_allclose(process("gaussian")(X), blurred, atol=1e-6)
    np.testing.assert_allclose(process("sharpen")(X), np.clip(2 * X - blurred, 0, 1), atol=1e-6)


def test_several_run_in_order_and_end_in_the_box():
    once = np.asarray(process("median+sharpen")(X))
    np.testing.assert_array_equal(once, process("sharpen")(process("median")(X)))
    assert process("clip")(3 * X - 1).min() == 0
    assert process("clip")(3 * X - 1).max() == 1


def test_a_picture_without_channel_is_one_of_one_channel():
    np.testing.assert_array_equal(process("median")(X[..., 0]), process("median")(X[..., :1])[..., 0])


def test_an_unknown_process_is_refused():
    with pytest.raises(InputError, match="process is 'blur'"):
        process("blur")
