"""Observations and attacks to findings: plain values that say how much each attack gets, ready for JSON.

`jaxattack.report` documents the keys.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership import REGISTRY, RMIA, LiRA, by_label
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.attacks.naming import label
from jaxattack.audit.claim import BASELINE, Correction, claimed_rate, comparison
from jaxattack.audit.curves import FPRS, by_models, by_queries, rate_key
from jaxattack.audit.entry import all_models, attack_entry, tpr_intervals
from jaxattack.audit.learning import doubts, fit_of_models
from jaxattack.audit.per_record import (
    calibration,
    exposed,
    most_vulnerable,
    numbered,
    own_rates_at,
    vulnerability_of_all,
)
from jaxattack.audit.scorable import Scorable, scorable
from jaxattack.metrics import summarise, vulnerability
from jaxattack.metrics.uncertainty import Influences
from jaxattack.signals import Correct, Phi
from jaxattack.training import Queries
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

AT_ONCE = min(4, os.cpu_count() or 1)


def evaluate(
    observations: Observations,
    attacks: Collection[MembershipAttack],
    *,
    growth: bool = True,
    declare: MembershipAttack | None = None,
    queries: Queries | None = None,
    unread: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run attacks with every model as the target, and sum up what each gets.

    What cannot be scored is left out and told, as `jaxattack.audit.scorable` says: all figures are of the same records.

    Args:
        observations: at least four models.
        attacks: each is reported by its `jaxattack.attacks.naming.label`.
        growth: whether each attack with references is also run among fewer models; ``by_models`` stays empty otherwise.
        declare: the attack that was chosen beforehand; by default the strongest is claimed, and its interval allows for
            the choice among all (`jaxattack.audit.claim`).
        queries: the views that were asked about; attacks that join several are also run with fewer, where there is growth.
        unread: records whose signals are NaN or infinite somewhere; none by default.
        progress: called after each attack.

    Returns:
        The parts ``attacks`` (strongest first), ``claim``, ``comparison``, ``calibration``, ``models``, ``vulnerable``,
        ``vulnerability`` and ``notes`` of the findings.

    Raises:
        InputError: no attacks, another one declared, or none that can score these observations.
    """
    if not attacks:
        raise InputError("no attack is named: give at least one.")
    part = scorable(observations.member, by_label(attacks), unread)
    declared = None if declare is None else label(declare, REGISTRY)
    correction = Correction(attacks=tuple(part.attacks), declared=declared)
    evidence = _evidence(observations, part)
    rate = claimed_rate(int((~evidence.member).sum()), FPRS)
    terms = _Terms(evidence.vulnerability, growth, queries, correction, rate)
    judged, refused = _judge_all(observations, part, terms, progress)
    claimed = _claimed(judged, declared, refused)
    beyond = exposed(evidence.shown, evidence.member)
    models = fit_of_models(observations, part.records)
    notes = doubts(models, observations.label[part.records], observations.records - models["members"])
    return {
        "attacks": [one.entry for one in judged],
        "claim": {
            "attack": claimed.entry["name"],
            "rate": None if rate is None else rate_key(rate),
            "choices": correction.choices(claimed.entry["name"]),
            "declared": declare is not None,
        },
        "comparison": _comparison(claimed, judged, correction),
        "calibration": calibration(evidence.shown, evidence.member, {rate_key(fpr): fpr for fpr in FPRS}),
        "models": models,
        "vulnerable": numbered(claimed.vulnerable, part.records, beyond),
        "vulnerability": vulnerability_of_all(evidence.shown, evidence.member, evidence.vulnerability, beyond),
        "notes": [*observations.notes, *part.notes, *refused, *notes],
    }


class _Evidence(NamedTuple):
    """What models say of the records that are scored, and how surely that gives each away."""

    shown: Float[np.ndarray, "model record"]
    member: Bool[np.ndarray, "model record"]
    vulnerability: Float[np.ndarray, "record"]


def _evidence(observations: Observations, part: Scorable) -> _Evidence:
    # Where labels alone are answered there is no phi: what is right gives records away too.
    signal = Phi() if Phi().name in observations.signals else Correct()
    shown = observations.of(signal)[:, part.records, 0]  # copied: a view would keep all queries in memory
    member = observations.member[:, part.records]
    return _Evidence(shown, member, vulnerability(shown, member))


class _Terms(NamedTuple):
    """How every attack is judged.

    Attributes:
        vulnerability: of each record.
        growth: whether it is also run among fewer models and views.
        queries: the views that were asked about.
        correction: what its intervals allow for.
        rate: the false-positive rate that decides which is the strongest.
    """

    vulnerability: Float[np.ndarray, "record"]
    growth: bool
    queries: Queries | None
    correction: Correction
    rate: float | None


