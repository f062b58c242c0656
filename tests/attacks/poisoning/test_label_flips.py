"""Flips at random and by influence: against the difference that retraining makes, and against every pair of thirty records."""

from itertools import combinations

import numpy as np
import pytest
from attacks.poisoning.small import table

from jaxattack.attacks.poisoning import InfluenceFlips, RandomFlips
from jaxattack.attacks.poisoning.influence import SoftmaxRegression, flip_gains
from jaxattack.types import InputError

DECAY = 1e-1


def losses_after(train, own, flips):
    """The naive twin: logistic regression by Newton's method for many sets of flips of two classes at once, and its losses.

    Softmax regression of two classes is logistic regression of the difference w of its columns, |W|^2 = |w|^2 / 2.
    """
    label = np.tile(train.y, (len(flips), 1))
    np.put_along_axis(label, flips, 1 - np.take_along_axis(label, flips, axis=1), axis=1)
    design, other = (np.hstack([each.x.astype(float), np.ones((len(each), 1))]) for each in (train, own))
    w = np.zeros((len(flips), 3))
    for _ in range(30):
        p = 1 / (1 + np.exp(-w @ design.T))
        slope = (p - label) @ design / 30 + DECAY / 2 * w
        hessian = np.einsum("kr,ri,rj->kij", p * (1 - p), design, design) / 30 + DECAY / 2 * np.eye(3)
        w = w - np.linalg.solve(hessian, slope[..., None])[..., 0]
    return np.logaddexp(0, -(w @ other.T) * (2 * own.y - 1)).mean(axis=1)


def test_a_flips_influence_is_what_retraining_gives_to_first_order():
    train, own = table(), table(200, seed=1)
    regression = SoftmaxRegression.fit(train.x, train.y, 2, DECAY)
    gain = flip_gains(regression, train.x, train.y, own.x, own.y)
    predicted = gain[np.arange(30), 1 - train.y]
    actual = losses_after(train, own, np.arange(30)[:, None]) - regression.loss(own.x, own.y)
    assert np.isneginf(gain[np.arange(30), train.y]).all()
    assert np.corrcoef(predicted, actual)[0, 1] > 0.95
    # Repeated records make a flip as small a part as one likes, and the first order exact.
    record = int(predicted.argmax())
    x, y = np.repeat(train.x, 500, axis=0), np.repeat(train.y, 500)
    y[record * 500] = 1 - train.y[record]
    change = SoftmaxRegression.fit(x, y, 2, DECAY, regression).loss(own.x, own.y) - regression.loss(own.x, own.y)
    np.testing.assert_allclose(500 * change, predicted[record], rtol=0.02)


def test_two_flips_are_near_the_best_of_all_pairs():
    pairs, own = np.array([*combinations(range(30), 2)]), table(200, seed=100)
    shares, better = [], []
    for seed in range(6):
        train = table(seed=seed)
        exhaustive = losses_after(train, own, pairs)
        poison = InfluenceFlips(rounds=2, decay=DECAY)(train, 2, own=own)
        reached = poison.notes["regression's loss after"]
        np.testing.assert_allclose(reached, losses_after(train, own, poison.replaces[None])[0], rtol=1e-4)
        clean = losses_after(train, own, np.empty((1, 0), int))[0]
        shares.append((reached - clean) / (exhaustive.max() - clean))
        better.append(int((exhaustive > reached * (1 + 1e-4)).sum()))
        random = RandomFlips()(train, 2, own=own, seed=seed)
        assert losses_after(train, own, random.replaces[None])[0] < reached
    assert better.count(0) >= 3  # the best pair itself
    assert max(better) <= 8  # of 435
    assert np.mean(shares) > 0.9


def test_a_flip_stands_in_the_place_of_its_record_and_more_flips_keep_those_of_fewer():
    train = table(60, classes=3)
    few, many = (RandomFlips()(train, count, own=train, seed=4) for count in (5, 20))
    np.testing.assert_array_equal(few.replaces, many.replaces[:5])
    np.testing.assert_array_equal(few.y, many.y[:5])
    assert (many.y != train.y[many.replaces]).all()
    poisoned, role = many.apply(train)
    assert len(poisoned) == 60
    np.testing.assert_array_equal(np.flatnonzero(role), np.sort(many.replaces))
    np.testing.assert_array_equal(poisoned.y[~role], train.y[~role])


@pytest.mark.parametrize("count", [0, 31])
def test_counts_that_there_are_not_are_refused(count):
    with pytest.raises(InputError, match=rf"^count is {count}.*\.$"):
        InfluenceFlips()(table(), count, own=table())
