"""The reference-code mode against a plain statement of the published arithmetic, one target at a time."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask, scattered
from scipy import stats

from jaxattack.attacks.membership import LiRA
from jaxattack.types import Observations


def plain(observations: Observations, target: int, online: bool, fixed: bool, protocol: str) -> np.ndarray:
    phi, member = observations.signals["phi"].astype(np.float64), observations.member
    mask = reference_mask(member, target, protocol)

    def truncated(side: bool) -> np.ndarray:
        lists = [phi[mask[:, r] & (member[:, r] == side), r] for r in range(observations.records)]
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
@pytest.mark.parametrize("design", [*DESIGNS, "leave-one-out", "leave-one-out halves"])
def test_scores_equal_the_published_arithmetic(design, online, fixed):
    protocol = "independent" if design in DESIGNS else "leave-one-out"
    member = scattered(13, 30, 3, seed=3) if design == protocol else DESIGNS[design.split()[-1]](12, 30, seed=3)
    observations = observe(member, leak=1.0, queries=2, seed=4)
    variance = "global" if fixed else "record"
    attack = LiRA(online=online, formula="reference_code", variance=variance, protocol=protocol)
    scores = attack(observations)
    for target in range(len(member)):
        expected = plain(observations, target, online, fixed, protocol)
        np.testing.assert_allclose(scores[target], expected, rtol=1e-8, atol=1e-9)


def test_tied_references_have_the_median_of_the_rest():
    observations = observe(complementary(10, 40, seed=5), leak=1.0, seed=6)
    rounded = {"phi": np.round(observations.signals["phi"])}
    observations = Observations(signals=rounded, member=observations.member, label=observations.label)
    scores = LiRA(online=True, formula="reference_code", variance="global")(observations)
    for target in (0, 3, 9):
        np.testing.assert_allclose(scores[target], plain(observations, target, True, True, "independent"), rtol=1e-8)
