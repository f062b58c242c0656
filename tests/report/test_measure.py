"""The figures that limits bound: which number of the findings each is, and None where it was not measured."""

from __future__ import annotations

import pytest

from jaxattack.report import KINDS, unfinished
from jaxattack.report.document import NEEDED
from jaxattack.report.measure import MEASURES, RATES


def figures(kind, findings):
    return {name: measure(findings) for name, measure in MEASURES[kind].items()}


def attack(name, auc, tpr, lower):
    return {
        "name": name,
        "auc": auc,
        "auc_interval": [auc - 0.1, auc + 0.1],
        "balanced_accuracy": 0.6,
        "tpr": dict.fromkeys(RATES, tpr),
        "tpr_interval_corrected": dict.fromkeys(RATES, (lower, 1.0)),
        "resolvable": {rate: float(rate) >= 0.001 for rate in RATES},
    }


def test_of_a_membership_audit_the_claimed_attack_counts():
    findings = {
        "attacks": [attack("strong", 0.9, 0.5, 0.4), attack("declared", 0.7, 0.3, 0.2)],
        "claim": {"attack": "declared", "rate": "0.001"},
    }
    measured = figures("membership", findings)
    assert (measured["auc"], measured["auc-lower"], measured["balanced-accuracy"]) == pytest.approx((0.7, 0.6, 0.6))
    assert (measured["tpr@0.001"], measured["tpr-lower@0.001"]) == (0.3, 0.2)
    assert (measured["tpr@0.0001"], measured["tpr-lower@0.00001"]) == (None, None)
    findings["attacks"][1]["auc_interval_corrected"] = [0.55, 0.85]  # for the choice among several
    assert figures("membership", findings)["auc-lower"] == 0.55


def test_of_one_target_what_is_not_known_is_not_measured():
    known = {
        "auc": 0.8,
        "auc_interval": [0.7, 0.9],
        "tpr": dict.fromkeys(RATES, 0.25),
        "tpr_interval": dict.fromkeys(RATES, (0.125, 0.5)),
        "resolvable": {rate: rate == "0.1" for rate in RATES},
    }
    findings = {
        "attack": "used",
        "attacks": [{"name": "other", "known": None}, {"name": "used", "known": known}],
        "verdicts": {"discoveries": 5, "records": 20},
    }
    measured = figures("target", findings)
    assert (measured["tpr@0.1"], measured["tpr-lower@0.1"], measured["tpr@0.01"]) == (0.25, 0.125, None)
    assert (measured["auc"], measured["auc-lower"], measured["discoveries"]) == (0.8, 0.7, 0.25)
    measured = figures("target", findings | {"attack": "other"})
    assert {name: value for name, value in measured.items() if value is not None} == {"discoveries": 0.25}


def cell(defence, family, leak, **more):
    tpr = {"tpr": {"0.1": (leak or 0) / 2}, "resolvable": {"0.1": True}}
    return {"defence": defence, "family": family, "leak": leak, "reason": "", **tpr} | more


@pytest.mark.parametrize(
    ("columns", "auc", "tpr", "agreement"),
    [(["none", "round", "mixup"], 0.7, 0.35, 0.4), (["none"], 0.9, 0.45, None)],
)
def test_of_a_matrix_the_largest_of_the_defended_columns_counts(columns, auc, tpr, agreement):
    cells = [
        cell("none", "membership", 0.9),
        cell("round", "membership", 0.7),
        cell("mixup", "membership", 0.6),
        cell("mixup", "membership", None, reason="it cannot be run", tpr=None, resolvable=None),
        cell("round", "extraction", 0.4, tpr=None, resolvable=None),
    ]
    measured = figures("matrix", {"columns": [{"name": name} for name in columns], "cells": cells})
    assert (measured["auc"], measured["tpr@0.1"], measured["agreement"]) == (auc, tpr, agreement)
    assert (measured["tpr@0.01"], measured["recognition"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "findings", "measured"),
    [
        (
            "extraction",
            {"fidelity": {"held_out": {"agreement": 0.9}, "uniform": {"agreement": 0.8}}},
            {"agreement": 0.9},
        ),
        ("extraction", {"fidelity": {"held_out": None, "uniform": {"agreement": 0.8}}}, {"agreement": 0.8}),
        ("extraction", {"fidelity": {"held_out": None, "uniform": None}}, {"agreement": None}),
        ("inversion", {"recognition": {"victim": 1.0, "top1": 0.0}}, {"recognition": 0.0}),
        ("inversion", {"recognition": {"victim": 1.0, "top1": None}}, {"recognition": 1.0}),
        ("evasion", {"success": {"among_right": None}}, {"success": None}),
        (
            "poisoning",
            {
                "attacks": [
                    {
                        "points": [
                            {"sanitise": None, "success": None, "drop": {"value": 0.1}},
                            {"sanitise": "slab", "success": None, "drop": {"value": 0.5}},
                        ]
                    }
                ]
            },
            {"success": None, "drop": 0.1},
        ),
        ("epsilon", {"headline": None}, {"epsilon": None}),
        ("epsilon", {"headline": {"epsilon": 1.5}}, {"epsilon": 1.5}),
        (
            "reconstruction",
            {"comparisons": [{"leak": {"value": 0.5, "low": 0.4}}, {"leak": {"value": 0.9, "low": 0.8}}]},
            {"leak": 0.5, "leak-lower": 0.4},
        ),
    ],
)
def test_of_other_kinds_the_figure_of_the_headline_counts(kind, findings, measured):
    assert figures(kind, findings) == measured


@pytest.mark.parametrize(
    ("kind", "ended", "why"),
    [
        ("extraction", {"converged": True, "complete": False, "reason": "not verified."}, ""),
        ("extraction", {"converged": False, "complete": False, "reason": "the budget is gone."}, "the budget is gone."),
        ("extraction", {"converged": False, "exact": False, "complete": False, "reason": "the budget is gone."}, ""),
        ("evasion", {"converged": True, "complete": False, "reason": "nobody is fooled."}, ""),
        ("inversion", {"complete": True, "reason": ""}, ""),
        ("inversion", {"complete": False, "reason": "the budget is gone."}, "the budget is gone."),
    ],
)
def test_an_attack_that_came_to_its_end_is_finished(kind, ended, why):
    assert unfinished({"kind": kind, "attack": ended}) == why
    assert unfinished({"kind": "membership"}) == ""


def test_every_kind_of_report_has_its_parts_and_its_figures():
    assert KINDS.keys() == NEEDED.keys() == MEASURES.keys()
