"""FAB: projections onto a hyperplane within a box against a root finder, and the nearest point of linear boundaries."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from attacks.evasion.linear_victims import CLASSES, FEATURES, SPAN, leaky, records, victim
from scipy.optimize import brentq

from jaxattack.attacks.evasion import FAB
from jaxattack.perturb.ascent import Ground
from jaxattack.perturb.fab import to_hyperplane
from jaxattack.types import InputError, Inputs, Model, Variables, WhiteBox

ORDERS = {"linf": np.inf, "l2": 2}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_projection_is_the_shortest_change_within_the_box_that_reaches_the_hyperplane(norm):
    rng = np.random.default_rng(0)
    share = rng.uniform(0, 1, (40, 8)) * rng.integers(0, 2, (40, 8))  # many features at an edge
    slope = rng.standard_normal((40, 8)) * (rng.uniform(size=(40, 8)) < 0.8)
    gap, free = rng.standard_normal(40), np.ones((1, 8))
    free[0, 0] = 0.0
    parts = (np.zeros((1, 8)), np.ones((1, 8)), free)
    ground = Ground(
        jnp.asarray(share, jnp.float32), *(jnp.asarray(part, jnp.float32) for part in parts), jnp.float32(1)
    )
    moved = np.asarray(
        to_hyperplane(ground.start, *(jnp.asarray(part, jnp.float32) for part in (slope, gap)), ground, norm)
    )
    assert (moved[:, 0] == 0).all()
    reached = 0
    for row, change in enumerate(moved):
        toward = np.sign(gap[row]) * np.sign(slope[row])
        room = np.where(toward > 0, 1 - share[row], share[row]) * free[0]
        pace = np.ones(8) if norm == "linf" else np.abs(slope[row])

        def closes(size, row=row, pace=pace, room=room):
            return np.minimum(size * pace, room) @ np.abs(slope[row])

        if closes(1e6) < abs(gap[row]):  # the box ends before the hyperplane
            np.testing.assert_allclose(change, toward * room, atol=1e-5)
            continue
        reached += 1
        size = brentq(lambda size: closes(size) - abs(gap[row]), 0, 1e6, xtol=1e-12)  # noqa: B023
        np.testing.assert_allclose(change, toward * np.minimum(size * pace, room), atol=1e-5)
    assert 10 < reached < 40


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_ends_within_a_hundredth_of_the_nearest_boundary_of_a_linear_victim(norm):
    both = leaky()
    x, y = records(both, 60, wrong=2)
    evasion = FAB(norm=norm, steps=10)(both.box, x, y)
    assert evasion.success.all()
    z = x @ both.weight + both.bias
    dual = {"linf": 1, "l2": 2}[norm]
    across = np.linalg.norm(both.weight[:, y].T[:, :, None] - both.weight[None], dual, axis=1)
    gaps = np.take_along_axis(z, y[:, None], axis=1) - z
    least = np.where(np.arange(CLASSES) == y[:, None], np.inf, gaps / np.maximum(across, 1e-12)).min(axis=1) / SPAN
    far = np.linalg.norm((evasion.example - x) / SPAN, ORDERS[norm], axis=1)
    assert (far[2:] >= least[2:] * (1 - 1e-4)).all()
    np.testing.assert_allclose(far[2:], least[2:], rtol=0.01)
    # A size takes what is within it and nothing else, and stops there.
    size = float(np.median(least[2:]))
    sized = FAB(norm=norm, size=size, steps=10)(both.box, x, y)
    clear = np.abs(least - size) > 0.01 * size
    np.testing.assert_array_equal(sized.success[clear], (least < size)[clear] | ~sized.right[clear])
    assert sized.gradients < evasion.gradients == len(x) * (CLASSES - 1) * 10


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_category_that_a_model_reads_as_a_whole_number_stays_one_on_the_way(norm):
    weight, shift = np.random.default_rng(3).standard_normal(FEATURES), np.linspace(-2, 2, 7)
    weight[1] = 0.0

    def apply(variables, x):
        coded = (x[:, 1:2] == jnp.arange(7.0)[None]).astype(jnp.float32)
        score = x @ jnp.asarray(weight, jnp.float32) + coded @ jnp.asarray(shift, jnp.float32)
        return jnp.stack([score, -score], axis=1)

    inputs = Inputs(low=np.zeros(FEATURES), high=np.full(FEATURES, 6.0), categories=np.array([0, 7, 0, 0, 0, 0]))
    box = WhiteBox(
        model=Model(lambda _: Variables({}, {}), apply, None), variables=Variables({}, {}), inputs=inputs, classes=2
    )
    x = np.random.default_rng(4).uniform(2, 4, (42, FEATURES))
    x[:, 1] = np.arange(42) % 7
    score = x @ weight + shift[x[:, 1].astype(int)]
    evasion = FAB(norm=norm, steps=10)(box, x, (score < 0).astype(int))
    least = np.abs(score) / np.linalg.norm(weight, {"linf": 1, "l2": 2}[norm]) / 6
    far = {"linf": evasion.distance.linf, "l2": evasion.distance.l2}[norm]
    reachable = least < 0.2 if norm == "linf" else least < 0.25
    assert reachable.sum() > 10
    assert evasion.success[reachable].all()
    np.testing.assert_allclose(far[reachable], least[reachable], rtol=0.01)


def test_two_classes_have_one_target_and_a_flat_model_no_example():
    two = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2))
    evasion = FAB(steps=4)(two.box, *records(two, 10))
    assert evasion.success.all()
    assert evasion.gradients == 10 * 4
    flat = victim(np.zeros((FEATURES, 2)), np.eye(2)[0])
    assert not FAB(steps=4)(flat.box, *records(flat, 10)).success.any()
    with pytest.raises(InputError, match="size is 2"):
        FAB(size=2.0)
