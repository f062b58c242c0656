"""Every poisoning by name: poison of the right form, the same each time, in the range; refusals; sanitisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.poisoning.small import digits, surrogate, table, target

from jaxattack.attacks.naming import label
from jaxattack.attacks.poisoning import ATTACKS, InfluenceFlips, Minimax, PoisonFrogs, WitchesBrew, lookup
from jaxattack.data.sanitise import SANITISERS, Sanitise
from jaxattack.metrics.certificate import feasible_set
from jaxattack.types import InputError, Poison, PoisonAttack

QUICK = {
    "flip-influence": InfluenceFlips(rounds=2, decay=0.1),
    "minimax": Minimax(steps=50),
    "poison-frogs": PoisonFrogs(steps=20),
    "poison-frogs-watermark": PoisonFrogs(watermark=0.3, steps=20),
    "gradient-matching": WitchesBrew(steps=5, restarts=1, surrogates=2),
}
HERE = {name: QUICK.get(name, attack) for name, attack in ATTACKS.items()}
EVERY = pytest.mark.parametrize("attack", HERE.values(), ids=HERE.keys())


def two_digits():
    """The set without its third class, for attacks on two."""
    parts = [each.take(each.y < 2) for each in digits()]
    return [replace(each, classes=2) for each in parts]


def run(attack, count=6, seed=0):
    train, own, _ = two_digits() if attack.name == "minimax" else digits()
    return train, attack(train, count, own=own, seed=seed, surrogate=surrogate(), target=target())


@EVERY
def test_each_makes_poison_of_the_training_sets_form_and_the_same_each_time(attack):
    assert isinstance(attack, PoisonAttack)
    train, poison = run(attack)
    assert poison.attack == attack.name
    assert 1 <= len(poison) <= 6
    assert poison.x.shape[1:] == train.shape
    assert poison.x.dtype == train.x.dtype
    assert poison.y.dtype == train.y.dtype
    assert poison.y.max() < train.classes
    poisoned, role = poison.apply(train)
    assert role.sum() == len(poison)
    assert len(poisoned) == len(train) + (poison.replaces < 0).sum()
    again = run(attack)[1]
    np.testing.assert_array_equal(again.x, poison.x)
    np.testing.assert_array_equal(again.y, poison.y)
    assert (poison.source[poison.replaces >= 0] == poison.replaces[poison.replaces >= 0]).all()


@EVERY
def test_more_poison_than_records_is_refused(attack):
    with pytest.raises(InputError, match=r"^count is 100000 .*\.$"):
        run(attack, count=100000)


def test_names_set_fields_and_are_read_back():
    for name, attack in ATTACKS.items():
        assert lookup(name) == attack
    changed = lookup("gradient-matching?steps=10&size=0.2")
    assert (changed.steps, changed.size) == (10, 0.2)
    assert lookup(label(changed, ATTACKS)) == changed


def test_two_classes_are_asked_for_where_there_are_more():
    train, own, _ = digits()
    with pytest.raises(InputError, match="is for two classes and three digits has 3"):
        Minimax()(train, 1, own=own)


def test_minimax_lies_in_the_feasible_set_where_nothing_clips_it():
    train = table(120)
    poison = Minimax(steps=200, norm_squared=4.0)(train, 12, own=train)
    feasible = feasible_set(train.x.astype(np.float64), train.y, 0.7)
    for label_, point in zip(poison.y, poison.x, strict=True):
        offset = point - feasible.centre[label_]
        assert np.linalg.norm(offset) <= feasible.radius[label_] + 1e-5
        assert abs(offset @ feasible.direction) <= feasible.width[label_] + 1e-5


def test_a_poison_is_one_of_each_and_stands_once_in_a_place():
    x, y = np.zeros((2, 3)), np.zeros(2, int)
    with pytest.raises(InputError, match="twice"):
        Poison(attack="own", x=x, y=y, replaces=np.array([1, 1]), source=y)
    with pytest.raises(InputError, match="one of each"):
        Poison(attack="own", x=x, y=y[:1], replaces=y, source=y)
    with pytest.raises(InputError, match="replaces record 30"):
        Poison(attack="own", x=x[:, :2], y=y, replaces=np.array([30, -1]), source=y).apply(table())


@pytest.mark.parametrize("name", SANITISERS)
def test_a_filter_measures_what_its_formula_says(name):
    train = table(90, features=3, classes=3)
    rule, inside = SANITISERS[name].rule, 0.6
    stays = Sanitise(rule=rule, inside=inside)(train.x, train.y)
    for own in range(3):
        rows = np.flatnonzero(train.y == own)
        mean = train.x[rows].mean(axis=0, dtype=float)
        direction = train.x[train.y != own].mean(axis=0, dtype=float) - mean
        sphere = [np.sqrt(sum((train.x[row] - mean) ** 2)) for row in rows]
        slab = [abs(sum((train.x[row] - mean) * direction)) / np.sqrt(sum(direction**2)) for row in rows]
        expected = np.ones(len(rows), bool)
        if rule != "slab":
            expected &= np.array(sphere) <= np.quantile(sphere, inside)
        if rule != "sphere":
            expected &= np.array(slab) <= np.quantile(slab, inside)
        np.testing.assert_array_equal(stays[rows], expected)


def test_a_filter_leaves_every_class_someone_and_with_all_inside_leaves_out_nobody():
    train = table(6)
    assert Sanitise(inside=1.0)(train.x, train.y).all()
    stays = Sanitise(inside=1e-9)(train.x, train.y)
    assert np.unique(train.y[stays]).tolist() == [0, 1]
    with pytest.raises(InputError, match="inside is 0"):
        Sanitise(inside=0)
