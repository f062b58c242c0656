"""Lower bounds on epsilon from an experiment with canaries: every bound that it allows, and why not the others.

Several runs go into a bound of one run side by side (`jaxattack.audit.coins`): their coins are pooled, no run is chosen. From
8 runs on each canary's pooled scores are taken from their mean over the runs, in their standard deviations; that knows no
coin, and is part of the guess. Bounds of many runs need no such scale, `gaussian` must not have one.

The headline is one bound: the one that was declared beforehand, at alpha; or the largest of its claim, each at alpha divided by
how many bounds of that claim were tried. Rows of the table are at alpha, each as if it were alone.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.audit import coins
from jaxattack.audit.environment import environment, peak_memory
from jaxattack.audit.epsilon_methods import CLAIMS, METHODS, EpsilonAudit, Method, independent_runs, refusal
from jaxattack.audit.findings.epsilon import (
    BoundFindings,
    CostFindings,
    EpsilonFindings,
    ExperimentFindings,
    HeadlineFindings,
    Seconds,
    UpperFindings,
)
from jaxattack.metrics.epsilon import Bound, check_scores
from jaxattack.metrics.inputs import read_scores, read_truth
from jaxattack.types import InputError, check_arguments

CALIBRATES = 8
"""Runs from which a canary's scores are put on the scale of their own; with fewer its mean is its own score in large part."""


class _Experiment(NamedTuple):
    scores: np.ndarray
    member: np.ndarray
    pooled: np.ndarray
    replaces: bool


@check_arguments("audit", "name")
def epsilon(
    scores: Float[np.ndarray, "*model canary"],
    member: Bool[np.ndarray, "*model canary"],
    *,
    audit: EpsilonAudit = EpsilonAudit(),
    name: str = "scores",
) -> EpsilonFindings:
    """Every lower bound on epsilon that scores of canaries allow.

    Args:
        scores: higher for canaries that are in; of one run, or of several.
        member: whether the canary was in.
        audit: what is claimed.
        name: for the title.

    Raises:
        InputError: no numbers, shapes that disagree, NaN, a truth of other than 0 and 1, or a declared bound that the
            experiment does not allow.

    Example:
        >>> coins = np.random.default_rng(0).random(1000) < 0.5
        >>> findings = epsilon(coins + np.random.default_rng(1).normal(size=1000), coins)
        >>> 0.5 < findings.headline.epsilon < 4.38
        True
    """
    begin = time.perf_counter()
    scores, member = np.atleast_2d(read_scores(scores)), np.atleast_2d(read_truth(member))
    scores, member = check_scores(scores, member, audit.delta, audit.alpha)
    experiment = _Experiment(
        scores, member, calibrated(scores).ravel(), coins.balanced(member, audit.coins_independent) is not None
    )
    rows, allowed = [], {}
    for key, method in METHODS.items():
        why = refusal(member, method, audit)
        bound = None
        if why is None:
            try:
                bound = _bound(experiment, key, audit, audit.alpha)
            except InputError as error:
                why = str(error)
        if bound is not None:
            allowed[key] = bound
        rows.append(_row(key, method, bound, why, experiment))
    seconds = time.perf_counter() - begin
    models, canaries = member.shape
    return EpsilonFindings(
        title=name,
        experiment=ExperimentFindings(
            models=models,
            canaries=canaries,
            coins=member.size,
            ins=int(member.sum()),
            replaces=experiment.replaces,
            calibrated=models >= CALIBRATES,
            delta=audit.delta,
            confidence=1 - audit.alpha,
        ),
        bounds=tuple(rows),
        headline=_headline(experiment, allowed, rows, audit),
        upper=None if audit.upper is None else (UpperFindings(name="from elsewhere", epsilon=audit.upper),),
        training=None,
        notes=_notes(experiment, audit),
        cost=CostFindings(
            seconds=Seconds(bounds=seconds, total=seconds), memory_bytes=peak_memory(), device="the processor"
        ),
        config={"scores": name, **asdict(audit)},
        environment=environment(),
    )


def calibrated(scores: Float[np.ndarray, "model canary"]) -> Float[np.ndarray, "model canary"]:
    """From 8 runs on, each canary's scores from their mean over the runs, in their standard deviations; else as they are."""
    if len(scores) < CALIBRATES:
        return scores
    spread = scores.std(axis=0)
    return (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _bound(experiment: _Experiment, key: str, audit: EpsilonAudit, alpha: float) -> Bound:
    method = METHODS[key]
    if method.runs:
        runs = independent_runs(experiment.member)
        return method.bound(experiment.scores[runs], experiment.member[runs], delta=audit.delta, alpha=alpha)
    scores = experiment.scores.ravel() if key == "gaussian" else experiment.pooled
    return method.bound(scores, experiment.member.ravel(), delta=audit.delta, alpha=alpha)


WORDS = {
    "dp": "(epsilon, delta)-differential privacy",
    "f-dp": "the trade-off of the Gaussian mechanism that is (epsilon, delta)-differentially private",
    "gdp": "Gaussian differential privacy, read as its epsilon at delta",
}


def _claim(key: str, replaces: bool) -> str:
    return WORDS[key] + (", of records that replace one another" if replaces else "")


def _row(key: str, method: Method, bound: Bound | None, why: str | None, experiment: _Experiment) -> BoundFindings:
    return BoundFindings(
        name=key,
        claim=_claim(method.claim, experiment.replaces),
        assumes=None if bound is None else bound.assumes,
        counts="runs" if method.runs else "scores" if key == "gaussian" else "guesses",
        epsilon=None if bound is None else bound.epsilon,
        trials=None if bound is None else bound.trials,
        errors=None if bound is None or key == "gaussian" else bound.errors,
        why=why,
    )


def _headline(
    experiment: _Experiment, allowed: dict[str, Bound], rows: list[BoundFindings], audit: EpsilonAudit
) -> HeadlineFindings | None:
    """The bound to quote, which pays for having been chosen; None where none is allowed."""
    if audit.declare is not None and audit.declare not in allowed:
        why = next(row.why for row in rows if row.name == audit.declare)
        raise InputError(f"declare is {audit.declare}, which these scores do not allow. {why}")
    if audit.declare is not None:
        methods, claim = [audit.declare], METHODS[audit.declare].claim
    else:
        by_claim = {claim: [key for key in allowed if METHODS[key].claim == claim] for claim in CLAIMS}
        claim, methods = next(((claim, keys) for claim, keys in by_claim.items() if keys), ("", []))
    if not methods:
        return None
    level = audit.alpha / len(methods)
    best = max((_bound(experiment, key, audit, level) for key in methods), key=lambda bound: bound.epsilon)
    return HeadlineFindings(
        name=best.method,
        epsilon=best.epsilon,
        claim=_claim(claim, experiment.replaces),
        declared=audit.declare is not None,
        tried=tuple(methods),
        alpha=level,
    )


def _notes(experiment: _Experiment, audit: EpsilonAudit) -> tuple[str, ...]:
    notes = []
    size = experiment.member.size * audit.delta
    if size > 1:
        notes.append(
            f"{experiment.member.size:,} coins times delta are {size:.2g}: one_run pays for every coin; fewer canaries or a "
            "smaller delta may show more."
        )
    if len(experiment.member) > 1 and coins.complementary(experiment.member):
        notes.append("Runs come in complementary pairs: bounds of many runs count one of each pair.")
    return tuple(notes)
