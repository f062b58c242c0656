"""Relations between attacks: what is judged, and by what."""

from __future__ import annotations

import numpy as np
import pytest
import relations
from relations import Relation, judge, verdict

from jaxattack import Observations
from jaxattack.data import Halves

MEMBER = Halves()(16, 400, 0)


def scores(shift: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=MEMBER.shape) + shift * MEMBER


@pytest.mark.parametrize(("low", "high", "said"), [(1e-9, 1, "holds"), (-1, -1e-9, "does not hold"), (-1, 1, "cannot")])
def test_an_interval_decides(low, high, said):
    assert verdict(low, high).startswith(said)


@pytest.mark.parametrize(
    ("more", "less", "said"),
    [
        (scores(2), scores(1), "holds"),
        (scores(1), scores(2), "does not hold"),
        (scores(1), scores(1), "cannot be resolved"),
    ],
)
def test_relations_are_judged_by_paired_differences(more, less, said):
    figures = judge(Relation("one above the other", more, less, MEMBER))["figures"]
    assert set(figures) == {"auc", "0.01"}  # 3,200 non-members allow three false positives at 0.1%
    assert {figure["verdict"] for figure in figures.values()} == {said}
    for figure in figures.values():
        low, high = figure["interval"]
        assert low <= figure["difference"] <= high


def test_what_differs_by_its_noise_alone_holds_in_few_repeats():
    names = [judge(Relation("", scores(1, seed), scores(1, seed + 99), MEMBER))["figures"] for seed in range(40)]
    assert sum(figures["auc"]["verdict"] != "cannot be resolved" for figures in names) <= 6


def test_groups_are_scored_by_themselves():
    phi = scores(1)[..., None]
    observations = Observations(signals={"phi": phi}, member=MEMBER, label=np.zeros(400, int))
    name = "lira-online?variance=global"
    grouped = relations.score_in_groups(name, observations, 8)
    np.testing.assert_array_equal(grouped[8:], relations.score(name, observations.take(slice(8, 16))))
    assert not np.allclose(grouped, relations.score(name, observations))
