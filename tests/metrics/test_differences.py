"""Differences between attacks and between audits: against their definition, against closed forms, and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from metrics.naive import halves, psi_of
from scipy.stats import norm

from jaxattack.metrics import (
    Pairing,
    accuracy_influences,
    clopper_pearson,
    differences,
    influences,
    model_clusters,
    paired_clusters,
    roc_curve,
)
from jaxattack.types import InputError

FPRS = (0.1, 0.02)
NOTHING = np.zeros((0, 2), int)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def drawn(member, leak, hardness, rng):
    """Scores whose noise is shared along records."""
    return rng.normal(size=member.shape) + hardness + leak * member


def moves(scores, member, fprs=FPRS, clusters=None):
    return influences(scores, member, roc_curve(scores.ravel(), member.ravel()), fprs, clusters)


def variance_of(psi):
    """Of a sum of influences, {(record, cluster): [...]} -> the two-way clustered variance, written out."""
    by_record, by_cluster = {}, {}
    for (record, cluster), values in psi.items():
        by_record[record] = by_record.get(record, 0.0) + sum(values)
        by_cluster[cluster] = by_cluster.get(cluster, 0.0) + sum(values)
    terms = [len(sums) / (len(sums) - 1) * sum(v**2 for v in sums.values()) for sums in (by_record, by_cluster)]
    return max(sum(terms) - sum(sum(values) ** 2 for values in psi.values()), *terms)


def joined(first, second, record_of, cluster_of):
    """The influences of two audits on their difference, each under the name of its record and cluster."""
    psi = {}
    for side, (values, sign) in enumerate(((first, 1), (second, -1))):
        for model, row in enumerate(values):
            for record, value in enumerate(row):
                psi.setdefault((record_of(side, record), cluster_of(side, model)), []).append(sign * value)
    return psi


def test_two_attacks_on_the_same_scores_are_paired_in_full(rng):
    member = halves(8, 120, rng)
    first = drawn(member, rng.exponential(size=120), rng.normal(size=120), rng)
    second = first + 0.3 * rng.normal(size=first.shape)
    ours, theirs = moves(first, member), moves(second, member)
    found = differences(ours, theirs)
    for fpr, difference in zip(FPRS, found, strict=False):
        psi = joined(psi_of(first, member, fpr), psi_of(second, member, fpr), lambda _, r: r, lambda _, m: m // 2)
        assert difference.variance == pytest.approx(variance_of(psi))
    a, b = ours.estimates()[-1], theirs.estimates()[-1]
    assert found[-1].value == pytest.approx(a.value - b.value)
    assert found[-1].variance < (a.variance + b.variance) / 4


def test_audits_that_share_some_records_and_some_models_are_paired_in_those(rng):
    # Records 20 to 59 of the first are 0 to 39 of the second; the last pair of models of the first is the second's first.
    hardness = rng.normal(size=70)
    member = halves(6, 60, rng)
    other = np.vstack([np.hstack([member[4:, 20:], rng.random((2, 10)) < 0.5]), halves(4, 50, rng)])
    first = drawn(member, 1.0, hardness[:60], rng)
    second = drawn(other, 0.5, hardness[20:], rng)
    labels = [np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 2])]
    records = np.stack([np.arange(20, 60), np.arange(40)], axis=1)
    clusters = paired_clusters(member[:, 20:], other[:, :40], *labels)
    assert clusters.tolist() == [[2, 0]]
    ours, theirs = moves(first, member, clusters=labels[0]), moves(second, other, clusters=labels[1])
    found = differences(ours, theirs, Pairing(records=records, clusters=clusters))
    for fpr, difference in zip(FPRS, found, strict=False):
        psi = joined(
            psi_of(first, member, fpr),
            psi_of(second, other, fpr),
            lambda side, record: record + 20 * side,
            lambda side, model: (side, model // 2) if (side, model // 2) != (1, 0) else (0, 2),
        )
        assert difference.variance == pytest.approx(variance_of(psi))


def test_audits_without_anything_in_common_add_their_variances(rng):
    found = [moves(drawn(m := halves(16, 300, rng), leak, rng.normal(size=300), rng), m) for leak in (1.0, 0.4)]
    *_, difference = differences(*found, Pairing(records=NOTHING, clusters=NOTHING))
    (*_, a), (*_, b) = (one.estimates() for one in found)
    assert difference.value == pytest.approx(a.value - b.value)
    assert difference.variance == pytest.approx(a.variance + b.variance, rel=0.1)  # N / (N - 1) of both together


def test_an_audit_does_not_differ_from_itself(rng):
    same = moves(drawn(m := halves(8, 200, rng), 1.0, rng.normal(size=200), rng), m)
    every = np.repeat(np.arange(200)[:, None], 2, axis=1)
    for pairing in (None, Pairing(records=every, clusters=paired_clusters(m, m, same.clusters, same.clusters))):
        assert [difference.interval() for difference in differences(same, same, pairing)] == [(0.0, 0.0)] * 3


def test_attacks_that_find_nobody_are_not_known_to_be_equal(rng):
    """Both had 0 of 60 members, and an interval from 0 to 0; a shift that no audit of this size sees is within it."""
    member = halves(2, 120, rng)
    top = np.where(member, 0.0, 1.0)  # every non-member above every member
    ours, theirs = (moves(rng.random(member.shape) + 2 * top, member, (0.1,)) for _ in range(2))
    nobody, area = differences(ours, theirs)
    high = float(clopper_pearson(0, 120)[1])
    assert (nobody.value, area.value) == (0, 0)
    assert nobody.interval() == pytest.approx((-high, high))
    assert area.interval() == pytest.approx((-high, high))
    everyone = moves(rng.random(member.shape) - 2 * top, member, (0.1,))
    assert differences(everyone, ours)[0].interval() == pytest.approx((1 - np.hypot(high, high), 1))


def test_the_other_order_turns_the_sign(rng):
    first, second = (moves(drawn(m := halves(8, 200, rng), leak, rng.normal(size=200), rng), m) for leak in (1.0, 0.3))
    records = np.stack([np.arange(150), np.arange(50, 200)], axis=1)
    there = differences(first, second, Pairing(records=records, clusters=NOTHING))
    back = differences(second, first, Pairing(records=records[:, ::-1], clusters=NOTHING))
    for one, other in zip(there, back, strict=True):
        assert one.value == -other.value
        assert one.interval() == pytest.approx(tuple(-end for end in other.interval()[::-1]))


def test_models_are_paired_by_their_members_or_those_they_lack(rng):
    member = halves(6, 80, rng)
    labels = model_clusters(member)
    assert paired_clusters(member, ~member[[4, 1]], labels, np.array([0, 1])).tolist() == [[0, 1], [2, 0]]
    assert not len(paired_clusters(member, halves(4, 80, rng), labels, np.array([0, 0, 1, 1])))
    assert not len(paired_clusters(member[:, :0], member[:, :0], labels, labels))
    everywhere = np.ones((2, 5), bool)  # records that are in every model tell nothing
    assert not len(paired_clusters(everywhere, everywhere, np.arange(2), np.arange(2)))


def test_what_has_other_rates_or_other_records_is_refused(rng):
    one, other = (moves(drawn(m := halves(4, size, rng), 1.0, 0.0, rng), m) for size in (100, 80))
    with pytest.raises(InputError, match="compare them on the same"):
        differences(one, other)
    with pytest.raises(InputError, match="compare them at the same"):
        differences(one, moves(drawn(m := halves(4, 100, rng), 1.0, 0.0, rng), m, fprs=(0.1,)))


def test_accuracy_has_the_variance_of_a_share_where_answers_are_independent():
    rng = np.random.default_rng(1)
    member = rng.random((500, 600)) < 0.5
    right = rng.random(member.shape) < np.where(member, 0.9, 0.6)
    train, test = accuracy_influences(right, member).estimates()
    assert (train.value, test.value) == (right[member].mean(), right[~member].mean())
    assert train.variance == pytest.approx(0.9 * 0.1 / member.sum(), rel=0.25)
    assert test.variance == pytest.approx(0.6 * 0.4 / (~member).sum(), rel=0.25)
    with pytest.raises(InputError, match="0 members"):
        accuracy_influences(right, np.zeros_like(member))


@pytest.mark.parametrize("models_too", [False, True])
def test_intervals_of_a_difference_cover_and_pairing_narrows_them(models_too):
    """80 pairs of audits of the same 300 records, which leak alike in both; of the same members, or of others."""
    rng = np.random.default_rng(2)
    leaks = (3.0, 2.0)
    exposures = np.sort(rng.exponential(size=100_000))
    truth = [norm.cdf(leak * exposures / 2).mean() for leak in leaks]  # of four variances of 1 in the difference
    every = np.repeat(np.arange(300)[:, None], 2, axis=1)
    cover, widths = [], []
    for _ in range(80):
        hardness, exposure = rng.normal(size=300), rng.exponential(size=300)
        member = halves(8, 300, rng)
        members = (member, member if models_too else halves(8, 300, rng))
        scores = [drawn(m, leak * exposure, hardness, rng) for m, leak in zip(members, leaks, strict=True)]
        ours, theirs = (moves(score, m, (0.1,)) for score, m in zip(scores, members, strict=True))
        clusters = paired_clusters(*members, ours.clusters, theirs.clusters)
        assert len(clusters) == (4 if models_too else 0)
        *_, paired = differences(ours, theirs, Pairing(records=every, clusters=clusters))
        *_, apart = differences(ours, theirs, Pairing(records=NOTHING, clusters=NOTHING))
        low, high = paired.interval()
        cover.append(low <= truth[0] - truth[1] <= high)
        widths.append((high - low) / (apart.interval()[1] - apart.interval()[0]))
    assert np.mean(cover) >= 0.88  # 95% less three standard errors
    assert np.median(widths) < 0.9


def test_influences_at_some_rates_are_those_that_are_found_at_them_alone(rng):
    scores = drawn(m := halves(8, 200, rng), 1.0, rng.normal(size=200), rng)
    some, alone = moves(scores, m, (0.3, 0.1, 0.02)).at((0.02, 0.3)), moves(scores, m, (0.02, 0.3))
    for one, other in zip(some.estimates()[:2], alone.estimates()[:2], strict=True):
        assert (one.value, one.freedom) == (other.value, pytest.approx(other.freedom))
        assert one.variance == pytest.approx(other.variance)
    assert some.estimates()[-1].value == alone.estimates()[-1].value
    with pytest.raises(InputError, match="fprs has 0.5"):
        some.at((0.5,))
