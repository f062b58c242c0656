"""PMIA against Gaussians written out; what it never reads; and a world where proxies know all there is to know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe, reference_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from jaxattack.attacks.membership import PMIA, LiRA
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.metrics import auc, roc_curve
from jaxattack.signals.nearest import nearest_records, unit_rows


def naive(observations, target: int, by_class: bool, label: np.ndarray) -> np.ndarray:
    phi, member = observations.signals["phi"][:, :, 0].astype(np.float64), observations.member
    mask = reference_mask(member, target)
    lists = [phi[mask[:, r] & ~member[:, r], r] for r in range(observations.records)]
    pool = np.sqrt(sum(((x - x.mean()) ** 2).sum() for x in lists) / sum(len(x) - 1 for x in lists))
    out = np.empty(observations.records)
    for r in range(observations.records):
        others = np.arange(observations.records) != r
        among = others & (label == label[r]) if by_class else others
        answers = phi[:, among][(mask & member)[:, among]]
        if len(answers) < 2:
            answers = phi[:, others][(mask & member)[:, others]]
        inside = stats.norm(answers.mean(), answers.std(ddof=1)).logpdf(phi[target, r])
        out[r] = inside - stats.norm(lists[r].mean(), pool).logpdf(phi[target, r])
    return out


@pytest.mark.parametrize("proxies", ["global", "class"])
@pytest.mark.parametrize("design", DESIGNS)
def test_scores_equal_gaussians_of_other_records_written_out(design, proxies):
    observations = observe(DESIGNS[design](12, 25, seed=1), leak=1.0, seed=2)
    label = observations.label.copy()
    label[7] = 9  # the only record of its class
    scores = PMIA(proxies=proxies)(replace(observations, label=label))
    for target in (0, 11):
        expected = naive(observations, target, proxies == "class", label)
        np.testing.assert_allclose(scores[target], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("proxies", ["global", "class"])
def test_a_records_own_answers_by_models_that_hold_it_are_not_read(proxies):
    observations = observe(complementary(12, 40, seed=0), leak=1.0, seed=1)
    before = PMIA(proxies=proxies)(observations)
    phi = observations.signals["phi"].copy()
    others = observations.member[:, 5] & (np.arange(12) != 3)
    phi[others, 5] += 4.0
    after = PMIA(proxies=proxies)(replace(observations, signals={"phi": phi}))
    assert after[3, 5] == pytest.approx(before[3, 5], abs=1e-9)
    assert np.abs(after[3] - before[3]).max() > 1e-3  # but they are proxies of other records


def test_of_records_that_are_alike_it_knows_as_much_as_lira():
    random = np.random.default_rng(0)
    member = complementary(32, 2000, seed=0)
    observations = observe(member, leak=0.0)
    phi = (member + random.standard_normal(member.shape)).astype(np.float32)[:, :, None]
    alike = replace(observations, signals={"phi": phi})
    proxy, lira = (auc(roc_curve(attack(alike).ravel(), member.ravel())) for attack in (PMIA(), LiRA(online=True)))
    assert proxy == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.01)
    assert proxy > lira - 0.01


@pytest.mark.parametrize("models", [12, 64])
def test_by_instance_scores_equal_gaussians_of_neighbours_written_out(models):
    observations = observe(complementary(models, 25, seed=1), leak=1.0, seed=2)
    phi, near = (observations.signals[name][:, :, 0] for name in ("phi", "nearest_phi"))
    scores = PMIA(proxies="instance")(observations)
    for target in (0, 11):
        mask = reference_mask(observations.member, target)
        inside = [near[mask[:, r] & (near[:, r, 1] > 0), r, 0].astype(float) for r in range(25)]
        outside = [phi[mask[:, r] & ~observations.member[:, r], r].astype(float) for r in range(25)]
        for r in range(25):
            two = [
                stats.norm(lists[r].mean(), lists[r].std(ddof=1) if models == 64 else pooled(lists))
                for lists in (inside, outside)
            ]
            expected = two[0].logpdf(phi[target, r]) - two[1].logpdf(phi[target, r])
            assert scores[target, r] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def pooled(lists) -> float:
    return np.sqrt(sum(((x - x.mean()) ** 2).sum() for x in lists) / sum(len(x) - 1 for x in lists))


@given(arrays(np.uint8, (9, 3), elements=st.integers(0, 2)), arrays(np.int64, 9, elements=st.integers(0, 3)))
@settings(max_examples=50, deadline=None)
def test_the_nearest_record_is_the_first_of_the_most_similar_of_the_class(x, y):
    rows = unit_rows(x)
    for record, other in enumerate(nearest_records(x, y)):
        pool = [r for r in range(9) if r != record and y[r] == y[record]] or [r for r in range(9) if r != record]
        best = max(rows[record] @ rows[r] for r in pool)
        assert other in pool
        assert rows[record] @ rows[other] == pytest.approx(best, abs=1e-12)


def test_columns_of_other_units_have_the_same_neighbours_and_pictures_are_not_rescaled():
    x = np.random.default_rng(0).normal(size=(40, 4))
    y = np.arange(40) % 3
    np.testing.assert_array_equal(nearest_records(x, y), nearest_records(x * [1, 1000, 1e-3, 7], y))
    pictures = x.reshape(40, 2, 2)
    np.testing.assert_allclose(unit_rows(pictures), x / np.linalg.norm(x, axis=1, keepdims=True))


def test_a_neighbour_that_nobody_holds_is_refused():
    observations = observe(complementary(12, 40, seed=0), leak=1.0)
    near = observations.signals["nearest_phi"].copy()
    near[:, 3, :, 1] = 0
    with pytest.raises(TooFewReferences, match="pmia-instance needs 1 references .* some record has 0: observe more"):
        PMIA(proxies="instance")(replace(observations, signals={**observations.signals, "nearest_phi": near}))


def test_neighbours_each_of_which_one_reference_holds_have_no_variance():
    observations = observe(complementary(12, 40, seed=0), leak=1.0)
    near = observations.signals["nearest_phi"].copy()
    near[:, :, :, 1] = (np.arange(12) == 5)[:, None, None]
    with pytest.raises(TooFewReferences, match="needs 2 references .* some record has 1"):
        PMIA(proxies="instance")(replace(observations, signals={**observations.signals, "nearest_phi": near}), [0])


def test_without_two_proxies_it_is_refused():
    member = complementary(12, 40, seed=0)
    member[2:] &= np.arange(40) == 0
    observations = observe(member, leak=1.0)
    with pytest.raises(TooFewReferences, match="pmia-class needs two answers"):
        PMIA()(observations.take_records(np.arange(1, 40)), [0])
