from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.data import from_arrays
from jaxattack.training.images import Queries, as_input, augment, check_images, check_views, in_blocks, view
from jaxattack.training.recipe import Recipe
from jaxattack.types import Dataset, InputError

IMAGES = np.random.default_rng(0).uniform(0.1, 1.0, (64, 6, 5, 2)).astype(np.float32)


def augmented(seed=0, **recipe):
    return np.asarray(augment(Recipe(**recipe), jax.random.key(seed), jnp.asarray(IMAGES)))


def padded(pixels):
    return np.pad(IMAGES, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")


def test_bytes_become_minus_one_to_one_and_floats_stay():
    np.testing.assert_allclose(as_input(jnp.array([0, 51, 255], jnp.uint8)), [-1.0, -0.6, 1.0], atol=1e-6)
    assert as_input(jnp.array([0, 255], jnp.uint8)).dtype == jnp.float32
    np.testing.assert_array_equal(as_input(jnp.array([-3.5, 260.0])), [-3.5, 260.0])


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    found = augmented(flip=True)
    same = (found == IMAGES).all(axis=(1, 2, 3))
    mirrored = (found == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


def test_crop_takes_a_window_of_the_padded_image_and_every_window_comes_up():
    found, wide, seen = augmented(crop=1), padded(1), set()
    for image, around in zip(found, wide, strict=True):
        windows = [(i, j) for i in range(3) for j in range(3) if (around[i : i + 6, j : j + 5] == image).all()]
        assert windows
        seen.update(windows)
    assert seen == {(i, j) for i in range(3) for j in range(3)}


def test_cutout_sets_one_square_to_zero_even_across_the_border():
    found = augmented(cutout=3)
    gone = found == 0
    np.testing.assert_array_equal(found[~gone], IMAGES[~gone])
    assert (gone.all(axis=-1) == gone.any(axis=-1)).all()
    areas = set()
    for image in gone[..., 0]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 2 <= len(rows) <= 3
        assert 2 <= len(columns) <= 3
        assert image[np.ix_(rows, columns)].all()
        assert image.sum() == len(rows) * len(columns)
        assert np.ptp(rows) == len(rows) - 1
        assert np.ptp(columns) == len(columns) - 1
        areas.add(int(image.sum()))
    assert {4, 9} < areas


def test_an_augmentation_follows_from_its_key():
    options = {"flip": True, "crop": 2}
    np.testing.assert_array_equal(augmented(seed=1, **options), augmented(seed=1, **options))
    assert (augmented(seed=1, **options) != augmented(seed=2, **options)).any()


def test_without_augmentation_nothing_changes():
    np.testing.assert_array_equal(augmented(), IMAGES)


@pytest.mark.parametrize("count", [1, 2, 9, 18, 25, 50, 81, 162])
def test_queries_are_distinct_and_begin_with_the_record_itself(count):
    queries = Queries.counting(count)
    offsets = queries.offsets()
    assert (queries.count, offsets.shape) == (count, (count, 3))
    assert tuple(offsets[0]) == (0, queries.shift, queries.shift)
    assert len({tuple(row) for row in offsets}) == count
    assert offsets[:, 1:].min() == 0
    assert offsets[:, 1:].max() == 2 * queries.shift


def test_fewer_queries_are_the_first_of_more():
    small, large = Queries(shift=1).offsets(), Queries(mirror=True, shift=1).offsets()
    np.testing.assert_array_equal(small, large[: len(small)])


@pytest.mark.parametrize("count", [-1, 0, 3, 4, 5, 8, 10, 16, 19, 36])
def test_no_other_number_of_queries_exists(count):
    with pytest.raises(InputError, match=f"queries is {count}: give 1, 2, 9, 18"):
        Queries.counting(count)


def test_a_negative_shift_is_refused():
    with pytest.raises(InputError, match="shift is -1"):
        Queries(shift=-1)


@pytest.mark.parametrize("count", [1, 2, 9, 18, 50])
def test_a_view_equals_a_mirrored_and_shifted_window_of_the_reflected_image(count):
    queries = Queries.counting(count)
    c = queries.shift
    look = jax.jit(lambda x, offset: view(queries, x, offset))
    for flip, i, j in queries.offsets():
        base = IMAGES[:, :, ::-1] if flip else IMAGES
        wide = np.pad(base, ((0, 0), (c, c), (c, c), (0, 0)), mode="reflect")
        found = look(jnp.asarray(IMAGES), jnp.array([flip, i, j], jnp.int32))
        np.testing.assert_array_equal(found, wide[:, i : i + 6, j : j + 5])


def test_tables_have_one_view_of_themselves():
    table = jnp.ones((3, 7))
    assert view(Queries(), table, jnp.zeros(3, jnp.int32)) is table


@given(records=st.integers(2, 5000), most=st.integers(1, 2000))
def test_blocks_of_equal_size_cover_the_records_and_repeat_the_last(records, most):
    index = in_blocks(records, most)
    blocks, size = index.shape
    assert size <= most
    assert records <= index.size < records + blocks
    np.testing.assert_array_equal(index.ravel()[:records], np.arange(records))
    assert (index.ravel()[records:] == records - 1).all()


def test_bytes_are_moved_as_bytes_and_become_the_same_floats():
    images = jnp.asarray(np.random.default_rng(1).integers(0, 256, (16, 6, 5, 2)), jnp.uint8)
    recipe, key = Recipe(flip=True, crop=2, cutout=3), jax.random.key(4)
    np.testing.assert_array_equal(augment(recipe, key, images), augment(recipe, key, as_input(images)))


@pytest.mark.parametrize(
    ("recipe", "queries", "words"),
    [
        ({}, {"mirror": True}, "holds no images"),
        ({"flip": True}, {}, "holds no images"),
        ({"crop": 1}, {}, "holds no images"),
        ({"cutout": 1}, {}, "holds no images"),
    ],
)
def test_tables_are_not_augmented_or_shifted(recipe, queries, words):
    table = from_arrays(np.ones((4, 7), np.float32), np.arange(4) % 2, name="table")
    with pytest.raises(InputError, match=words):
        check_views(Recipe(**recipe), Queries(**queries), table)
    check_views(Recipe(), Queries(), table)


@pytest.mark.parametrize(
    ("recipe", "queries", "words"),
    [
        ({"crop": 5}, {}, "crop is 5 pixels"),
        ({"cutout": 9}, {}, "cutout is 9 pixels"),
        ({}, {"shift": 5}, "shift is 5 pixels"),
    ],
)
def test_images_smaller_than_the_change_are_refused(recipe, queries, words):
    images = from_arrays(np.zeros((4, 6, 5), np.uint8), np.arange(4) % 2, name="small")
    with pytest.raises(InputError, match=words):
        check_views(Recipe(**recipe), Queries(**queries), images)
    check_views(Recipe(crop=4, cutout=4), Queries(shift=4), images)


def pictures(shape, low, high, dtype=np.float32):
    x = np.random.default_rng(0).uniform(low, high, (6, *shape))
    x.flat[:2] = low, high
    return Dataset(x=x.astype(dtype), y=np.arange(6) % 2, classes=2, name="some")


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (
            pictures((8, 8, 1), 0, 255),
            "floats from 0 to 255, and networks take them on a scale from -1 to 1.* divide by 255",
        ),
        (pictures((8, 8, 3), -2, 2.5), "floats from -2 to 2.5, .* divide by 2.5"),
        (pictures((8, 8, 3), -3, 2.5), "divide by 3"),
        (
            pictures((3, 16, 16), 0, 255, np.uint8),
            r"channels seem to come first: give the layout \[record, height, width, ch",
        ),
        (pictures((1, 28, 28), 0, 1), "channels seem to come first"),
        (pictures((3, 48, 64), 0, 1), "channels seem to come first"),
        (pictures((4, 20, 20), 0, 255, np.uint8), "channels seem to come first"),
    ],
)
def test_images_that_a_network_would_misread_are_refused(dataset, words):
    with pytest.raises(InputError, match=words):
        check_images(dataset)


@pytest.mark.parametrize(
    "dataset",
    [
        pictures((8, 8, 1), 0, 255, np.uint8),
        pictures((8, 8, 3), -1, 1),
        pictures((1, 8, 1), 0, 1),
        pictures((3, 3, 3), 0, 1),
        pictures((3, 16, 4), 0, 1),
        pictures((8, 8, 16), 0, 1),
        pictures((100,), -1000, 1000),
    ],
    ids=lambda dataset: f"{dataset.x.dtype} {dataset.shape}",
)
def test_other_images_and_tables_are_taken(dataset):
    check_images(dataset)
