"""The loop over many points, against one point at a time in plain NumPy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.inversion.descent import Rule, descend
from jaxattack.attacks.inversion.process import process
from jaxattack.training.named_optimizer import optimizer
from jaxattack.types import InputError


def bowl(arguments, x, target):
    """A squared distance from a corner, by the target; and no number beyond 50."""
    centre, scale = arguments
    value = scale * ((x - centre[target]) ** 2).sum(axis=1)
    return jnp.where(value > 50, jnp.nan, value)


def free(x):
    return x


def naive(centre, scale, start, rate, steps, patience, enough):
    """One point, step by step: (best, cost, steps)."""
    x, best, least, at = start.astype(np.float32), start, np.inf, 0
    for step in range(steps):
        cost = np.float32(scale * ((x - centre) ** 2).sum())
        if cost < least:
            best, least, at = x.copy(), cost, step
        if not cost <= 50 or cost <= enough or step - at >= patience:
            return best, least, step + 1
        x = (x - np.float32(rate) * 2 * scale * (x - centre)).astype(np.float32)
    return best, least, steps


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.02])
@pytest.mark.parametrize("chunk", [None, 1, 3, 100])
def test_points_go_where_they_go_alone_whatever_the_chunk(rate, chunk):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(4, 3)).astype(np.float32)
    start, target = rng.normal(size=(7, 3)).astype(np.float32), rng.integers(0, 4, 7)
    rule = Rule("sgd", rate, 5, free)
    found = descend(bowl, (centre, np.float32(1.0)), start, target, rule, steps=40, enough=1e-3, chunk=chunk)
    for row in range(7):
        best, least, steps = naive(centre[target[row]], 1.0, start[row], rate, 40, 5, 1e-3)
        np.testing.assert_allclose(found.best[row], best, atol=1e-4)
        assert found.cost[row] == pytest.approx(least, abs=1e-4)
        assert found.steps[row] == steps


def test_the_minimum_of_a_parabola_is_found_in_the_known_number_of_steps():
    """At rate r the distance shrinks by 1 - 2 r a step: from 1 at r = 1/4 the cost is 4^-n after n."""
    found = descend(
        bowl, (np.zeros((1, 1), np.float32), np.float32(1)), np.ones((1, 1), np.float32), np.zeros(1, int),
        Rule("sgd", 0.25, 100, free), steps=100, enough=4.0**-6,
    )  # fmt: skip
    assert found.steps[0] == 7
    assert found.cost[0] == pytest.approx(4.0**-6)


def test_a_point_that_diverges_keeps_its_best_and_the_others_go_on():
    start = np.array([[6.0], [0.5]], np.float32)
    found = descend(
        bowl, (np.zeros((1, 1), np.float32), np.float32(1)), start, np.zeros(2, int),
        Rule("sgd", 1.1, 1000, free), steps=50, enough=0.0,
    )  # fmt: skip
    assert found.cost[0] == 36.0
    assert found.best[0] == 6.0
    assert found.steps[0] < found.steps[1]
    never = descend(
        bowl, (np.zeros((1, 1), np.float32), np.float32(1)), 2 * start, np.zeros(2, int),
        Rule("sgd", 1.1, 1000, free), steps=5, enough=0.0,
    )  # fmt: skip
    assert np.isinf(never.cost[0])


def test_frames_are_the_best_at_the_steps_that_were_asked_for():
    start = np.ones((1, 1), np.float32)
    rule = Rule("sgd", 0.25, 100, process("clip"))
    arguments = np.zeros((1, 1), np.float32), np.float32(1)
    told = []
    found = descend(
        bowl, arguments, start, np.zeros(1, int), rule, steps=20, enough=0.0, marks=(2, 5),
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert [step for step, _ in found.frames] == [2, 5]
    np.testing.assert_allclose([float(x[0, 0]) for _, x in found.frames], [0.5, 0.5**4])
    assert told[-1] == ("steps", 20, 20)


@pytest.mark.parametrize("name", ["adam", "sgd", "lion", "rmsprop"])
def test_any_optimiser_that_takes_a_rate_will_do(name):
    start = np.full((3, 2), 0.9, np.float32)
    found = descend(
        bowl, (np.zeros((1, 2), np.float32), np.float32(1)), start, np.zeros(3, int),
        Rule(name, 0.02, 1000, free), steps=300, enough=1e-2,
    )  # fmt: skip
    assert (found.cost < 1e-2).all()


@pytest.mark.parametrize("name", ["nonsense", "apply_updates", "chain"])
def test_what_is_no_optimiser_is_refused(name):
    with pytest.raises(InputError, match=f"optimizer is '{name}'"):
        optimizer(name, 0.1)
