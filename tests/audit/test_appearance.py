"""How reconstructions look: against members whose likeness is known, and against a loop that compares pairs one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit.appearance import LEAST, appearance
from jaxattack.audit.victim import Victim
from jaxattack.metrics import ssim
from jaxattack.oracle import from_function
from jaxattack.types import Access, Answer, Inputs, Inversion

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
    assert looks.passes.tolist() == [True, True]
    assert looks.findings.share == 1
    for wrong in ([RNG.random(SHAPE)] * 2, further[::-1]):
        looks = appearance(victim(), inversion(wrong), MEMBERS.__getitem__)
        assert looks is not None
        assert not looks.passes.any()
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
    assert looks.passes.tolist() == [
        one >= np.quantile(scale, LEAST) for one, scale in zip(reached, scales, strict=True)
    ]


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
