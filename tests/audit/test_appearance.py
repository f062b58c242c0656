"""How reconstructions look: against members whose likeness is known, and against a loop that compares pairs one at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxattack.audit.appearance import LEAST, appearance, units_of
from jaxattack.audit.victim import Victim
from jaxattack.metrics import correlation, mse, ssim
from jaxattack.oracle import from_function
from jaxattack.types import Access, Answer, Dataset, Inputs, Inversion

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 1)
STROKES = np.stack([np.roll(np.outer(np.ones(8), np.arange(8) == 2), 3 * cls, axis=1) for cls in range(2)])[..., None]
"""A class is a vertical stroke in a column of its own, and its members differ by a little noise."""
MEMBERS = {cls: np.clip(STROKES[cls] + 0.1 * RNG.normal(size=(12, *SHAPE)), 0, 1) for cls in range(2)}


def victim(shape=SHAPE, pool=None):
    oracle = from_function(
        lambda x: Answer(np.zeros(len(x), int)), Access(level="label", inputs=Inputs.box(0, 1, shape), classes=2)
    )
    return Victim(name="strokes", oracle=oracle, pool=pool)


def inversion(x, draws=None):
    x = np.stack(x)
    return Inversion(
        attack="none", target=np.arange(len(x)), x=x, restarts=x[:, None], score=np.ones((len(x), 1)),
        steps=np.ones((len(x), 1), int), draws=draws,
    )  # fmt: skip


def test_a_further_record_of_the_class_passes_and_noise_and_another_classes_do_not():
    further = [np.clip(STROKES[cls] + 0.1 * RNG.normal(size=SHAPE), 0, 1) for cls in range(2)]
    looks = appearance(victim(), inversion(further), MEMBERS.__getitem__)
    assert looks is not None
    assert looks.passes == (True, True)
    assert looks.findings.share == 1
    for wrong in ([RNG.random(SHAPE)] * 2, further[::-1]):
        looks = appearance(victim(), inversion(wrong), MEMBERS.__getitem__)
        assert looks is not None
        assert looks.passes == (False, False)
        assert looks.findings.nearest < looks.findings.members


def test_the_scale_is_that_of_each_member_with_the_other_that_is_nearest_to_it():
    x = [STROKES[0].astype(float), STROKES[1].astype(float)]
    looks = appearance(victim(), inversion(x), MEMBERS.__getitem__)
    assert looks is not None

    def closest(record, others):
        other = min(others, key=lambda each: ((each - record) ** 2).sum())
        return ssim(record[None], other[None], 1.0)[0]

    scales = [[closest(m, [n for n in group if n is not m]) for m in group] for group in map(list, MEMBERS.values())]
    reached = [closest(x[cls], list(MEMBERS[cls])) for cls in range(2)]
    assert looks.findings.members == pytest.approx(np.mean([np.median(scale) for scale in scales]))
    assert looks.findings.nearest == pytest.approx(np.mean(reached))
    assert list(looks.passes) == [one >= np.quantile(scale, LEAST) for one, scale in zip(reached, scales, strict=True)]


def test_a_generator_that_knows_the_members_gives_by_itself_all_but_the_class():
    """Its draws are members of one class: of any class they are the same, of a class asked for half of them are."""
    draws = np.concatenate([MEMBERS[0], MEMBERS[0][:0]])
    pool = np.concatenate([MEMBERS[0], MEMBERS[1]])
    looks = appearance(victim(pool=pool), inversion([MEMBERS[0][0], MEMBERS[1][0]], draws), MEMBERS.__getitem__)
    assert looks is not None
    control = looks.findings.control
    assert control is not None
    assert (control.records, control.draws) == (24, 12)
    assert control.of_any == pytest.approx(1)
    assert control.own == pytest.approx(1)
    other = np.mean([max_alike(draw, MEMBERS[1]) for draw in draws])
    assert control.of_class == pytest.approx((1 + other) / 2)


def test_any_class_is_any_that_the_victim_has_and_not_only_those_that_were_asked_for():
    draws, one = MEMBERS[1][:3], inversion([MEMBERS[0][0]], MEMBERS[1][:3])
    looks = appearance(victim(pool=MEMBERS[0]), one, MEMBERS.__getitem__)
    assert looks is not None
    assert looks.findings.control is not None
    assert looks.findings.control.of_any == pytest.approx(1)
    assert looks.findings.control.of_class == pytest.approx(np.mean([max_alike(draw, MEMBERS[0]) for draw in draws]))


def test_of_a_class_without_two_members_nothing_is_said():
    further = [np.clip(STROKES[cls] + 0.1 * RNG.normal(size=SHAPE), 0, 1) for cls in range(2)]
    looks = appearance(victim(), inversion(further), lambda cls: MEMBERS[cls][: 12 if cls else 1])
    assert looks is not None
    assert looks.passes == (None, True)
    assert looks.findings.share == 1


def test_columns_of_a_table_count_alike_whatever_their_range_and_those_that_never_change_not_at_all():
    rng = np.random.default_rng(1)
    x = rng.random((40, 4)) * [1, 1, 1, 0] + [0, 0, 0, 7]
    far = x * [1, 1, 1000, 1]
    pairs = []
    for records in (x, far):
        data = Dataset(x=records.astype(np.float32), y=np.arange(40) % 2, classes=2, name="columns")
        units = units_of(replace(victim((4,)), dataset=data, member=np.ones(40, bool)))
        assert units.extent == 1
        pairs.append(
            (correlation(units(records[:20]), units(records[20:])), mse(units(records[:20]), units(records[20:])))
        )
    for near, distant in zip(*pairs, strict=True):
        np.testing.assert_allclose(near, distant, rtol=1e-5)
    spread = np.ptp(x[:, :3], axis=0)
    apart = (((x[:20, :3] - x[20:, :3]) / spread) ** 2).sum(axis=1) / 4
    np.testing.assert_allclose(pairs[0][1], apart, rtol=1e-5)


def max_alike(record, members):
    near = members[((members - record) ** 2).reshape(len(members), -1).sum(axis=1).argmin()]
    return ssim(record[None], near[None], 1.0)[0]


def test_records_that_are_no_pictures_are_compared_by_correlation_and_single_members_by_nothing():
    rows = {cls: np.arange(5.0)[None] * (1, -1)[cls] + RNG.normal(size=(9, 5)) for cls in range(2)}
    x = inversion([np.arange(5.0), -np.arange(5.0)])
    looks = appearance(victim((5,)), x, rows.__getitem__)
    assert looks is not None
    assert looks.findings.measure == "correlation"
    assert looks.findings.control is None
    assert appearance(victim((5,)), x, lambda cls: rows[cls][:1]) is None
