"""Boundary repulsion: a round by hand, balls that grow to the known size, budgets, and real digits."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.inversion.white_boxes import digits

from jaxattack.attacks.inversion import Boundary, Prior
from jaxattack.attacks.inversion.boundary import _Balls, _begin
from jaxattack.oracle import budgeted, label_only
from jaxattack.types import InputError

SMALL = Boundary(prior=Prior(latent=2), directions=6, patience=3)


def half(z):
    """Class 1 right of 2, class 0 left of it."""
    return (z[:, 0] > 2).astype(int)


def test_a_round_moves_away_from_the_points_outside():
    balls = _Balls(SMALL, np.array([[2.2, 0.0]]))
    drawn = np.random.default_rng(5).normal(size=(1, 6, 2))[0]
    u = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    outside = 2.2 + u[:, 0] <= 2
    assert 0 < outside.sum() < 6
    balls.grow(half, np.array([1]), np.random.default_rng(5))
    np.testing.assert_allclose(balls.z[0], [2.2, 0.0] - (1 / 3) * (u * outside[:, None]).mean(axis=0))
    assert balls.best_radius[0] == 0


def test_a_ball_grows_while_it_is_inside_and_stops_after_its_patience():
    """The class is a disc of radius 4 around 0: the ball cannot outgrow it, and gets within one growth of it."""
    balls = _Balls(Boundary(prior=Prior(latent=2), directions=64, patience=10), np.array([[2.5, 0.0]]))
    rng = np.random.default_rng(0)
    for _ in range(300):
        if not balls.active.any():
            break
        balls.grow(lambda z: (np.linalg.norm(z, axis=1) < 4).astype(int), np.array([1]), rng)
    assert not balls.active.any()
    assert 4 / 1.3 / 1.3 < balls.best_radius[0] <= 4.2
    assert np.linalg.norm(balls.centre[0]) < 1.5


def test_what_one_target_does_changes_nothing_for_the_others():
    both = _Balls(SMALL, np.array([[2.2, 0.0], [-5.0, 1.0]]))
    gone = _Balls(SMALL, np.array([[np.nan, 0.0], [-5.0, 1.0]]))
    for balls in (both, gone):
        rng = np.random.default_rng(0)
        for _ in range(4):
            balls.grow(half, np.array([1, 0]), rng)
    np.testing.assert_array_equal(both.z[1], gone.z[1])


def test_it_begins_at_points_of_the_class_and_says_where_there_is_none():
    z = _begin(Boundary(prior=Prior(latent=2)), half, np.array([0, 1, 7]), np.random.default_rng(0))
    assert half(z[:2]).tolist() == [0, 1]
    assert np.isnan(z[2]).all()


def test_digits_are_recognised_from_labels_alone_within_the_budget():
    victim = digits()
    attack = Boundary(prior=Prior(steps=400), rounds=15, directions=12)
    found = attack(label_only(victim.oracle), np.arange(10), pool=victim.pool)
    assert found.cost.queries <= 5000 + 15 * 12 * 10
    assert (victim.twin(found.x).label == np.arange(10)).mean() >= 0.8
    short = attack(budgeted(label_only(victim.oracle), 6000), np.arange(3), pool=victim.pool)
    assert short.complete or "still grow" in short.reason
    with pytest.raises(InputError, match="lower first"):
        attack(budgeted(label_only(victim.oracle), 100), np.arange(3), pool=victim.pool)


@pytest.mark.parametrize(("field", "value"), [("directions", 0), ("radius", 0.0), ("growth", 1.0), ("first", 0)])
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=f"{field} is"):
        Boundary(**{field: value})
