"""The square, whom it is put on, and what has no place for it."""

import numpy as np
import pytest
from attacks.poisoning.small import digits, table

from jaxattack.attacks.poisoning import BadNets
from jaxattack.types import BackdoorAttack, InputError


def test_copies_of_other_classes_get_the_square_and_the_label():
    train, own, _ = digits()
    attack = BadNets(wanted=2, size=3)
    assert isinstance(attack, BackdoorAttack)
    poison = attack(train, 20, own=own, seed=1)
    assert (train.y[poison.source] != 2).all()
    assert (poison.y == 2).all()
    assert (poison.x[:, 5:, 5:] == 255).all()
    untouched = np.ones(train.shape, bool)
    untouched[5:, 5:] = False
    np.testing.assert_array_equal(poison.x[:, untouched], train.x[poison.source][:, untouched])
    np.testing.assert_array_equal(poison.x, attack.stamp(train.x[poison.source]))
    np.testing.assert_array_equal(attack(train, 5, own=own, seed=1).source, poison.source[:5])


@pytest.mark.parametrize(
    ("attack", "data", "sentence"),
    [
        (BadNets(), table(), "give images"),
        (BadNets(size=8), digits()[0], "smaller square"),
        (BadNets(wanted=3), digits()[0], "classes 0 to 2"),
    ],
)
def test_it_refuses_in_one_sentence(attack, data, sentence):
    with pytest.raises(InputError, match=sentence):
        attack(data, 1, own=data)
