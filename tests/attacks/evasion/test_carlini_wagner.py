"""The nearest example: that of a linear victim to within a percent, by itself whatever is beside it, and as sure as kappa says."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.evasion.linear_victims import FEATURES, SPAN, leaky, records, victim

from jaxattack.attacks.evasion import CarliniWagner
from jaxattack.attacks.evasion.white_box import Draw
from jaxattack.types import InputError


def nearest(both, x):
    """The distance of the nearest boundary, as a share of the range."""
    z = x @ both.weight + both.bias
    away = both.weight[:, z.argmax(axis=1)].T[:, :, None] - both.weight[None]
    with np.errstate(invalid="ignore"):
        return np.nanmin((z.max(axis=1, keepdims=True) - z) / np.linalg.norm(away, axis=1), axis=1) / SPAN


def test_of_two_classes_it_is_the_nearest_point_of_the_boundary():
    both = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2))
    x = np.random.default_rng(4).uniform(1, 3, (40, FEATURES))
    evasion = CarliniWagner()(both.box, x, both.label(x))
    assert evasion.success.all()
    np.testing.assert_allclose(evasion.distance.l2, nearest(both, x), rtol=1e-4)  # as docs/evasion.md says


def test_of_more_classes_it_is_the_nearest_point_of_the_nearest_boundary_unless_it_moves_away_from_the_label():
    both = leaky()
    x, y = records(both, 20)
    untargeted, targeted = (attack(both.box, x, y) for attack in (CarliniWagner(targets=0), CarliniWagner()))
    np.testing.assert_allclose(targeted.distance.l2, nearest(both, x), rtol=0.01)
    assert (untargeted.distance.l2 >= targeted.distance.l2 * 0.999).all()
    assert (untargeted.distance.l2 / targeted.distance.l2).max() > 1.1
    alone = CarliniWagner(targets=0).craft(both.box, x[5:6], y[5:6], Draw()).x
    np.testing.assert_allclose(alone[0], untargeted.example[5], atol=1e-3)


def test_kappa_is_how_far_another_logit_is_above():
    both = leaky()
    x, y = records(both, 12)
    z = CarliniWagner(kappa=0.5)(both.box, x, y).example @ both.weight + both.bias
    ahead = np.sort(z, axis=1)[:, -1] - z[np.arange(len(x)), y]
    assert (ahead >= 0.5 - 1e-4).all()
    assert ahead.max() < 0.6


def test_values_out_of_range_are_refused():
    for options, message in (({"kappa": -1.0}, "kappa is -1"), ({"searches": 0}, "searches is 0"),
                             ({"rate": 0.0}, "rate is 0"), ({"targets": -1}, "targets is -1")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            CarliniWagner(**options)
