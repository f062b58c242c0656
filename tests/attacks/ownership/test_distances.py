"""Blind Walk and MinGD on linear suspects, whose boundaries are known, beside loops that take one ray or one row at a time."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from attacks.evasion.linear_victims import FEATURES, SPAN, records, victim

from jaxattack.attacks.ownership.blind_walk import NORMS, blind_walk, noise
from jaxattack.attacks.ownership.min_gd import STEP, min_gd
from jaxattack.types import Inputs

SCALE, REPEATS, STEPS = 6.0, 4, 30
WIDE = Inputs.box(-100, 100, (FEATURES,))

CLASSES = 3


def linear(seed=0, **options):
    """A linear model of three classes whose boundaries pass the records at some distance."""
    return victim(np.random.default_rng(seed).standard_normal((FEATURES, CLASSES)), np.zeros(CLASSES), **options)


def walk(both, x, y, **changes):
    settings = {"seed": 5, "scale": SCALE, "repeats": REPEATS, "steps": STEPS} | changes
    return blind_walk(both.label, x, y, both.box.inputs, **settings)


def norms(share):
    return [np.abs(share).max(), np.linalg.norm(share), np.abs(share).sum()]


def test_a_ray_ends_where_it_crosses_the_boundary_of_a_linear_suspect():
    both = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2), inputs=WIDE)
    x, y = records(both, 50)
    away = both.weight[:, 1] - both.weight[:, 0]
    rays = SCALE / 25 * 200 * noise((5, 0), x.shape, REPEATS)
    towards = np.where(y == 1, -1, 1)[:, None, None] * (rays @ away)
    crossing = np.where(towards > 0, np.ceil(np.abs(x @ away)[:, None, None] / towards), np.inf)
    walked = walk(both, x, y, scale=SCALE / 25)
    np.testing.assert_array_equal(walked.crossing, crossing <= STEPS)
    assert 0.2 < walked.crossing.mean() < 0.9
    count = np.minimum(crossing, STEPS)
    np.testing.assert_array_equal(walked.steps, count)
    lengths = [np.linalg.norm(rays[:, n] / 200, ord=norm, axis=-1) for n, norm in enumerate(NORMS)]
    np.testing.assert_allclose(walked.length, count * np.stack(lengths, axis=1), rtol=1e-3)


def test_the_walk_of_all_rays_is_that_of_one_ray_after_another_and_asks_no_more():
    both = linear()
    x, y = records(both, 12, wrong=2)
    walked = walk(both, x, y)
    rays = SCALE * SPAN * noise((5, 0), x.shape, REPEATS)
    asked = 0
    for record, kind, repeat in np.ndindex(walked.length.shape):
        for step in range(1, STEPS + 1):
            point = np.clip((x[record] + step * rays[record, kind, repeat]).astype(np.float32), -2, 6)
            asked += 1
            if both.label(point[None])[0] != y[record]:
                break
        expected = norms((point - x[record]) / SPAN)[kind]
        assert walked.length[record, kind, repeat] == pytest.approx(expected, rel=1e-4)
    assert asked == walked.steps.sum()
    assert (walked.steps[:2] == 1).all()  # they were wrong from the start
    both.oracle(x)
    before = both.oracle.ledger.queries
    counted = blind_walk(lambda points: both.oracle(points).label, x, y, both.box.inputs, seed=5, scale=SCALE, repeats=REPEATS, steps=STEPS)  # fmt: skip
    assert both.oracle.ledger.queries - before == counted.steps.sum() == asked


def test_what_happens_to_a_record_is_its_numbers_affair():
    both = linear()
    x, y = records(both, 12)
    together, apart = walk(both, x, y), walk(both, x[7:], y[7:], first=7)
    np.testing.assert_array_equal(together.length[7:], apart.length)
    assert not np.array_equal(walk(both, x, y, seed=6).length, together.length)


def test_noise_has_the_papers_sizes_and_categories_have_none():
    drawn = noise((0, 0), (50, 200), 10)
    assert np.abs(drawn[:, 0]).max() <= 0.005
    assert drawn[:, 0].std() == pytest.approx(0.005 / 3**0.5, rel=0.02)
    assert drawn[:, 1].std() == pytest.approx(0.005, rel=0.02)
    assert np.abs(drawn[:, 2]).mean() == pytest.approx(0.01, rel=0.02)
    inputs = Inputs(low=np.full(FEATURES, -2.0), high=np.full(FEATURES, 6.0), categories=np.arange(FEATURES))
    both = linear(inputs=inputs)
    x, y = records(both, 6)
    asked = []
    blind_walk(lambda points: asked.append(points) or both.label(points), x, y, inputs, seed=0, repeats=1, steps=1)
    moved = asked[0].reshape(6, 3, FEATURES) != x[:, None].astype(np.float32)
    np.testing.assert_array_equal(moved.any(axis=(0, 1)), np.arange(FEATURES) == 0)


def test_mingd_goes_as_far_as_the_boundary_of_a_linear_suspect_in_each_norm():
    both = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2), inputs=WIDE)
    x, _ = records(both, 30)
    away = both.weight[:, 1] - both.weight[:, 0]
    # A step in the 1-norm is the width of the whole box: of one coordinate it is one step, if any.
    needed = np.abs(x @ away)[:, None] / 200 / [np.abs(away).sum(), np.linalg.norm(away), np.abs(away).max()]
    distance, gradients = min_gd(both.box, x, targets=2, steps=3000, coordinates=1)
    np.testing.assert_array_equal(distance[:, :, 0], 0)  # its own label is a target
    steps = np.ceil(needed / STEP)
    np.testing.assert_allclose(distance[:, :2, 1], steps[:, :2] * STEP[:2], atol=1e-5)
    assert gradients == steps.sum()
    smaller, _ = min_gd(both.box, x, targets=2, steps=3000, coordinates=FEATURES)
    assert (smaller[:, 2, 1] >= needed[:, 2]).all()


def test_mingd_of_all_rows_is_that_of_one_row_after_another():
    both = linear(4)
    x, _ = records(both, 3)
    coordinates = 2
    distance, _ = min_gd(both.box, x, targets=3, steps=40, coordinates=coordinates)
    share, low, high = x / SPAN, -2 / SPAN, 6 / SPAN
    gap = jax.jit(jax.grad(lambda row, t: both.box.model.apply(both.box.variables, row[None] * SPAN)[0].max()
                   - both.box.model.apply(both.box.variables, row[None] * SPAN)[0, t]))  # fmt: skip
    for record in range(len(x)):
        for kind in range(3):
            lengths = []
            for target in range(3):
                now = share[record].astype(np.float32)
                for _ in range(40):
                    if both.label(now[None] * SPAN)[0] == target:
                        break
                    slope = -np.asarray(gap(now, target))
                    if kind == 0:
                        change = STEP[0] * np.sign(slope)
                    elif kind == 1:
                        change = STEP[1] * slope / np.linalg.norm(slope)
                    else:
                        stuck = ((slope < 0) & (now <= low + 1e-3)) | ((slope > 0) & (now >= high - 1e-3))
                        steepest = np.argsort(-np.abs(np.where(stuck, 0, slope)))[:coordinates]
                        change = np.zeros(FEATURES)
                        change[steepest] = np.sign(slope[steepest]) * STEP[2] / coordinates
                    now = np.clip(now + change, low, high).astype(np.float32)
                lengths.append(norms(now - share[record])[kind])
            np.testing.assert_allclose(distance[record, kind], np.sort(lengths), rtol=1e-3, atol=1e-5)
