"""Curves over models and over queries, against attacks on observations cut by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit import curves, evaluate
from jaxattack.audit.curves import by_models, by_queries, of_views, pooled, subsets_of
from jaxattack.audit.findings import values
from jaxattack.audit.findings.membership_attack import ModelsPoint, QueriesPoint
from jaxattack.training import Queries
from jaxattack.types import InputError, Observations

RATES = {"0.1", "0.01", "0.001", "0.0001", "0.00001"}


def observed(models: int, records: int = 40, queries: int = 1) -> Observations:
    """Complementary halves; phi is larger on members, and tells its query in the thousands."""
    rng = np.random.default_rng(models)
    half = rng.permuted(np.tile(np.arange(records) < records // 2, (models // 2, 1)), axis=1)
    member = np.stack([half, ~half], axis=1).reshape(models, records)
    phi = rng.standard_normal((models, records, queries)) + member[:, :, None] + 1000 * np.arange(queries)
    signals = {"phi": phi.astype(np.float32), "correct": np.ones((models, records, 1), np.float32)}
    return Observations(signals=signals, member=member, label=np.zeros(records, int))


def without_last_bits(value):
    """Findings in values; products of matrices may differ in their last bits with where the matrices lie in memory."""
    value = values(value)
    if isinstance(value, dict):
        return {key: without_last_bits(part) for key, part in value.items()}
    return [without_last_bits(part) for part in value] if isinstance(value, list) else float(f"{value:.10g}")


def attack(name: str = "lira-online"):
    return lookup(name)


def test_pooled_scores_stand_behind_one_threshold():
    scores, member = np.array([[3.0, 2.0], [1.0, 0.0]]), np.array([[True, False], [True, False]])
    found = pooled(scores, member)
    assert (found.targets, found.auc) == (2, 0.75)
    assert set(found.tpr) == set(found.tpr_interval) == RATES
    assert found.tpr["0.1"] == 0.5  # alone each target would be told apart without an error
    low, high = found.tpr_interval["0.1"]
    assert 0 <= low < 0.5 < high < 1  # one record alone is a member


def test_few_models_are_groups_of_their_own_whose_scores_are_pooled():
    observations = observed(18)
    points = by_models(attack(), subsets_of(observations))
    assert [(point.models, point.targets) for point in points] == [(8, 16), (16, 16)]
    parts = [observations.take(slice(0, 8)), observations.take(slice(8, 16))]
    scores = np.concatenate([attack()(part) for part in parts])
    assert points[0] == ModelsPoint(models=8, **vars(pooled(scores, observations.member[:16])))


def test_pairs_stay_together_wherever_the_models_stand():
    observations = observed(16)
    shuffled = observations.take(np.array([0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15]))
    for points in zip(
        by_models(attack(), subsets_of(observations)), by_models(attack(), subsets_of(shuffled)), strict=True
    ):
        assert without_last_bits(points[0]) == without_last_bits(points[1])


def test_groups_hold_no_more_targets_than_are_enough(monkeypatch):
    monkeypatch.setattr(curves, "TARGETS", 8)
    assert [point.targets for point in by_models(attack("calibration"), subsets_of(observed(18)))] == [8, 8, 16]


def test_sizes_that_cannot_be_scored_are_left_out():
    assert [point.models for point in by_models(attack("calibration"), subsets_of(observed(18)))] == [4, 8, 16]
    assert [point.models for point in by_models(attack("lira-online?variance=record"), subsets_of(observed(18)))] == [
        8,
        16,
    ]


def test_views_are_kept_by_what_they_show():
    asked = Queries.counting(18)
    for count in (1, 2, 9, 18):
        kept = Queries.counting(count)
        signals = of_views(observed(4, queries=18), asked, kept).signals
        columns = np.rint(signals["phi"].mean(axis=(0, 1)) / 1000).astype(int)
        shown = [(mirrored, row - kept.shift, column - kept.shift) for mirrored, row, column in kept.offsets()]
        assert shown == [(mirrored, row - 1, column - 1) for mirrored, row, column in asked.offsets()[columns]]
        assert signals["correct"].shape[2] == 1


def test_queries_give_a_point_for_each_smaller_set():
    observations = observed(8, queries=18)
    points = by_queries(attack(), observations, Queries.counting(18))
    assert [point.queries for point in points] == [1, 2, 9, 18]
    assert points[-1] == QueriesPoint(queries=18, **vars(pooled(attack()(observations), observations.member)))
    assert points[-1].auc > points[0].auc  # noise of queries is independent here
    assert [point.queries for point in by_queries(attack(), observed(8, queries=9), Queries.counting(9))] == [1, 9]


def test_what_is_known_of_all_views_is_not_computed_again():
    observations = observed(8, queries=18)
    plain = by_queries(attack(), observations, Queries.counting(18))
    entry = evaluate(observations, (attack(),), growth=False).attacks[0]
    known = by_queries(attack(), observations, Queries.counting(18), entry)
    assert known[:-1] == plain[:-1]
    for key, interval in known[-1].tpr_interval.items():  # more figures at once are rounded otherwise
        assert interval == pytest.approx(plain[-1].tpr_interval[key])
    assert replace(known[-1], tpr_interval={}) == replace(plain[-1], tpr_interval={})
    marked = by_queries(attack(), observations, Queries.counting(18), replace(entry, auc=2.0))
    assert [point.auc for point in marked] == [*(point.auc for point in plain[:-1]), 2.0]


def test_views_that_were_not_asked_about_are_refused():
    with pytest.raises(InputError, match="are not among"):
        of_views(observed(4, queries=9), Queries.counting(9), Queries.counting(2))
    with pytest.raises(InputError, match="phi has 9 queries and 18 were asked"):
        of_views(observed(4, queries=9), Queries.counting(18), Queries.counting(1))


def test_the_last_point_of_the_findings_is_the_attack_among_all_models():
    observations, attacks = observed(8, records=400), (attack(), attack("loss"))
    found = {entry.name: entry for entry in evaluate(observations, attacks).attacks}
    expected = [
        *by_models(attack(), subsets_of(observations)),
        ModelsPoint(models=8, **vars(pooled(attack()(observations), observations.member))),
    ]
    assert without_last_bits(found["lira-online"].by_models) == without_last_bits(expected)
    assert found["loss"].by_models == ()


def test_attacks_are_not_run_among_fewer_models_where_nobody_asks():
    observations = observed(8, records=400)
    ((with_growth,), (without,)) = (
        evaluate(observations, (attack(),), growth=growth).attacks for growth in (True, False)
    )
    assert without.by_models == ()
    assert values(replace(with_growth, by_models=(), seconds=0)) == values(replace(without, seconds=0))
