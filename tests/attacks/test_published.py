"""The reference-code mode against a plain statement of the published arithmetic, one target at a time."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe, scattered, without
from scipy import stats

from jaxattack.attacks.membership import LiRA
from jaxattack.types import Observations


def plain(observations: Observations, target: int, online: bool, fixed: bool) -> np.ndarray:
    rest = without(observations, target)
    phi = rest.signals["phi"].astype(np.float64)

    def truncated(side: bool) -> np.ndarray:
        lists = [phi[rest.member[:, r] == side, r] for r in range(rest.records)]
        shortest = min(map(len, lists))
        return np.array([x[:shortest] for x in lists])

    out = truncated(False)
    own = observations.signals["phi"][target].astype(np.float64)
    if not online:
        deviation = np.std(out) if fixed else np.std(out, axis=1)
        return -stats.norm.logpdf(own, np.median(out, axis=1), deviation + 1e-30).mean(axis=1)
    ins = truncated(True)
    deviations = [np.std(ins), np.std(ins)] if fixed else [np.std(ins, axis=1), np.std(out, axis=1)]
    density = [
        stats.norm.logpdf(own, np.median(x, axis=1), deviation + 1e-30)
        for x, deviation in zip((ins, out), deviations, strict=True)
    ]
    return (density[0] - density[1]).mean(axis=1)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("design", ["complementary", "scattered"])
def test_scores_equal_the_published_arithmetic(design, online, fixed):
    member = complementary(12, 30, seed=3) if design == "complementary" else scattered(13, 30, 3, seed=3)
    observations = observe(member, leak=1.0, queries=2, seed=4)
    attack = LiRA(online=online, formula="reference_code", variance="global" if fixed else "record")
    scores = attack(observations)
    for target in range(len(member)):
        np.testing.assert_allclose(scores[target], plain(observations, target, online, fixed), rtol=1e-8, atol=1e-9)


def test_tied_references_have_the_median_of_the_rest():
    observations = observe(complementary(10, 40, seed=5), leak=1.0, seed=6)
    rounded = {"phi": np.round(observations.signals["phi"])}
    observations = Observations(signals=rounded, member=observations.member, label=observations.label)
    scores = LiRA(online=True, formula="reference_code", variance="global")(observations)
    for target in (0, 3, 9):
        np.testing.assert_allclose(scores[target], plain(observations, target, True, True), rtol=1e-8)
