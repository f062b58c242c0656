"""Summaries against loops over targets and records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from jaxattack.metrics import (
    accuracy_influences,
    auc,
    calibrated,
    exposure_p_values,
    influences,
    loss_tnr,
    model_clusters,
    own_rates,
    roc_curve,
    sensitivity_index,
    stability,
    summarise,
    tpr_at_fpr,
    transfer,
    vulnerability,
    vulnerability_interval,
)
from jaxattack.types import InputError


def shifted(targets: int, records: int, shift: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    half = rng.permuted(np.tile(np.arange(records) < records // 2, (targets // 2, 1)), axis=1)
    member = np.stack([half, ~half], axis=1).reshape(targets, records)
    return rng.standard_normal((targets, records)) + shift * member, member


def test_per_target_figures_are_those_of_each_targets_own_curve():
    scores, member = shifted(8, 300, 1.0)
    found = summarise(scores, member, fprs=(0.1, 0.01))
    curves = [roc_curve(row, truth) for row, truth in zip(scores, member, strict=True)]
    areas = [auc(curve) for curve in curves]
    rates = [tpr_at_fpr(curve, 0.01).tpr for curve in curves]
    assert (found.target_auc.mean, found.target_auc.sd) == pytest.approx((np.mean(areas), np.std(areas, ddof=1)))
    assert (found.target_tpr[1].mean, found.target_tpr[1].sd) == pytest.approx((np.mean(rates), np.std(rates, ddof=1)))


def test_pooled_figures_are_those_of_all_scores_together():
    scores, member = shifted(8, 300, 1.0)
    found = summarise(scores, member)
    pooled = roc_curve(scores.ravel(), member.ravel())
    assert found.auc == auc(pooled)
    assert found.tpr[1] == tpr_at_fpr(pooled, 0.01)
    assert found.ppv[0.01][0.5] == pytest.approx(found.tpr[1].tpr / (found.tpr[1].tpr + 0.01))


@settings(max_examples=40)
@given(
    arrays(np.int64, (4, 12), elements=st.integers(0, 6)).map(lambda scores: scores.astype(float)),
    st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9]),
    st.integers(0, 2**32 - 1),
)
def test_a_transferred_threshold_equals_the_naive_one_on_tied_scores(scores, fpr, seed):
    member = np.random.default_rng(seed).permuted(np.tile(np.arange(12) < 5, (4, 1)), axis=1)
    (found,) = transfer(scores, member, (fpr,))
    fprs, tprs = [], []
    for t in range(4):
        rest = np.arange(4) != t
        others = scores[rest][~member[rest]]
        threshold = max(v for v in others if (others >= v).sum() > np.floor(fpr * len(others) + 1e-9))
        assert (others > threshold).mean() <= fpr
        fprs.append((scores[t][~member[t]] > threshold).mean())
        tprs.append((scores[t][member[t]] > threshold).mean())
    assert found.fpr.mean == pytest.approx(np.mean(fprs))
    assert found.tpr.mean == pytest.approx(np.mean(tprs))


def test_transferred_thresholds_realise_the_nominal_rate_where_targets_are_alike():
    (found,) = transfer(*shifted(32, 2000, 1.0), (0.05,))
    assert found.fpr.mean == pytest.approx(0.05, abs=0.003)
    assert found.tpr.mean == pytest.approx(norm.cdf(1 - norm.isf(0.05)), abs=0.01)


def test_vulnerability_counts_the_pairs_of_targets_that_a_record_orders_rightly():
    rng = np.random.default_rng(0)
    scores, member = rng.integers(0, 4, (9, 30)).astype(float), rng.random((9, 30)) < 0.5
    member[:, 0], member[:, 1] = True, False
    found = vulnerability(scores, member)
    for r in range(2, 30):
        ins, outs = scores[member[:, r], r], scores[~member[:, r], r]
        wins = (ins[:, None] > outs).mean() + (ins[:, None] == outs).mean() / 2
        assert found[r] == pytest.approx(wins)
    assert np.isnan(found[:2]).all()


def test_stability_is_high_where_records_differ_and_near_zero_where_they_do_not():
    scores, member = shifted(64, 500, 0.0)
    assert abs(stability(scores, member)) < 0.15
    scores += member * np.linspace(0, 3, 500)
    assert stability(scores, member) > 0.7


def test_stability_is_that_of_models_in_any_order_and_none_where_halves_answer_against_each_other():
    """With one model of each pair in either half, whose answers differ the more the other's do, it was .5 without any leak."""
    rng = np.random.default_rng(0)
    half = rng.random((6, 500)) < 0.5
    noise = rng.normal(size=half.shape)
    member, scores = np.concatenate([half, ~half]), np.concatenate([noise, -noise])
    together = np.argsort(np.arange(12) % 6, kind="stable")
    told = stability(scores, member)
    assert told == stability(scores[together], member[together])
    assert abs(told) < 0.15
    # A model of its own before them parts no pair, nor does a cluster of three.
    for extra in ([0], [0, 1, 1]):
        alone = rng.random((2, 500))[extra] < 0.5
        before = np.concatenate([alone, member[together]]), np.concatenate([0 * alone, scores[together]])
        assert abs(stability(before[1], before[0])) < 0.15
    assert np.isnan(stability(scores[[0, 6, 0, 6]], member[[0, 6, 0, 6]]))  # all of them are one cluster


