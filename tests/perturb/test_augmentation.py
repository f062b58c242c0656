"""Weak and strong views of pictures: each operation beside the plain version, and what every view keeps to."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import affine_transform

from jaxattack.perturb.augmentation import (
    COLOURS,
    MOVEMENTS,
    OPERATIONS,
    move,
    movement,
    recolour,
    require_pictures,
    strong_view,
    weak_view,
)
from jaxattack.signals.augmented import rotate
from jaxattack.types import InputError

RNG = np.random.default_rng(4)
BYTES = RNG.integers(0, 256, (6, 10, 8, 3), dtype=np.uint8)
X = jnp.asarray(BYTES / 127.5 - 1, jnp.float32)
KEYS = jax.random.split(jax.random.key(0), len(X))
colour = jax.jit(recolour)


@jax.jit
def move_by(x, operation, size):
    return move(x, movement(operation, size))


def as_bytes(x) -> np.ndarray:
    return (np.asarray(x) + 1) * 127.5


def test_a_rotation_is_the_one_that_signals_make():
    turned = move_by(X[0], MOVEMENTS.index("rotation"), 0.9)
    np.testing.assert_allclose(turned, rotate(X[:1], jnp.asarray(0.8 * 30.0))[0], atol=2e-4)


@pytest.mark.parametrize(
    ("name", "matrix", "offset"),
    [
        ("shear-rows", [[1, 0.18], [0, 1]], [-0.18 * 3.5, 0]),
        ("shear-columns", [[1, 0], [0.18, 1]], [0, -0.18 * 4.5]),
        ("translation-rows", np.eye(2), [1.8, 0]),
        ("translation-columns", np.eye(2), [0, 1.44]),
    ],
)
def test_a_movement_takes_pixels_from_where_it_says(name, matrix, offset):
    expected = [affine_transform(np.asarray(X[0, ..., c]), matrix, offset, order=1, mode="nearest") for c in range(3)]
    result = move_by(X[0], MOVEMENTS.index(name), 0.8)
    np.testing.assert_allclose(result, np.stack(expected, axis=2), atol=2e-4)


def test_no_movement_and_no_colour_leave_a_picture():
    for operation in range(len(MOVEMENTS)):
        np.testing.assert_allclose(move_by(X[0], operation, 0.5), X[0], atol=1e-5)
    np.testing.assert_allclose(move_by(X[0], -1, 0.9), X[0], atol=1e-5)
    np.testing.assert_allclose(colour(X[0], -2, 0.9), X[0], atol=1e-6)


@pytest.mark.parametrize("size", [0.1, 0.7])
def test_colours_are_those_of_pillow(size):
    image, share = Image.fromarray(BYTES[0]), 0.05 + 0.9 * size
    expected = {
        "identity": image,
        "autocontrast": ImageOps.autocontrast(image),
        "brightness": ImageEnhance.Brightness(image).enhance(share),
        "posterise": ImageOps.posterize(image, int(4 + 4 * size + 0.5)),
        "solarise": ImageOps.solarize(image, int(np.ceil(255 * size))),
    }
    for name, picture in expected.items():
        result = as_bytes(colour(X[0], COLOURS.index(name), size))
        np.testing.assert_allclose(
            result, np.asarray(picture, float), atol=1.01, err_msg=name
        )  # Pillow cuts decimals off
    # Pillow weighs red, green and blue, and leaves the pixels of the edge: of a grey picture, and within it, it does not matter.
    grey = np.broadcast_to(BYTES[1, ..., :1], BYTES[1].shape)
    for name, enhance in {"contrast": ImageEnhance.Contrast, "sharpness": ImageEnhance.Sharpness}.items():
        result = as_bytes(colour(jnp.asarray(grey / 127.5 - 1, jnp.float32), COLOURS.index(name), size))
        plain = np.asarray(enhance(Image.fromarray(np.ascontiguousarray(grey))).enhance(share), float)
        np.testing.assert_allclose(result[1:-1, 1:-1], plain[1:-1, 1:-1], atol=1.6, err_msg=name)
    greyed = colour(X[0], COLOURS.index("colour"), size)
    mean = X[0].mean(axis=2, keepdims=True)
    np.testing.assert_allclose(greyed - mean, share * (X[0] - mean), atol=1e-5)


def test_views_depend_on_their_own_key_and_picture_alone_and_stay_in_range():
    for kind in (partial(weak_view, flip=True), strong_view):
        view = jax.jit(jax.vmap(kind))
        every = view(KEYS, X)
        assert every.shape == X.shape
        assert float(jnp.abs(every).max()) <= 1
        np.testing.assert_allclose(view(KEYS[::-1], X[::-1])[::-1], every, atol=1e-6)
        assert (np.asarray(view(jax.random.split(jax.random.key(1), len(X)), X)) != every).any()


def test_a_weak_view_is_a_shift_by_an_eighth_and_a_mirror_half_of_the_time():
    picture = jnp.asarray(RNG.normal(size=(16, 8, 1)), jnp.float32)
    padded = np.pad(picture, ((2, 2), (1, 1), (0, 0)), mode="reflect")
    shifts = [padded[row : row + 16, column : column + 8] for row in range(5) for column in range(3)]
    allowed = np.stack([*shifts, *(one for one in _mirrored_shifts(np.asarray(picture)))])
    views = jax.jit(jax.vmap(partial(weak_view, flip=True), in_axes=(0, None)))(
        jax.random.split(jax.random.key(2), 400), picture
    )
    place = np.abs(np.asarray(views)[:, None] - allowed).max(axis=(2, 3, 4)).argmin(axis=1)
    np.testing.assert_array_equal(views, allowed[place])
    assert len({*place.tolist()}) == 30
    assert abs((place >= 15).mean() - 0.5) < 4 * np.sqrt(0.25 / 400)


def _mirrored_shifts(picture: np.ndarray) -> list[np.ndarray]:
    padded = np.pad(picture[:, ::-1], ((2, 2), (1, 1), (0, 0)), mode="reflect")
    return [padded[row : row + 16, column : column + 8] for row in range(5) for column in range(3)]


def test_strong_views_draw_every_operation_and_grey_out_squares():
    assert len(OPERATIONS) == 13
    light = jnp.full((16, 16, 1), 0.5)
    views = np.asarray(
        jax.jit(jax.vmap(strong_view, in_axes=(0, None)))(jax.random.split(jax.random.key(3), 300), light)
    )[..., 0]
    grey = views == 0
    assert 0.5 < grey.any(axis=(1, 2)).mean() < 1
    # A square of up to half of the side covers at most 9 x 9 pixels.
    assert grey.sum(axis=(1, 2)).max() <= 81
    rows, columns = grey.any(axis=2).sum(axis=1), grey.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(grey.sum(axis=(1, 2)), rows * columns)


@pytest.mark.parametrize("shape", [(5,), (4, 4), (1, 4, 3)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(
        InputError, match=r"this needs weak and strong views of pictures, and a record has the shape \("
    ):
        require_pictures(shape, "this")