class _Scored(NamedTuple):
    """An attack's scores, and the seconds they took."""

    name: str
    attack: MembershipAttack
    scores: Float[np.ndarray, "target record"]
    seconds: float


class _Judged(NamedTuple):
    """An attack's entry in the findings, what it finds of the most vulnerable records, and what it is compared by."""

    entry: dict[str, Any]
    vulnerable: dict[str, Any]
    strength: tuple[float, float]
    influences: Influences | None


def _with_influences(judged: list[_Judged], one: _Judged, declare: str | None) -> list[_Judged]:
    """One attack more; only those that may be compared keep their influences, which are large."""
    more = [*judged, one]
    strongest = max(more, key=lambda other: other.strength)
    return [
        other if other is strongest or other.entry["name"] in (BASELINE, declare) else other._replace(influences=None)
        for other in more
    ]


def _comparison(claimed: _Judged, judged: list[_Judged], correction: Correction) -> dict[str, Any] | None:
    """The claimed attack beside the baseline, where both were run."""
    name = claimed.entry["name"]
    baseline = next((one for one in judged if one.entry["name"] == BASELINE), claimed)
    if baseline is claimed or claimed.influences is None or baseline.influences is None:
        return None
    names = {fpr: rate_key(fpr) for fpr in FPRS}
    return comparison(name, claimed.influences, baseline.influences, correction, names)


def _judge_all(
    observations: Observations, part: Scorable, terms: _Terms, progress: Progress | None
) -> tuple[list[_Judged], list[str]]:
    """Every attack that can be run, strongest first; and of the others why not, in sentences."""
    judged: list[_Judged] = []
    refused: list[str] = []
    for read, attacks in _by_signals(observations, part):
        scored: list[_Scored] = []
        for name, attack in attacks.items():
            try:
                scored.append(_scored(name, attack, read))
            except TooFewReferences as error:
                refused.append(f"{name} is left out: {error}")
        # Sorting many scores keeps one core busy: several attacks are summed up at once, after the timed scoring.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for one in pool.map(partial(_judge, read=read, terms=terms), scored):
                judged = _with_influences(judged, one, terms.correction.declared)
                if progress:
                    progress("attacks", len(judged), len(part.attacks))
    if not judged:
        raise InputError(f"no attack can be run. {' '.join(refused)}")
    return sorted(judged, key=lambda one: one.strength, reverse=True), refused


def _by_signals(
    observations: Observations, part: Scorable
) -> Iterator[tuple[Observations, dict[str, MembershipAttack]]]:
    """Attacks that read the same signals, with what they read: each signal is read from the disk once."""

    def names(item: tuple[str, MembershipAttack]) -> list[str]:
        return [signal.name for signal in item[1].signals]

    for _, group in groupby(sorted(part.attacks.items(), key=names), key=names):
        attacks = dict(group)
        read = observations.only(next(iter(attacks.values())).signals)
        yield read if len(part.records) == observations.records else read.take_records(part.records), attacks


def _claimed(judged: list[_Judged], declared: str | None, refused: list[str]) -> _Judged:
    """The attack that was declared, or the strongest.

    Raises:
        InputError: the declared one could not be run.
    """
    if declared is None:
        return judged[0]
    for one in judged:
        if one.entry["name"] == declared:
            return one
    raise InputError(f"the declared attack cannot be run. {' '.join(refused)}")


def _scored(name: str, attack: MembershipAttack, read: Observations) -> _Scored:
    begin = time.perf_counter()
    scores = attack(read)
    return _Scored(name, attack, scores, time.perf_counter() - begin)


def _judge(scored: _Scored, *, read: Observations, terms: _Terms) -> _Judged:
    name, attack, scores, seconds = scored
    summary = summarise(scores, read.member, FPRS)
    entry = attack_entry(name, attack, summary, scores, read.member) | {"seconds": seconds}
    entry["tpr_interval_corrected"] = tpr_intervals(summary, terms.correction.confidence(name))
    grown = terms.growth and attack.references
    entry["by_models"] = [*by_models(attack, read), all_models(entry, read)] if grown else []
    views = terms.growth and isinstance(attack, LiRA | RMIA) and terms.queries is not None and terms.queries.count > 1
    entry["by_queries"] = by_queries(attack, read, terms.queries, entry) if views and terms.queries else []
    strength = 0.0 if terms.rate is None else summary.tpr[FPRS.index(terms.rate)].tpr
    thresholds = {rate_key(point.fpr): point.threshold for point in summary.tpr}
    vulnerable = most_vulnerable(name, scores, thresholds["0.01"], read, terms.vulnerability)
    entry["per_record"] = own_rates_at(scores, read.member, thresholds)
    return _Judged(entry, vulnerable, (strength, summary.auc), summary.influences)