def test_scores_without_information_give_half_and_say_that_they_are_tied():
    _, member = shifted(4, 20, 0.0)
    found = summarise(np.zeros(member.shape), member)
    assert (found.auc, found.advantage, found.tied) == (0.5, 0.0, 1.0)
    assert np.isnan(stability(np.zeros(member.shape), member))


def test_vulnerability_of_signals_without_membership_averages_half():
    scores, member = shifted(64, 4000, 0.0)
    assert vulnerability(scores, member).mean() == pytest.approx(0.5, abs=4 / np.sqrt(3 * 64 * 4000))


def test_a_single_target_has_no_spread_and_nothing_to_transfer_from():
    scores, member = shifted(2, 40, 1.0)
    found = summarise(scores[:1], member[:1])
    assert (found.transferred, found.targets) == ((), 1)
    assert np.isnan(found.target_auc.sd)


def test_bad_input_is_refused_in_a_sentence():
    scores, member = shifted(4, 20, 0.0)
    with pytest.raises(InputError, match="one shape"):
        summarise(scores[:, :5], member)
    with pytest.raises(InputError, match=r"scores have shape \(0, 20\)"):
        summarise(scores[:0], member[:0])
    with pytest.raises(InputError, match="fprs contains 0"):
        summarise(scores, member, fprs=(0.0,))
    with pytest.raises(InputError, match="target 0 has 20 members"):
        summarise(scores, np.ones_like(member))
    with pytest.raises(InputError, match="member holds -1"):
        summarise(scores, np.where(scores > 1, -1, member))
    with pytest.raises(InputError, match="there is one target"):
        transfer(scores[:1], member[:1])


@pytest.mark.parametrize("figure", [vulnerability, sensitivity_index, stability])
def test_records_or_models_that_disagree_are_refused(figure):
    scores, member = shifted(8, 40, 1.0)
    clusters = model_clusters(member)
    figures: tuple[Callable[..., Any], ...] = (
        figure, lambda *pair: exposure_p_values(*pair, clusters), lambda *pair: own_rates(*pair, 1.0),
    )  # fmt: skip
    for some in figures:
        with pytest.raises(InputError, match=r"shape \(8, 40\) and member has \(8, 5\)"):
            some(scores, member[:, :5])
    with pytest.raises(InputError, match="confidence is 2"):
        vulnerability_interval(scores, member, clusters, 2.0)
    with pytest.raises(InputError, match="clusters has shape .* and there are 8 models"):
        summarise(scores, member, clusters=clusters[:3])


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_no_models_or_records_are_refused(shape):
    """Without models there was a division by zero."""
    nothing = np.zeros(shape), np.zeros(shape, bool)
    clusters = np.arange(shape[0])
    for figure in (vulnerability, sensitivity_index, stability, model_influences):
        with pytest.raises(InputError, match=r"there are numbers of shape .*: give some models and records"):
            figure(*nothing)
    for figure in (vulnerability_interval, exposure_p_values):
        with pytest.raises(InputError, match="give some models and records"):
            figure(*nothing, clusters)
    figures: tuple[Callable[..., Any], ...] = (lambda *pair: own_rates(*pair, 1.0), lambda *pair: calibrated(*pair, ()))
    for figure in figures:
        with pytest.raises(InputError, match="give some models and records"):
            figure(*nothing)


