"""Audits side by side: against the differences of their scores, where they share everything and where they share nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from paired import ATTACKS, DEFENDED, LABEL, OTHER_MODELS, PLAIN, RECORDS, write_run

from jaxattack.audit.comparison import compare
from jaxattack.audit.comparison.settings import changes, text
from jaxattack.audit.comparison.side import IDS, LABELS, POSITION
from jaxattack.audit.findings import values
from jaxattack.metrics import (
    Pairing,
    clopper_pearson,
    differences,
    influences,
    model_clusters,
    paired_clusters,
    roc_curve,
)
from jaxattack.metrics.comparison import Interval, corrected, interval_difference
from jaxattack.metrics.uncertainty import Estimate
from jaxattack.types import InputError, Observations


@pytest.fixture(scope="module")
def findings():
    return compare(PLAIN, DEFENDED, OTHER_MODELS, names=["plain", "defended", "other"], attacks=ATTACKS).findings


def every_contrast(findings):
    for attack in findings.attacks:
        for leak in attack.differences:
            if leak is not None:
                yield from (leak.auc, *leak.tpr.values())
    for pair in findings.pairs:
        yield from (pair.train_accuracy, pair.test_accuracy, pair.strongest.auc, *pair.strongest.tpr.values())


def test_an_audit_and_itself_differ_by_exactly_nothing():
    same = compare(PLAIN, replace(PLAIN), attacks=ATTACKS).findings
    assert {(one.difference, *one.interval, one.clear) for one in every_contrast(same)} == {(0.0, 0.0, 0.0, False)}
    assert (same.pairs[0].records, same.pairs[0].models, same.pairs[0].basis) == (RECORDS, 8, LABELS)
    assert same.changes == ()


def test_the_other_order_turns_every_sign():
    there, back = (compare(*both, attacks=ATTACKS[1:]).findings for both in ((PLAIN, DEFENDED), (DEFENDED, PLAIN)))
    names = [attack.name for attack in there.attacks]
    back = replace(back, attacks=tuple(sorted(back.attacks, key=lambda attack: names.index(attack.name))))
    for one, other in zip(every_contrast(there), every_contrast(back), strict=True):
        assert one.difference == pytest.approx(-other.difference)
        assert one.interval == pytest.approx([-end for end in other.interval[::-1]])


def test_differences_are_those_of_the_scores_paired_where_they_can_be(findings):
    lira, rates = ATTACKS[0], (0.1, 0.01)
    attack = next(one for one in findings.attacks if one.name == "lira-online")
    every = np.repeat(np.arange(RECORDS)[:, None], 2, axis=1)

    def moves(one):
        scores = lira(one)
        return influences(scores, one.member, roc_curve(scores.ravel(), one.member.ravel()), rates)

    for other, told, models in ((DEFENDED, attack.differences[0], 8), (OTHER_MODELS, attack.differences[1], 0)):
        clusters = paired_clusters(other.member, PLAIN.member, *map(model_clusters, (other.member, PLAIN.member)))
        found = differences(moves(other), moves(PLAIN), Pairing(records=every, clusters=clusters))
        assert 2 * len(clusters) == models
        for contrast, difference in zip((told.tpr["0.1"], told.tpr["0.01"], told.auc), found, strict=True):
            assert contrast.difference == pytest.approx(difference.value)
            assert contrast.interval == pytest.approx(difference.interval(corrected(3 * 2)), rel=2e-3)
            assert contrast.clear == (not contrast.interval[0] <= 0 <= contrast.interval[1])
    assert attack.differences[0].auc.clear
    assert attack.differences[0].auc.difference < 0
    assert [pair.models for pair in findings.pairs] == [8, 0]


def test_an_interval_allows_for_every_attack_on_every_run_and_of_a_declared_one_for_the_runs(findings):
    assert findings.allowance == 3 * 2
    assert {pair.strongest.allowance for pair in findings.pairs} == {3 * 3 * 2}
    assert (findings.claim.attack, findings.claim.choices) == (findings.attacks[0].name, 3)
    declared = compare(PLAIN, DEFENDED, OTHER_MODELS, attacks=ATTACKS, declare=ATTACKS[0]).findings
    assert (declared.claim.attack, declared.claim.choices, declared.claim.declared) == ("lira-online", 1, True)
    wide, narrow = (
        next(one for one in of.attacks if one.name == "lira-online").differences[0].auc.interval
        for of in (findings, declared)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_records_are_the_same_by_their_ids_and_otherwise_nothing_is_paired():
    ids = tuple(f"r{number}" for number in range(RECORDS))
    some = np.random.default_rng(3).permutation(RECORDS)[:180]
    named = replace(PLAIN, ids=ids)
    part = replace(DEFENDED.take_records(some), ids=tuple(ids[one] for one in some))
    strangers = replace(DEFENDED, label=LABEL[::-1].copy())
    by_id, apart = compare(named, part, strangers, attacks=ATTACKS[1:]).findings.pairs
    assert (by_id.records, by_id.models, by_id.basis) == (180, 8, IDS)
    assert (apart.records, apart.models, apart.basis) == (0, 0, "")


def test_an_attack_that_one_audit_does_not_allow_is_told_of_the_others():
    label_only = Observations(
        signals={"correct": DEFENDED.signals["correct"]}, member=DEFENDED.member, label=DEFENDED.label
    )
    told = compare(PLAIN, label_only, names=["plain", "labels"], attacks=ATTACKS).findings
    lira = next(one for one in told.attacks if one.name == "lira-online")
    assert lira.runs[0] is not None
    assert (lira.runs[1], lira.differences) == (None, (None,))
    assert told.pairs[0].strongest.attack == "gap"
    # Two that are compared nowhere need no allowance.
    gap = compare(PLAIN, label_only, names=["plain", "labels"], attacks=ATTACKS[2:]).findings
    assert ATTACKS[2].name == "gap"
    assert told.allowance == gap.allowance == 1
    assert next(one for one in told.attacks if one.name == "gap").differences == gap.attacks[0].differences
    assert told.notes == ("labels: These attacks are left out, for phi was not observed: lira-online, loss.",)
    with pytest.raises(InputError, match="no attack can be run on labels"):
        compare(PLAIN, label_only, names=["plain", "labels"], attacks=ATTACKS[:1])
    with pytest.raises(InputError, match="the declared attack cannot be run on labels"):
        compare(label_only, PLAIN, names=["labels", "plain"], attacks=ATTACKS, declare=ATTACKS[0])


def test_run_folders_are_compared_with_what_differs_and_what_they_cost(tmp_path):
    plain = write_run(tmp_path / "plain", PLAIN)
    other = write_run(
        tmp_path / "other",
        DEFENDED,
        recipe={"epochs": 4, "crop": 0, "flip": False},
        defences=[{"name": "Round", "decimals": 2}],
    )
    told = compare(plain, str(other), attacks=ATTACKS).findings
    assert [run.name for run in told.runs] == ["plain", "other"]
    assert [(row.name, row.values) for row in told.changes] == [
        ("recipe.epochs", ("2", "4")),
        ("defences", (None, "Round(decimals=2)")),
    ]
    cost = told.runs[1].cost
    assert (cost.models, cost.gradient_steps, cost.queries) == (8, 80, 8 * RECORDS)
    assert (cost.train, cost.observe, cost.device) == (3.0, 0.5, "1 x cpu")
    assert told.pairs[0].basis == POSITION
    right = PLAIN.signals["correct"][:, :, 0]
    assert told.runs[0].test_accuracy.value == pytest.approx(right[~PLAIN.member].mean())
    assert told.pairs[0].test_accuracy.difference == pytest.approx(
        DEFENDED.signals["correct"][:, :, 0][~DEFENDED.member].mean() - right[~PLAIN.member].mean(), abs=1e-6
    )


def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path):
    run = write_run(tmp_path / "run", PLAIN)
    write_run(tmp_path / "poisoned" / "copies-0", PLAIN)
    (tmp_path / "matrix" / "cells").mkdir(parents=True)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text('{"kind": "membership"}')
    (tmp_path / "stolen").mkdir()
    (tmp_path / "stolen" / "report.json").write_text('{"kind": "extraction"}')
    for others, message in (
        ((), "audits has 1: give two to 6"),
        ((tmp_path / "poisoned",), "is of a poisoned audit: give its runs, as .*copies-0"),
        ((tmp_path / "report",), "holds a report without what its models answered"),
        (
            (tmp_path / "stolen",),
            "holds a report on extraction: compare membership runs and files of observations with one another",
        ),
        ((tmp_path / "nothing",), "is no run: give a run folder, a matrix, or an .npz"),
        ((tmp_path / "matrix",), "matrix is a matrix and run is none"),
    ):
        with pytest.raises(InputError, match=message):
            compare(run, *others)
    with pytest.raises(InputError, match="without a report: give its command again with --out"):
        compare(tmp_path / "matrix", tmp_path / "matrix")
    for names, message in ((["a"], "one each"), (["a", "a"], "'a' twice"), (["a", "\x1b"], "printable")):
        with pytest.raises(InputError, match=message):
            compare(run, run, names=names)


def test_settings_that_differ_are_told_and_the_same_records_have_any_name():
    here = {"data": {"name": "a.npz", "sha256": "1"}, "seed": 0, "lr": 0.1, "x": {}}
    assert changes([here, here | {"data": {"name": "b.npz", "sha256": "1"}}]) == ()
    rows = changes([here, here | {"data": {"name": "b.npz", "sha256": "2"}, "lr": 0.25, "ema": None}, here])
    assert [row.name for row in rows] == ["data.name", "data.sha256", "lr"]
    assert rows[2].values == ("0.1", "0.25", "0.1")
    # Past six digits, and past what is shown of a long value, they differ too.
    longer = ["word" * 60 + end for end in "ab"]
    rows = changes([here | {"lr": lr, "names": names} for lr, names in zip((0.1, 0.1000001), longer, strict=True)])
    assert [row.name for row in rows] == ["lr", "names"]
    assert rows[0].values == ("0.1", "0.1000001")
    assert [value and value[-2:] for value in rows[1].values] == ["da", "db"]
    assert text([{"name": "Noise", "scale": 0.1, "steps": [1, 2]}, "x"]) == "Noise(scale=0.1, steps=1, 2), x"


def matrix(path, leaks, epochs=2, freedom=5.0):
    """The folder of a matrix that was never measured."""
    cells = [
        {
            "defence": defence, "attack": attack, "family": "membership", "adaptive": True, "repetitions": 1, "leak": leak,
            "leak_interval": None if leak is None else [leak - 0.02, leak + 0.02], "leak_freedom": freedom,
        }
        for (defence, attack), leak in leaks.items()
    ]  # fmt: skip
    columns = [{"name": name, "test_accuracy": {"mean": 0.9, "sd": 0.0}} for name in dict.fromkeys(d for d, _ in leaks)]
    cost = {
        "models": 8,
        "gradient_steps": 80,
        "device": "cpu",
        "seconds": {"train": 1.0, "observe": 1.0, "attack": 1.0},
    }
    report = {"kind": "matrix", "format": 1, "title": path.name, "columns": columns, "cells": cells, "cost": cost}
    (path / "cells").mkdir(parents=True)
    (path / "report.json").write_text(json.dumps(report | {"config": {"recipe": {"epochs": epochs}}}))
    return path


def test_matrices_are_compared_in_the_cells_that_both_have(tmp_path):
    first = matrix(tmp_path / "first", {("none", "loss"): 0.6, ("none", "gap"): 0.55, ("round:1", "loss"): None})
    second = matrix(
        tmp_path / "second", {("none", "loss"): 0.7, ("label", "gap"): 0.5, ("none", "gap"): 0.56}, epochs=9
    )
    told = compare(first, second).findings
    assert [(cell.defence, cell.attack, cell.leaks) for cell in told.cells] == [
        ("none", "loss", (0.6, 0.7)),
        ("none", "gap", (0.55, 0.56)),
    ]
    assert told.allowance == 2
    loss, gap = (cell.differences[0] for cell in told.cells)
    assert loss.difference == pytest.approx(0.1)
    assert (loss.clear, gap.clear) == (True, False)
    assert [column.name for column in told.columns] == ["none"]
    assert [(row.name, row.values) for row in told.changes] == [("recipe.epochs", ("2", "9"))]
    assert told.notes == ("first lacks 1 of 3 cells, as gap on label.",)
    assert values(told)["subject"] == "matrix"


def test_matrices_without_a_common_cell_or_with_a_damaged_report_are_refused(tmp_path):
    first = matrix(tmp_path / "first", {("none", "loss"): 0.6})
    with pytest.raises(InputError, match="have no cell in common"):
        compare(first, matrix(tmp_path / "second", {("none", "gap"): 0.6}))
    wrong = matrix(tmp_path / "wrong", {("none", "loss"): 0.6})
    for damage in ('{"kind": "matrix"}', '{"kind": "matrix", "columns": [], "cells": [1]}', "[]", "{"):
        (wrong / "report.json").write_text(damage)
        with pytest.raises(InputError, match="report.json"):
            compare(first, wrong)


RIGHT = 40


def evasion(path, share, kind="evasion", queries=10):
    """The folder of an evasion of so many records that was never run."""
    interval = None if share is None else list(map(float, clopper_pearson(round(share * RIGHT), RIGHT)))
    path.mkdir()
    cost = {"queries": queries, "seconds": {"total": 1.5}}
    success = {"among_right": share, "interval": interval, "right": RIGHT}
    report = {"kind": kind, "title": path.name, "success": success, "cost": cost}
    (path / "report.json").write_text(json.dumps(report | {"config": {"queries": queries}}))
    return path


def test_reports_of_another_kind_are_compared_by_their_figures_unpaired(tmp_path):
    first, second, third = (
        evasion(tmp_path / name, share, queries=queries)
        for name, share, queries in (("a", 0.2, 10), ("b", 0.6, 20), ("c", None, 10))
    )
    told = compare(first, second, third).findings
    (row,) = told.figures
    assert (told.subject, told.of, row.values) == ("report", "evasion", (0.2, 0.6, None))
    assert row.differences == (pytest.approx(0.4), None)
    assert row.contrasts[0].clear
    apart = interval_difference(
        *(interval_of(share, clopper_pearson(round(share * RIGHT), RIGHT)) for share in (0.6, 0.2))
    )
    assert row.contrasts[0].interval == pytest.approx((apart.low, apart.high))
    assert [(one.name, one.values) for one in told.costs][:1] == [("queries", ("10", "20", "10"))]
    assert [(one.name, one.values) for one in told.changes] == [("queries", ("10", "20", "10"))]
    other = evasion(tmp_path / "other", 0.2, kind="epsilon")
    with pytest.raises(InputError, match="other/report.json is no report as this version writes it"):
        compare(first, other)
    (other / "report.json").write_text(
        json.dumps({"kind": "epsilon", "title": "e", "headline": None, "cost": {}, "config": {}})
    )
    with pytest.raises(InputError, match="a is of an audit of the kind evasion and other of epsilon"):
        compare(first, other)


def interval_of(value, ends):
    low, high = ends
    return Interval(value=value, low=float(low), high=float(high))


def test_several_differences_are_at_their_own_confidence_exactly(tmp_path):
    """Widened as normal ones, intervals of 2 of 40 records and of a rate at 3 degrees of freedom were too narrow."""
    shares = {"a": 0.05, "b": 0.5, "c": 0.9}
    few = [evasion(tmp_path / name, share) for name, share in shares.items()]
    (row,) = compare(*few).findings.figures
    for contrast, share in zip(row.contrasts, (0.5, 0.9), strict=True):
        ends = [clopper_pearson(round(one * RIGHT), RIGHT, corrected(2)) for one in (share, 0.05)]
        apart = interval_difference(*map(interval_of, (share, 0.05), ends))
        assert contrast.interval == pytest.approx((apart.low, apart.high))
    estimates = [Estimate(value=value, variance=0.02**2, freedom=3.0, trials=100) for value in (0.05, 0.4)]
    rates = [target(tmp_path / f"t{place}", one.value, True, one) for place, one in enumerate(estimates)]
    row = compare(*rates).findings.figures[1]  # of two, with the AUC
    apart = interval_difference(*(interval_of(one.value, one.interval(corrected(2))) for one in reversed(estimates)))
    assert row.contrasts[0].interval == pytest.approx((apart.low, apart.high))


def target(path, tpr, resolvable, estimate=None):
    """The report on one target, as far as comparing reads it."""
    path.mkdir()
    ends = [tpr / 2, tpr] if estimate is None else estimate.interval()
    known = {
        "auc": 0.8, "auc_interval": [0.7, 0.88], "tpr": {"0.01": tpr}, "tpr_interval": {"0.01": ends},
        "resolvable": {"0.01": resolvable}, "auc_freedom": 9.0, "tpr_freedom": {"0.01": 3.0},
    }  # fmt: skip
    report = {
        "kind": "target", "title": path.name, "attack": "loss", "attacks": [{"name": "loss", "known": known}],
        "verdicts": {"called": 3, "records": 40}, "cost": {}, "config": {},
    }  # fmt: skip
    (path / "report.json").write_text(json.dumps(report))
    return path


@pytest.mark.parametrize("resolvable", [True, False])
def test_a_rate_that_non_members_are_too_few_for_is_not_compared(tmp_path, resolvable):
    found = compare(target(tmp_path / "a", 0.05, True), target(tmp_path / "b", 0.8, resolvable)).findings
    row = next(row for row in found.figures if row.name.startswith("TPR"))
    assert row.values == (0.05, 0.8 if resolvable else None)
    assert (row.contrasts[0] is not None) == resolvable
