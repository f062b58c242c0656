"""Records for shadows: how many values are wrong, whose they are, and that features are independent."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.data import gaussian, load
from jaxattack.data.shadow_data import label_by, marginals, noisy
from jaxattack.oracle import from_function
from jaxattack.types import Access, Dataset, InputError, Inputs

RNG = np.random.default_rng(0)
BITS = (RNG.random((2000, 8)) < np.linspace(0.1, 0.9, 8)).astype(np.float32)
TABLE = Dataset(
    x=np.column_stack([BITS, RNG.normal(size=2000)]).astype(np.float32), y=np.arange(2000) % 2, classes=2, name="table"
)


def test_bits_are_flipped_as_often_as_said_and_other_values_stay_in_their_column():
    wrong = noisy(TABLE, share=0.2).x
    assert (wrong[:, :8] != TABLE.x[:, :8]).mean(axis=0) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 2000))
    assert np.isin(wrong[:, 8], TABLE.x[:, 8]).all()
    assert (wrong[:, 8] != TABLE.x[:, 8]).mean() == pytest.approx(0.2, abs=0.04)
    np.testing.assert_array_equal(noisy(TABLE, share=1.0).x[:, :8], 1 - TABLE.x[:, :8])


def test_no_noise_leaves_everything_and_a_seed_is_a_draw():
    np.testing.assert_array_equal(noisy(TABLE, share=0.0).x, TABLE.x)
    np.testing.assert_array_equal(noisy(TABLE).x, noisy(TABLE).x)
    assert (noisy(TABLE).x != noisy(TABLE, seed=1).x).any()


def test_pictures_stay_pictures():
    digits = load("digits")
    images = Dataset(x=(digits.x.reshape(-1, 8, 8, 1) * 15).astype(np.uint8), y=digits.y, classes=10, name="digits")
    for made in (noisy(images, share=0.5), marginals(images, records=30)):
        assert made.x.dtype == np.uint8
        assert made.x.shape[1:] == (8, 8, 1)


def test_marginals_of_a_class_are_its_own_and_features_are_independent():
    both = np.repeat(RNG.random((3000, 1)) < 0.5, 2, axis=1)  # two features that are always the same
    dataset = Dataset(
        x=np.column_stack([both, np.arange(3000) % 3]).astype(np.float32),
        y=np.arange(3000) % 3,
        classes=3,
        name="pairs",
    )
    made = marginals(dataset, records=4000)
    np.testing.assert_array_equal(made.x[:, 2], made.y)
    assert np.bincount(made.y) == pytest.approx([4000 / 3] * 3, abs=4 * np.sqrt(4000 * 2 / 9))
    assert (made.x[:, 0] == made.x[:, 1]).mean() == pytest.approx(0.5, abs=0.05)
    assert made.x[:, 0].mean() == pytest.approx(both[:, 0].mean(), abs=0.05)
    overall = marginals(dataset, records=4000, by_class=False)
    assert (overall.x[:, 2] == overall.y).mean() == pytest.approx(1 / 3, abs=0.05)


def test_labels_are_the_targets_own():
    weight = np.eye(20)[:, :2]
    access = Access(level="label", classes=2, inputs=Inputs.box(-9, 9, (20,)))
    victim = from_function(lambda x: (x @ weight).argmax(axis=1), access)
    x = gaussian(records=50).x
    labelled = label_by(victim, x)
    np.testing.assert_array_equal(labelled.y, x[:, :2].argmax(axis=1))
    assert (labelled.classes, victim.ledger.queries) == (2, 50)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="share is 1.5"):
        noisy(TABLE, share=1.5)
    with pytest.raises(InputError, match="records is 0"):
        marginals(TABLE, records=0)