def model_influences(scores, member, clusters=None):
    """The influences at one rate; the curve is of other scores, as there is none of nothing."""
    curve = roc_curve(np.array([1.0, 0.0]), np.array([True, False]))
    return influences(scores, member, curve, (0.1,), clusters)


CLUSTERED = [
    vulnerability_interval,
    exposure_p_values,
    model_influences,
    lambda scores, member, clusters: accuracy_influences(scores > 0, member, clusters),
]


@pytest.mark.parametrize("figure", CLUSTERED)
@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        (np.arange(5), r"clusters has shape \(5,\), dtype int64 and there are 8 models"),
        (np.arange(16), r"clusters has shape \(16,\), dtype int64 and there are 8 models"),
        (np.arange(8).reshape(4, 2), r"clusters has shape \(4, 2\)"),
        (np.array([None] * 8), "clusters has shape .*, dtype object"),
        ([[0], [1, 2]], "clusters is no array .*: give one label for each model"),
    ],
)
def test_clusters_that_are_no_label_for_each_model_are_refused(figure, clusters, words):
    """Of 5 labels for 8 models there were numbers, of the first five models."""
    scores, member = shifted(8, 40, 1.0)
    with pytest.raises(InputError, match=words):
        figure(scores, member, clusters)


@pytest.mark.parametrize("figure", [vulnerability_interval, exposure_p_values])
@pytest.mark.parametrize(
    "labels",
    [
        [0, 0, 1, 1, 2, 2, 3, 3],
        np.repeat([-1, 0, 7, 9], 2),
        np.repeat(np.arange(4, dtype=np.uint8), 2),
        list("ccaaddbb"),
    ],
)
def test_clusters_may_be_a_list_and_have_any_labels(figure, labels):
    """A list ended in a traceback, and of the label -1 the cluster was left out."""
    scores, member = shifted(8, 40, 1.0)
    found = figure(scores, member, labels)
    np.testing.assert_allclose(found, figure(scores, member, np.repeat(np.arange(4), 2)), rtol=1e-12)


def test_scores_in_a_dtype_of_jax_are_numbers():
    """NumPy takes bfloat16 for raw bytes, and it was refused as no numbers."""
    scores, member = shifted(8, 40, 1.0)
    for dtype in (jnp.bfloat16, jnp.float8_e5m2, jnp.float8_e4m3fn):
        given = np.asarray(jnp.asarray(scores, jnp.float32).astype(dtype))
        plain = given.astype(np.float32)
        np.testing.assert_array_equal(vulnerability(given, member), vulnerability(plain, member))
        np.testing.assert_array_equal(calibrated(given, member, ()), calibrated(plain, member, ()))
        assert auc(roc_curve(given[0], member[0])) == auc(roc_curve(plain[0], member[0]))
        np.testing.assert_array_equal(vulnerability(plain, member.astype(dtype)), vulnerability(plain, member))
    with pytest.raises(InputError, match="scores have dtype .*: give numbers"):
        vulnerability(np.zeros((8, 40), [("phi", np.float32)]), member)


def test_whole_numbers_of_0_and_1_are_as_good_a_truth_as_booleans():
    """The complement of a whole number is another: every model was taken for one without the record."""
    scores, member = shifted(8, 40, 1.0)
    truth, clusters = member.astype(int), model_clusters(member)
    for figure in (vulnerability, sensitivity_index, stability):
        np.testing.assert_array_equal(figure(scores, truth), figure(scores, member))
    for figure in (vulnerability_interval, exposure_p_values):
        np.testing.assert_array_equal(figure(scores, truth, clusters), figure(scores, member, clusters))
    assert own_rates(scores, truth, 1.0) == own_rates(scores, member, 1.0)
    np.testing.assert_array_equal(calibrated(scores, truth, ()), calibrated(scores, member, ()))
    assert loss_tnr(-scores[0], truth[0]) == loss_tnr(-scores[0], member[0])
    assert transfer(scores, truth) == transfer(scores, member)
