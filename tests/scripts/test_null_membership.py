"""The study of attacks where nothing leaks, in small: it passes, and it would fail for what the published protocol does."""

from __future__ import annotations

import numpy as np
import pytest
from null_membership import ANSWERS, DESIGNS, astray, cell, observe

from jaxattack.attacks.membership import ATTACKS, by_label, lookup

HALVES, EXACT, POISSON = DESIGNS
CELLS = [(HALVES, 4), (HALVES, 8), (EXACT, 4), (EXACT, 8), (POISSON, 16), (HALVES, 64), (EXACT, 64)]


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize(("design", "models"), CELLS)
def test_no_attack_finds_what_is_not_there(design, models, kind):
    found = cell(design, kind, models, 300, 32 // models + 4, ATTACKS, seed=100)
    assert len(found) == len(ATTACKS) - (3 if models == 4 else 0)  # LiRA needs a spread
    for name, one in found.items():
        assert not astray(one, odds=1e5), (name, one)  # there are a few hundred figures
        if kind == "constant" and "reference" not in name and design is not POISSON:
            assert one["auc"] == 0.5, name


@pytest.mark.parametrize(
    ("name", "kind", "area"),
    [
        ("lira-online", "continuous", 0.415),
        ("lira-online-bayes", "continuous", 0.376),
        ("attack-r", "continuous", 0.398),
        ("calibration", "continuous", 0.534),
        ("attack-r", "constant", 1.0),
    ],
)
def test_the_published_protocol_is_caught(name, kind, area):
    (one,) = cell(HALVES, kind, 4, 1000, 10, by_label([lookup(f"{name}?protocol=leave-one-out")])).values()
    assert astray(one, odds=1e5)
    assert one["auc"] == pytest.approx(area, abs=0.02)


def test_observations_leak_nothing_and_differ_from_repeat_to_repeat():
    first, second = (observe(HALVES, "continuous", 4, 500, seed) for seed in (0, 1))
    assert not np.array_equal(first.signal("phi"), second.signal("phi"))
    assert len(set(observe(HALVES, "constant", 4, 50, 0).signal("phi").ravel())) == 1
    assert len(np.unique(observe(HALVES, "rounded", 4, 500, 0).signal("phi"))) < 250
