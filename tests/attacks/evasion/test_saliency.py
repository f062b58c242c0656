"""JSMA: its naive twin, pair by pair; and candidates where there are too many features for every pair."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from attacks.evasion.linear_victims import INPUTS, leaky, records

from jaxattack.attacks.evasion import JSMA
from jaxattack.perturb import saliency
from jaxattack.types import InputError


def naive_pair(toward, away, room):
    """Every pair, in Python."""
    best, pair = -np.inf, None
    for p in range(len(toward)):
        for q in range(p + 1, len(toward)):
            a, u = toward[p] + toward[q], away[p] + away[q]
            if room[p] and room[q] and a > 0 and u > 0 and a * u > best:
                best, pair = a * u, {p, q}
    return pair, best


def naive_jsma(both, x, y, target, theta, steps):
    """One record and one target of a linear victim: where it ends, and after how many pairs."""
    x = x.copy()
    toward = np.sign(theta) * both.weight[:, target]
    away = -np.sign(theta) * (both.weight.sum(axis=1) - both.weight[:, target])
    for step in range(steps):
        if both.label(x[None])[0] != y:
            return x, step
        room = x < INPUTS.high if theta > 0 else x > INPUTS.low
        pair, _ = naive_pair(toward, away, room)
        if pair is None:
            return x, None
        for feature in pair:
            x[feature] = np.clip(x[feature] + theta * 8, INPUTS.low[feature], INPUTS.high[feature])
    return x, steps if both.label(x[None])[0] != y else None


@pytest.mark.parametrize("theta", [0.2, -0.1])
def test_it_is_its_naive_twin_toward_the_likeliest_other_classes(theta):
    both = leaky()
    x, y = records(both, 25)
    evasion = JSMA(theta=theta, gamma=1.0, targets=2)(both.box, x, y)
    for record in range(len(x)):
        z = x[record] @ both.weight + both.bias
        others = [cls for cls in np.argsort(-z) if cls != y[record]][:2]
        ends = [naive_jsma(both, x[record], y[record], target, theta, 3) for target in others]
        through = [(steps, number) for number, (_, steps) in enumerate(ends) if steps is not None]
        assert evasion.success[record] == bool(through)
        if through:
            np.testing.assert_allclose(evasion.example[record], ends[min(through)[1]][0], atol=1e-5)
    assert evasion.success.any()
    assert evasion.distance.l0.max() <= 6


def test_the_best_pair_is_the_best_of_all_also_among_candidates(monkeypatch):
    rng = np.random.default_rng(0)
    toward, away = rng.standard_normal((2, 4, 60)).astype(np.float32)
    room = rng.random((4, 60)) < 0.8
    arrays = [jnp.asarray(part) for part in (toward, away, room)]
    every = saliency.best_pair(*arrays)
    monkeypatch.setattr(saliency, "ALL", 59)
    monkeypatch.setattr(saliency, "EACH", 4)
    candidates = saliency.best_pair(*arrays)
    for row in range(4):
        pair, product = naive_pair(toward[row], away[row], room[row])
        for found in (every, candidates):
            assert set(np.asarray(found[0][row]).tolist()) == pair
            assert float(found[1][row]) == pytest.approx(product, rel=1e-5)


def test_where_no_pair_helps_there_is_none():
    nothing = saliency.best_pair(jnp.ones((1, 5)), -jnp.ones((1, 5)), jnp.ones((1, 5), bool))
    assert float(nothing[1][0]) == -np.inf


def test_values_out_of_range_are_refused():
    for options, message in (({"theta": 0.0}, "theta is 0"), ({"theta": 1.5}, "theta is 1.5"),
                             ({"gamma": 0.0}, "gamma is 0"), ({"targets": 0}, "targets is 0")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            JSMA(**options)
