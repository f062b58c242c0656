"""LiRA against fits with the target really deleted, and against worlds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask, scattered
from scipy import stats
from scipy.special import betaln, hyp2f1

from jaxattack.attacks.membership import LiRA
from jaxattack.attacks.membership.moments import centred_powers, fit_prior, moments, pool_sums
from jaxattack.attacks.membership.predictive import Predictive, log_cdf
from jaxattack.attacks.membership.references import References
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations


def references(observations: Observations, mask: np.ndarray, side: bool) -> list[np.ndarray]:
    """phi [reference, query] of each record on one side."""
    phi = observations.signals["phi"].astype(np.float64)
    return [phi[mask[:, r] & (observations.member[:, r] == side), r] for r in range(observations.records)]


def pooled_sd(lists: list[np.ndarray]) -> np.ndarray:
    squares = sum(((x - x.mean(axis=0)) ** 2).sum(axis=0) for x in lists)
    return np.sqrt(squares / sum(len(x) - 1 for x in lists))


def gaussians(lists: list[np.ndarray], variance: str):
    pool = pooled_sd(lists)
    return [stats.norm(x.mean(axis=0), x.std(axis=0, ddof=1) if variance == "record" else pool) for x in lists]


def predictives(lists: list[np.ndarray], normal: bool):
    """The normal-inverse-gamma predictives, a record at a time."""
    n = np.array([len(x) for x in lists])[:, None]
    mean = np.array([x.mean(axis=0) for x in lists])
    squares = np.array([((x - x.mean(axis=0)) ** 2).sum(axis=0) for x in lists])
    v = squares.sum(axis=0) / (n - 1).sum()
    alpha = 2 + 1 / ((squares**2).sum(axis=0) / ((n - 1) * (n + 1)).sum() / v**2 - 1)
    beta, m = v * (alpha - 1), mean.mean(axis=0)
    kappa = v / (mean.var(axis=0) - v * (1 / n).mean())
    for count, own, square in zip(n[:, 0], mean, squares, strict=True):
        k, a = kappa + count, alpha + count / 2
        b = beta + square / 2 + kappa * count * (own - m) ** 2 / (2 * k)
        location = (kappa * m + count * own) / k
        if normal:
            yield stats.norm(location, np.sqrt(b / (a - 1)))
        else:
            yield stats.t(2 * a, location, np.sqrt(b * (k + 1) / (a * k)))


def naive(observations: Observations, target: int, online: bool, variance: str, protocol: str) -> np.ndarray:
    phi = observations.signals["phi"][target].astype(np.float64)
    mask = reference_mask(observations.member, target, protocol)

    def logs(side: bool, method: str) -> np.ndarray:
        lists = references(observations, mask, side)
        bayes = variance.startswith("bayes")
        fits = predictives(lists, variance == "bayes-normal") if bayes else gaussians(lists, variance)
        return np.stack([getattr(fit, method)(x) for fit, x in zip(fits, phi, strict=True)])

    score = logs(True, "logpdf") - logs(False, "logpdf") if online else logs(False, "logcdf")
    return score.mean(axis=1)


@pytest.mark.parametrize("variance", ["record", "global", "bayes", "bayes-normal"])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("design", [*DESIGNS, "leave-one-out"])
def test_scores_equal_fits_to_the_references_written_out(design, online, variance):
    # Records differ in spread, so that the prior has something to fit.
    spread = np.linspace(0.1, 3, 25)[:, None]
    protocol = "independent" if design in DESIGNS else design
    member = DESIGNS[design](12, 25, seed=1) if design in DESIGNS else scattered(12, 25, 3, seed=1)
    observations = observe(member, leak=1.0, queries=3, spread=spread, seed=2)
    join = "mean" if online else "log-cdf"
    scores = LiRA(online=online, variance=variance, join=join, protocol=protocol)(observations)
    for target in (0, 4, 11):
        expected = naive(observations, target, online, variance, protocol)
        np.testing.assert_allclose(scores[target], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("online", [True, False])
def test_known_worlds_give_the_area_of_shifted_gaussians(online):
    member = complementary(256, 300, seed=0)
    scores = LiRA(online=online)(observe(member, leak=1.0, seed=1))
    spread = np.sqrt(1 + 0.2**2)
    assert auc(roc_curve(scores.ravel(), member.ravel())) == pytest.approx(
        stats.norm.cdf(1 / spread / np.sqrt(2)), abs=0.01
    )


@pytest.mark.parametrize(
    ("online", "variance", "bias"),
    [(True, "record", 0.45), (True, "global", 0.2), (True, "bayes", 0.36), (False, "record", 0), (False, "bayes", 0)],
)
def test_leaving_one_out_counts_against_a_leak_at_eight_models(online, variance, bias):
    member = complementary(8, 40_000, seed=0)
    scores = LiRA(online=online, variance=variance, protocol="leave-one-out")(observe(member, leak=0.0, seed=1))
    assert auc(roc_curve(scores.ravel(), member.ravel())) == pytest.approx(0.5 - bias / 8, abs=0.006)


def test_auto_is_global_below_64_models_and_record_from_there():
    for models, variance in ((62, "global"), (64, "record")):
        observations = observe(complementary(models, 40, seed=0), leak=0.5)
        np.testing.assert_array_equal(
            LiRA(online=True)(observations), LiRA(online=True, variance=variance)(observations)
        )


def test_the_prior_is_recovered_from_data_drawn_from_it():
    rng = np.random.default_rng(0)
    alpha, beta, location, kappa, records = 4.0, 3.0, -1.0, 0.5, 200_000
    variance = beta / rng.gamma(alpha, 1, records)
    mean = location + rng.standard_normal(records) * np.sqrt(variance / kappa)
    x = mean + np.sqrt(variance) * rng.standard_normal((12, records))
    references = References(targets=np.array([0]), left_out=(), exact=True)
    spread = moments(centred_powers(x[:, :, None], references), {"in": np.ones(x.shape, bool)}, references)["in"]
    found = np.ravel(fit_prior(pool_sums(spread)))
    np.testing.assert_allclose(found, [alpha, beta, location, kappa], rtol=0.1)


def test_the_student_tail_goes_on_where_probabilities_underflow():
    nu, z = 200.0, np.array([-30.0, -300.0, -3000.0])
    x = nu / (nu + z**2)
    truth = (nu / 2) * np.log(x) + np.log(hyp2f1(nu / 2, 0.5, nu / 2 + 1, x)) - np.log(nu) - betaln(nu / 2, 0.5)
    found = log_cdf(z, Predictive(np.zeros(3), np.ones(3), np.array(nu)))
    np.testing.assert_allclose(found, truth, rtol=1e-4)


def test_records_whose_references_all_agree_score_finitely():
    observations = observe(complementary(8, 20, seed=0), leak=0.5)
    phi = np.full_like(observations.signals["phi"], 30.0)
    phi[:, 10:] = observations.signals["phi"][:, 10:]
    same = Observations(signals={"phi": phi}, member=observations.member, label=observations.label)
    for variance in ("record", "global", "bayes"):
        for online in (True, False):
            assert np.isfinite(LiRA(online=online, variance=variance)(same)).all()


def test_records_always_in_or_out_are_named_with_the_remedy():
    member = complementary(8, 20, seed=0)
    member[:, 3], member[:, [5, 7]] = False, True
    observations = observe(member, leak=1.0)
    with pytest.raises(InputError, match=r"1 of 20 records \(3\), which are members of fewer than 1 .* offline attack"):
        LiRA(online=True)(observations)
    with pytest.raises(InputError, match=r"2 of 20 records \(5, 7\), which are non-members of fewer than 1"):
        LiRA(online=False)(observations)
    with pytest.raises(InputError, match="fewer than 2"):
        LiRA(online=True, variance="record")(observe(complementary(4, 20, seed=0), leak=1.0))


def test_settings_that_do_not_exist_are_refused():
    for settings in ({"variance": "none"}, {"formula": "none"}, {"formula": "reference_code", "variance": "bayes"}):
        with pytest.raises(InputError):
            LiRA(online=True, **settings)


def test_a_target_named_twice_or_absent_is_refused():
    observations = observe(complementary(4, 20, seed=0), leak=1.0)
    for targets in ([1, 1], [4], [-1], []):
        with pytest.raises(InputError, match="targets"):
            LiRA(online=False)(observations, targets)
