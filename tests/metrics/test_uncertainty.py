"""Uncertainty over records and models: against its definition, against closed forms, and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from metrics.naive import halves, psi_of
from scipy.stats import norm

from jaxattack.metrics import accuracy_influences, auc, clopper_pearson, model_clusters, roc_curve, tpr_at_fpr
from jaxattack.metrics.uncertainty import Estimate, influences
from jaxattack.types import InputError

FPRS = (0.1, 0.02)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def drawn(models, records, rng, shift=1.0, shared=0.7):
    """Scores whose noise is shared along records and along models, and the truth."""
    member = halves(models, records, rng)
    leak = shift * rng.exponential(size=records)
    noise = rng.normal(size=member.shape) + shared * rng.normal(size=records) + 0.3 * rng.normal(size=(models, 1))
    return noise + leak * member, member


def found(scores, member, clusters=None, fprs=FPRS):
    return influences(scores, member, roc_curve(scores.ravel(), member.ravel()), fprs, clusters)


def auc_psi_of(scores, member):
    members, others = np.sort(scores[member]), np.sort(scores[~member])
    area = auc(roc_curve(scores.ravel(), member.ravel()))
    outscored = (np.searchsorted(others, scores) + np.searchsorted(others, scores, side="right")) / 2 / len(others)
    outscoring = 1 - (np.searchsorted(members, scores) + np.searchsorted(members, scores, side="right")) / 2 / len(
        members
    )
    return np.where(member, (outscored - area) / len(members), (outscoring - area) / len(others))


def two_way(psi, clusters):
    labels = np.unique(clusters)
    within = np.stack([psi[clusters == label].sum(axis=0) for label in labels])
    by_record, by_cluster = (within.sum(axis=axis) for axis in (0, 1))
    terms = [len(sums) / (len(sums) - 1) * (sums**2).sum() for sums in (by_record, by_cluster)]
    return max(sum(terms) - (within**2).sum(), *terms)


@pytest.mark.parametrize("clusters", [None, [0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 0, 0, 1, 2]])
def test_the_variance_is_that_of_its_definition(clusters, rng):
    scores, member = drawn(8, 300, rng)
    labels = model_clusters(member) if clusters is None else np.array(clusters)
    *tprs, area = found(scores, member, None if clusters is None else labels).estimates()
    for fpr, estimate in zip(FPRS, tprs, strict=True):
        assert estimate.value == tpr_at_fpr(roc_curve(scores.ravel(), member.ravel()), fpr).tpr
        assert estimate.variance == pytest.approx(two_way(psi_of(scores, member, fpr), labels))
    # The AUC is read off 64 levels of equal mass.
    assert area.variance == pytest.approx(two_way(auc_psi_of(scores, member), labels), rel=0.02)
    assert area.value == auc(roc_curve(scores.ravel(), member.ravel()))


def test_a_threshold_on_few_false_positives_is_known_no_better_than_they_are(rng):
    scores, member = drawn(16, 500, rng)  # 4,000 scores of non-members
    few, some, many, area = found(scores, member, fprs=(0.0005, 0.002, 0.2)).estimates()
    assert (few.freedom, some.freedom) == (4, 16)
    assert many.freedom < 2 * 800
    assert area.freedom > 16


def test_independent_scores_have_the_variance_of_the_binormal_curve():
    rng = np.random.default_rng(0)
    member = rng.random((200, 500)) < 0.5
    scores = rng.normal(size=member.shape) + 1.5 * member
    estimate, area = found(scores, member, fprs=(0.05,)).estimates()
    count, threshold = member.size / 2, norm.isf(0.05)
    rate = norm.sf(threshold - 1.5)
    slope = norm.pdf(threshold - 1.5) / norm.pdf(threshold)
    assert estimate.variance == pytest.approx((rate * (1 - rate) + slope**2 * 0.05 * 0.95) / count, rel=0.25)
    # The variance of a placement of a shifted normal, by quadrature (DeLong et al. 1988).
    z = np.linspace(-9, 9, 4001)
    placement = norm.cdf(z + 1.5)
    weight = norm.pdf(z) / norm.pdf(z).sum()
    spread = weight @ placement**2 - (weight @ placement) ** 2
    assert area.variance == pytest.approx(2 * spread / count, rel=0.25)


def test_a_copy_of_every_model_in_its_cluster_tells_nothing_new(rng):
    scores, member = drawn(8, 200, rng)
    once = found(scores, member, np.arange(8)).estimates()
    twice = found(np.tile(scores, (2, 1)), np.tile(member, (2, 1)), np.tile(np.arange(8), 2)).estimates()
    for one, two in zip(once, twice, strict=True):
        assert two.value == pytest.approx(one.value)
        assert two.variance == pytest.approx(one.variance, rel=0.05)


def test_models_of_equal_or_complementary_members_belong_together(rng):
    member = halves(4, 50, rng)
    assert model_clusters(member).tolist() == [0, 0, 1, 1]
    assert model_clusters(member[[2, 0, 3, 0]]).tolist() == [0, 1, 0, 1]
    assert model_clusters(rng.random((5, 200)) < 0.5).tolist() == [0, 1, 2, 3, 4]
    background = np.ones((4, 7), bool)  # which is in every model, as poison is
    assert model_clusters(np.hstack([background, member])).tolist() == [0, 0, 1, 1]


def test_a_share_of_nothing_or_everything_is_bounded_by_the_records(rng):
    member = halves(8, 100, rng)
    scores = np.where(member, -1.0, rng.normal(size=member.shape).clip(0))
    estimate, _ = found(scores, member, fprs=(0.01,)).estimates()
    assert estimate.value == 0
    assert estimate.interval() == pytest.approx(tuple(map(float, clopper_pearson(0, 100))))
    perfect, _ = found(member.astype(float), member, fprs=(0.01,)).estimates()
    assert perfect.interval() == pytest.approx(tuple(map(float, clopper_pearson(100, 100))))


def test_of_one_model_the_members_are_the_trials_of_the_members_found():
    member = np.arange(50)[None] < 20
    tpr, area = found(member.astype(float), member, fprs=(0.1,)).estimates()
    assert tpr.interval() == pytest.approx(tuple(map(float, clopper_pearson(20, 20))))
    assert area.interval() == pytest.approx(tuple(map(float, clopper_pearson(20, 20))))
    none, _ = found(np.where(member, -1.0, np.arange(50.0)), member, fprs=(0.1,)).estimates()
    assert none.interval() == pytest.approx(tuple(map(float, clopper_pearson(0, 20))))
    train, test = accuracy_influences(np.ones((1, 50), bool), member).estimates()
    assert (train.trials, test.trials) == (20, 30)


def test_perfect_discovery_of_the_members_of_one_model_is_not_claimed_of_all():
    """Members 3 above others, 100 of each: .957 of new members are found at 10%, and all of these in one case of 30."""
    rng, truth, above = np.random.default_rng(0), norm.sf(norm.isf(0.1) - 3), 0
    member = np.arange(200)[None] < 100
    for _ in range(300):
        tpr, _ = found(rng.normal(size=member.shape) + 3 * member, member, fprs=(0.1,)).estimates()
        above += tpr.interval(1 - 0.05 / 21)[0] > truth
    assert above <= 2


def test_an_interval_is_wider_where_it_must_be_surer_or_knows_its_variance_less_well():
    of = {"value": 0.04, "variance": 0.01**2, "trials": 100}
    narrow = Estimate(**of, freedom=1e6).interval()
    assert narrow[0] > Estimate(**of, freedom=3).interval()[0] > 0
    assert narrow[1] < Estimate(**of, freedom=1e6).interval(0.99)[1] < 1
    reach = norm.isf(0.025) * 0.01 / (0.04 * 0.96)
    assert np.log(np.divide(narrow, np.subtract(1, narrow))) == pytest.approx(
        [np.log(1 / 24) + s * reach for s in (-1, 1)], rel=1e-4
    )
    with pytest.raises(InputError, match="confidence is 95"):
        Estimate(**of, freedom=3).interval(95)


@pytest.mark.parametrize("models", [4, 16])
def test_intervals_cover_new_records_and_new_models(models):
    """100 sweeps of 400 records: each interval holds the value of 100,000 records and as many models."""
    rng = np.random.default_rng(1)
    count, fpr = 100_000, 0.05
    shared = [0.7 * rng.normal(size=count) + 0.3 * rng.normal(size=count) for _ in range(2)]
    others = shared[0] + rng.normal(size=count)
    members = shared[1] + rng.normal(size=count) + rng.exponential(size=count)
    truth = [(members > np.quantile(others, 1 - fpr)).mean(), np.searchsorted(np.sort(others), members).mean() / count]
    cover = []
    for _ in range(100):
        intervals = [one.interval() for one in found(*drawn(models, 400, rng), fprs=(fpr,)).estimates()]
        cover.append([low <= value <= high for (low, high), value in zip(intervals, truth, strict=True)])
    assert (np.mean(cover, axis=0) >= 0.88).all()  # 95% less three standard errors
    assert np.mean(cover) < 1
