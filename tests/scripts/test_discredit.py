"""False accusations of near-duplicates, on records and scores whose answer is known."""

from __future__ import annotations

import discredit
import numpy as np
import pytest

from jaxattack.types import Dataset

RNG = np.random.default_rng(0)
PICTURES = Dataset(x=RNG.random((60, 4, 4, 1), np.float32), y=np.arange(60) % 3, classes=3, name="pictures")


def test_duplicates_are_near_and_mixed_within_their_class():
    made = discredit.duplicates(PICTURES, seed=0)
    assert [*made] == ["noise", "mix", "shift"]
    x = PICTURES.x
    assert np.abs(made["noise"] - x).max() < 6 * discredit.NOISE
    np.testing.assert_allclose(made["mix"][0], 0.9 * x[0] + 0.1 * x[3], rtol=1e-5)  # 3 is the next record of class 0
    np.testing.assert_array_equal(made["shift"][:, :, 1:], x[:, :, :-1])
    assert not made["shift"][:, :, 0].any()
    assert len(discredit.with_duplicates(PICTURES, made)) == 240


def test_a_nearest_neighbour_accuses_every_member_with_noise():
    member = np.arange(60) < 30
    every = discredit.with_duplicates(PICTURES, discredit.duplicates(PICTURES, seed=0))
    scores = discredit.neighbour_scores(every.x, PICTURES.x[member])[None]
    near = discredit.nearest_others(PICTURES.x, member)[None]
    original, offered = discredit.offered_scores(scores, member[None], ["noise", "mix", "shift"], near)
    result = discredit.accusations(original, member[None], offered, claimed=0.1)
    assert result["noise"].accused == result["noise"].records == 30
    assert result["noise"].ratio == pytest.approx(10)
    assert result["others"].accused == 3
    assert result["noise, of others"].accused < 6
    low, high = result["others"].interval
    assert low < 1 < high


def test_the_nearest_others_are_no_members():
    x = np.array([[0.0], [1.0], [1.2], [5.0], [9.0]])
    chosen = discredit.nearest_others(x, np.array([True, False, True, False, False]))
    assert chosen.tolist() == [False, True, False, False, False]
