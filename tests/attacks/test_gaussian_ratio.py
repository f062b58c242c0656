"""BASE against the likelihood ratios written out, its ends against LiRA and RMIA."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask
from scipy import stats

from jaxattack.attacks.membership import RMIA, Base, LiRA
from jaxattack.types import InputError, Observations


def naive(observations: Observations, target: int, parameters: int, signal: str) -> np.ndarray:
    """Gaussians of either world, a record at a time."""
    phi = observations.signals[signal][:, :, 0].astype(np.float64)
    mask = reference_mask(observations.member, target)
    worlds = [
        [phi[mask[:, r] & (observations.member[:, r] == side), r] for r in range(observations.records)]
        for side in (True, False)
    ]
    means = np.array([[x.mean() for x in world] for world in worlds])
    squares = np.array([[((x - x.mean()) ** 2).sum() for x in world] for world in worlds])
    freedom = np.array([[len(x) - 1 for x in world] for world in worlds])
    if parameters == 1:
        gap = (means[0] - means[1]).mean()
        means = means.mean(axis=0) + np.array([[gap / 2], [-gap / 2]])
    variance = {
        1: squares.sum() / freedom.sum(),
        2: (squares.sum(axis=1) / freedom.sum(axis=1))[:, None],
        3: squares.sum(axis=0) / freedom.sum(axis=0),
        4: squares / freedom,
    }[parameters]
    variance = np.broadcast_to(variance, means.shape)
    inside, outside = (
        stats.norm(mean, np.sqrt(own)).logpdf(phi[target]) for mean, own in zip(means, variance, strict=True)
    )
    ratio = inside - outside
    # 1 leaves out a factor that is the same for all records of a target.
    return ratio * np.sqrt(variance[0, 0]) / abs(gap) if parameters == 1 else ratio


@pytest.mark.parametrize("parameters", [1, 2, 3, 4])
@pytest.mark.parametrize(("scale", "signal"), [("log", "softmax_t2"), ("phi", "phi")])
@pytest.mark.parametrize("design", DESIGNS)
def test_scores_equal_the_likelihood_ratio_written_out(design, scale, signal, parameters):
    spread = np.linspace(0.1, 3, 25)[:, None]
    observations = observe(DESIGNS[design](12, 25, seed=1), leak=1.0, spread=spread, seed=2)
    scores = Base(parameters=parameters, scale=scale)(observations)
    for target in (0, 11):
        np.testing.assert_allclose(
            scores[target], naive(observations, target, parameters, signal), rtol=1e-8, atol=1e-9
        )


def test_it_ends_at_lira_and_ranks_as_the_log_ratio_where_references_hardly_differ():
    observations = observe(complementary(16, 60, seed=0), leak=1.0, seed=1)
    for parameters, variance in ((2, "global"), (4, "record")):
        expected = LiRA(online=True, variance=variance)(observations)
        np.testing.assert_array_equal(Base(parameters=parameters)(observations), expected)
    # The logarithm of a mean of values that hardly differ is the mean of their logarithms.
    signal = observations.signals["softmax_t2"].astype(np.float64)
    middle = signal.mean(axis=0)
    alike = replace(observations, signals={"softmax_t2": middle + 0.01 * (signal - middle)})
    ratio = RMIA(online=True, counting=False)(alike)
    for ours, theirs in zip(Base(parameters=1)(alike), ratio, strict=True):
        assert stats.spearmanr(ours, theirs).statistic == pytest.approx(1, abs=1e-3)


def test_the_sign_of_the_shared_gap_matters_and_its_size_does_not():
    observations = observe(complementary(8, 40, seed=0), leak=0.0, seed=1)
    signal = observations.signals["softmax_t2"].astype(np.float64)

    def score(gap):
        moved = signal + gap * (observations.member - 0.5)[:, :, None]
        moved[0] = signal[0]
        return Base(parameters=1)(replace(observations, signals={"softmax_t2": moved}), [0])

    np.testing.assert_allclose(score(9.0), score(3.0), rtol=1e-9)
    np.testing.assert_allclose(score(-3.0), -score(3.0), rtol=1e-9)


def test_its_scale_is_rmias_at_one_end_and_liras_at_the_other():
    assert [Base(parameters=number).signals[0].name for number in (1, 2, 3, 4)] == ["softmax_t2", "phi", "phi", "phi"]
    assert Base(parameters=2, scale="log").name == "base-2-log"


def test_another_number_of_parameters_is_refused():
    with pytest.raises(InputError, match="parameters is 5: give one of 1, 2, 3, 4"):
        Base(parameters=5)  # pyright: ignore[reportArgumentType]
