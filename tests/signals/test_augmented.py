"""Copies of pictures against `scipy.ndimage`, and whether they are answered with the label."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxattack.signals import AugmentedCorrectness, lookup
from jaxattack.signals.augmented import rotate, shift, steps
from jaxattack.training.view import View
from jaxattack.types import InputError, Model, Variables, sees

X = np.random.default_rng(0).uniform(-1, 1, (6, 5, 7, 2)).astype(np.float32)
TURN = AugmentedCorrectness(kind="rotation", size=10)
MOVE = AugmentedCorrectness(kind="translation", size=2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_translation_goes_everywhere_at_its_distance_and_nowhere_first(size):
    found = np.asarray(steps(size))
    assert found[0].tolist() == [0, 0]
    every = {(i, j) for i in range(-size, size + 1) for j in range(-size, size + 1) if abs(i) + abs(j) == size}
    assert {tuple(map(int, one)) for one in found[1:]} == every
    assert len(found) == 4 * size + 1 == AugmentedCorrectness(kind="translation", size=size).queries


@pytest.mark.parametrize("by", [(0, 0), (2, 0), (-1, 1), (0, -2)])
def test_pictures_are_shifted_as_scipy_shifts_them(by):
    expected = ndimage.shift(X, (0, *by, 0), order=0, mode="nearest")
    np.testing.assert_array_equal(shift(jnp.asarray(X), jnp.asarray(by), 2), expected)


@pytest.mark.parametrize("degrees", [0.0, 7.0, -30.0])
def test_pictures_are_turned_as_scipy_turns_them(degrees):
    expected = ndimage.rotate(X, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(rotate(jnp.asarray(X), jnp.float32(degrees)), expected, atol=1e-4)


def bright(weight):
    """Two classes, the second where the weighted sum of a picture's pixels is above 0."""

    def apply(variables, x):
        total = (x * variables.params[None]).sum(axis=(1, 2, 3))
        return jnp.stack([jnp.zeros_like(total), total], axis=1)

    return View(Model(lambda key: None, apply, lambda *given: None), Variables(jnp.asarray(weight), {}))


def read(signal, view, y, x=X):
    return np.asarray(jax.jit(lambda x, y: signal(view, x, y, None))(jnp.asarray(x), jnp.asarray(y)))


@pytest.mark.parametrize("signal", [TURN, MOVE], ids=lambda signal: signal.name)
def test_each_copy_is_right_as_a_loop_says(signal):
    assert lookup(signal.name) == signal
    assert sees(signal, "label")
    weight = np.random.default_rng(1).standard_normal(X.shape[1:]).astype(np.float32)
    y = ((X * weight).sum(axis=(1, 2, 3)) > 0).astype(np.int32)
    y[0] = 1 - y[0]
    if signal is TURN:
        copies = [ndimage.rotate(X, d, axes=(1, 2), reshape=False, order=1, mode="nearest") for d in (0, 10, -10)]
    else:
        copies = [ndimage.shift(X, (0, *by, 0), order=0, mode="nearest") for by in np.asarray(steps(2))]
    expected = np.stack([((copy * weight).sum(axis=(1, 2, 3)) > 0) == y for copy in copies], axis=1)
    found = read(signal, bright(weight), y)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (6, signal.queries)
    np.testing.assert_array_equal(found[:, 0], np.arange(6) != 0)
    assert 0 < found[1:, 1:].mean() < 1


def test_an_even_picture_looks_the_same_from_everywhere():
    even = np.full_like(X, 0.5)
    for signal in (TURN, MOVE):
        assert (read(signal, bright(np.ones(X.shape[1:], np.float32)), np.ones(6, np.int32), even) == 1).all()


def test_what_cannot_be_moved_is_refused():
    view = bright(np.ones(X.shape[1:], np.float32))
    with pytest.raises(InputError, match="rotation_correct_10 moves pictures, and records have 3 columns"):
        read(TURN, view, np.zeros(4, np.int32), np.zeros((4, 3), np.float32))
    with pytest.raises(InputError, match="size is 5 pixels and pictures are 5 x 7"):
        read(AugmentedCorrectness(kind="translation", size=5), view, np.zeros(6, np.int32))
    with pytest.raises(InputError, match="size is 200 degrees"):
        AugmentedCorrectness(kind="rotation", size=200)
    with pytest.raises(InputError, match="signal is 'rotation_correct_0'"):
        lookup("rotation_correct_0")
