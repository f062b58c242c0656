"""Ranks and calibration against loops with the target really deleted."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask, scattered

from jaxattack.attacks.membership import AttackP, AttackR, Calibration, LiRA, Threshold
from jaxattack.types import Observations


def losses(observations: Observations) -> np.ndarray:
    return np.log1p(np.exp(-observations.signals["phi"][:, :, 0].astype(np.float64)))


def level(value: float, grid: np.ndarray) -> float:
    """Linear between grid points; the middle of the jump where grid points tie with the value."""
    equal = np.flatnonzero(grid == value)
    if len(equal):
        return (equal[0] + equal[-1]) / 2
    above = np.flatnonzero(grid > value)[0]
    return above - 1 + (value - grid[above - 1]) / (grid[above] - grid[above - 1])


designs = pytest.mark.parametrize("design", [*DESIGNS, "leave-one-out"])


def planted(design: str, models: int, records: int, seed: int) -> tuple[Observations, str]:
    """Observations of a design, and the protocol that is tested on it."""
    if design in DESIGNS:
        return observe(DESIGNS[design](models, records, seed=seed), leak=1.0, seed=seed + 1), "independent"
    return observe(scattered(models, records, 2, seed=seed), leak=1.0, seed=seed + 1), design


@designs
@pytest.mark.parametrize("rounded", [False, True])
def test_attack_r_interpolates_the_rank_among_the_references_that_are_out(design, rounded):
    observations, protocol = planted(design, 10, 50, seed=1)
    if rounded:
        phi = {"phi": np.round(observations.signals["phi"])}
        observations = Observations(signals=phi, member=observations.member, label=observations.label)
    scores = AttackR(protocol=protocol)(observations)
    # The attack's own loss, so that ties are ties to the bit.
    loss = -Threshold(quantity="loss")(observations)
    for t in range(10):
        outs = ~observations.member & reference_mask(observations.member, t, protocol)
        for r in range(50):
            grid = np.concatenate([[0.0], np.sort(loss[outs[:, r], r]), [loss.max()]])
            assert scores[t, r] == pytest.approx(1 - level(loss[t, r], grid) / (len(grid) - 1), abs=1e-12)


def test_attack_p_is_the_share_of_the_population_with_a_larger_loss():
    observations = observe(complementary(4, 60, seed=0), leak=1.0)
    phi = np.round(observations.signals["phi"])
    observations = Observations(signals={"phi": phi}, member=observations.member, label=observations.label)
    found = AttackP()(observations)
    for t in range(4):
        own = phi[t, :, 0]
        naive = [(own < x).mean() + (own == x).mean() / 2 for x in own]
        np.testing.assert_allclose(found[t], naive)


@designs
@pytest.mark.parametrize("online", [False, True])
def test_calibration_subtracts_the_mean_of_the_references(design, online):
    observations, protocol = planted(design, 10, 40, seed=3)
    scores = Calibration(online=online, protocol=protocol)(observations)
    negative, member = -losses(observations), observations.member
    for t in range(10):
        mask = reference_mask(member, t, protocol)
        out = np.array([negative[mask[:, r] & ~member[:, r], r].mean() for r in range(40)])
        ins = np.array([negative[mask[:, r] & member[:, r], r].mean() for r in range(40)])
        reference = (ins + out) / 2 if online else out
        np.testing.assert_allclose(scores[t], negative[t] - reference, atol=1e-12)


def test_offline_lira_with_one_variance_ranks_as_calibration_of_phi_does():
    observations = observe(complementary(10, 200, seed=0), leak=1.0)
    scores = LiRA(online=False, variance="global")(observations, [0])[0]
    phi = observations.signals["phi"][:, :, 0].astype(np.float64)
    rest = ~observations.member[2:]  # model 1 has what the target has not
    calibrated = phi[0] - (phi[2:] * rest).sum(axis=0) / rest.sum(axis=0)
    np.testing.assert_array_equal(np.argsort(scores), np.argsort(calibrated))
