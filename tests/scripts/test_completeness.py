"""A slice of the table of victims and attacks: nothing is complete and wrong, and nothing ends in a traceback."""

from __future__ import annotations

import io
from collections import Counter

import completeness
import pytest
from completeness import ATTACKS, DATA, MODELS, TERMS, Run, attempt, combinations, fitted, show
from rich.console import Console

CHEAP = ("softmax", "ovr", "path-finding", "lowd-meek", "relu", "knockoff-random?budget=60&rounds=2&substitute=softmax")


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    made = []
    for data, model in (("iris", "tree"), ("circles", "neighbours"), ("wine", "logistic"), ("iris", "naive-bayes")):
        victim = fitted(data, model)
        for terms in ("probability", "label"):
            made += [attempt(victim, (data, model, terms, attack), with_pool=True) for attack in CHEAP]
    return made


def test_nothing_is_complete_and_wrong_and_nothing_ends_in_a_traceback(runs):
    assert [run for run in runs if run.end == "error"] == []
    assert [run for run in runs if run.end == "complete" and run.wrong] == []
    assert all(run.queries <= completeness.BUDGET for run in runs)
    assert all(run.reason.rstrip(")").endswith(".") for run in runs if run.end != "complete")


def test_what_fits_its_victim_is_complete(runs):
    complete = {(run.model, run.attack) for run in runs if run.end == "complete"}
    assert ("logistic", "softmax") in complete
    assert ("tree", "path-finding") in complete


def test_every_attack_meets_as_many_victims_and_the_totals_add_up(runs):
    drawn = list(combinations(28 * len(ATTACKS), seed=0))
    assert set(Counter(attack for *_, attack in drawn).values()) == {28}
    assert len(set(drawn)) == len(drawn)
    assert len(DATA) * len(MODELS) >= 40
    assert len(TERMS) == 5
    console = Console(file=io.StringIO(), width=120)
    show(console, runs)
    assert f" {len(runs)} " in console.file.getvalue()  # type: ignore[attr-defined]
