"""Observations and attacks to findings: plain values that say how much each attack gets, ready for JSON.

`jaxattack.report` documents the keys.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership import RMIA, LiRA
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.audit.claim import BASELINE, Correction, claimed_rate, comparison
from jaxattack.audit.curves import FPRS, by_models, by_queries, rate_key
from jaxattack.audit.learning import doubts, fit_of_models
from jaxattack.audit.per_record import (
    calibration,
    exposed,
    most_vulnerable,
    numbered,
    own_rates_at,
    vulnerability_of_all,
)
from jaxattack.audit.scorable import scorable
from jaxattack.metrics import Band, Spread, Summary, summarise, thin, vulnerability
from jaxattack.metrics.uncertainty import CONFIDENCE, Influences
from jaxattack.signals import lookup
from jaxattack.training import Queries
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

CURVE = 400
AT_ONCE = min(4, os.cpu_count() or 1)


def evaluate(
    observations: Observations,
    attacks: Mapping[str, MembershipAttack],
    *,
    growth: bool = True,
    declare: str | None = None,
    queries: Queries | None = None,
    unread: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run attacks with every model as the target, and sum up what each gets.

    What cannot be scored is left out and told, as `jaxattack.audit.scorable` says: all figures are of the same records.

    Args:
        observations: at least four models.
        attacks: each under the name it is reported by.
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
    chosen = scorable(observations.member, attacks, unread)
    everything = len(chosen.records) == observations.records
    member = observations.member[:, chosen.records]
    # Where labels alone are answered there is no phi: what is right gives records away too.
    evidence = "phi" if "phi" in observations.signals else "correct"
    shown = observations.signal(evidence)[:, chosen.records, 0]  # copied: a view would keep all queries in memory
    vulnerable = vulnerability(shown, member)
    correction = Correction(attacks=tuple(chosen.attacks), declared=declare)
    rate = claimed_rate(int((~member).sum()), FPRS)
    judged: list[_Judged] = []
    refused: list[str] = []
    # Attacks that read the same signals follow one another, so that each signal is read from the disk once.
    by_signals = sorted(chosen.attacks.items(), key=lambda item: item[1].signals)
    for names, group in groupby(by_signals, key=lambda item: item[1].signals):
        read = dataclasses.replace(observations, signals={name: observations.of(lookup(name)) for name in names})
        read = read if everything else read.take_records(chosen.records)
        scored = []
        for label, attack in group:
            try:
                scored.append(_scored(label, attack, read))
            except TooFewReferences as error:
                refused.append(f"{label} is left out: {error}")
        judge = partial(
            _judge, read=read, exposed=vulnerable, growth=growth, queries=queries, correction=correction, rate=rate
        )
        # Sorting many scores keeps one core busy: several attacks are summed up at once, after the timed scoring.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for one in pool.map(judge, scored):
                judged = _with_influences(judged, one, declare)
                if progress:
                    progress("attacks", len(judged), len(chosen.attacks))
    if not judged:
        raise InputError(f"no attack can be run. {' '.join(refused)}")
    judged.sort(key=lambda one: one.strength, reverse=True)
    if declare and declare not in [one.entry["name"] for one in judged]:
        raise InputError(f"the declared attack cannot be run. {' '.join(refused)}")
    claimed = next((one for one in judged if one.entry["name"] == declare), judged[0])
    beyond = exposed(shown, member)
    models = fit_of_models(observations, chosen.records)
    notes = doubts(models, observations.label[chosen.records], observations.records - models["members"])
    return {
        "attacks": [one.entry for one in judged],
        "claim": {
            "attack": claimed.entry["name"],
            "rate": None if rate is None else rate_key(rate),
            "choices": correction.choices(claimed.entry["name"]),
            "declared": declare is not None,
        },
        "comparison": _comparison(claimed, judged, correction),
        "calibration": calibration(shown, member, {rate_key(fpr): fpr for fpr in FPRS}),
        "models": models,
        "vulnerable": numbered(claimed.vulnerable, chosen.records, beyond),
        "vulnerability": vulnerability_of_all(shown, member, vulnerable, beyond),
        "notes": [*observations.notes, *chosen.notes, *refused, *notes],
    }


class _Scored(NamedTuple):
    """An attack's scores, and the seconds they took."""

    label: str
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


def _scored(label: str, attack: MembershipAttack, read: Observations) -> _Scored:
    begin = time.perf_counter()
    scores = attack(read)
    return _Scored(label, attack, scores, time.perf_counter() - begin)


def _judge(
    scored: _Scored,
    *,
    read: Observations,
    exposed: Float[np.ndarray, "record"],
    growth: bool,
    queries: Queries | None,
    correction: Correction,
    rate: float | None,
) -> _Judged:
    label, attack, scores, seconds = scored
    summary = summarise(scores, read.member, FPRS)
    entry = _entry(label, attack, summary, scores, read.member) | {"seconds": seconds}
    confidence = correction.confidence(label)
    entry["tpr_interval_corrected"] = _by_rate(summary, confidence)
    entry["by_models"] = [*by_models(attack, read), _whole(entry, read)] if growth and attack.references else []
    views = growth and queries is not None and queries.count > 1 and isinstance(attack, LiRA | RMIA)
    entry["by_queries"] = by_queries(attack, read, queries, entry) if views and queries else []
    strength = 0.0 if rate is None else summary.tpr[FPRS.index(rate)].tpr
    thresholds = {rate_key(point.fpr): point.threshold for point in summary.tpr}
    vulnerable = most_vulnerable(label, scores, thresholds["0.01"], read, exposed)
    entry["per_record"] = own_rates_at(scores, read.member, thresholds)
    return _Judged(entry, vulnerable, (strength, summary.auc), summary.influences)


def _by_rate(summary: Summary, confidence: float) -> dict[str, list[float]]:
    """The interval of the true-positive rate at each false-positive rate."""
    pairs = zip(summary.tpr, summary.tpr_estimate, strict=True)
    return {rate_key(point.fpr): list(estimate.interval(confidence)) for point, estimate in pairs}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"mean": _number(spread.mean), "sd": _number(spread.sd)}


def _entry(
    name: str,
    attack: MembershipAttack,
    summary: Summary,
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
) -> dict[str, Any]:
    """One attack's part of the findings."""
    roc = thin(summary.roc, CURVE)
    rates = [rate_key(point.fpr) for point in summary.tpr]
    return {
        "name": name,
        "description": _description(attack),
        "references": attack.references,
        "records": scores.shape[1],
        "auc": summary.auc,
        "auc_interval": list(summary.auc_estimate.interval()),
        "balanced_accuracy": summary.balanced_accuracy,
        "advantage": summary.advantage,
        "tpr": {rate: point.tpr for rate, point in zip(rates, summary.tpr, strict=True)},
        "tpr_interval": _by_rate(summary, CONFIDENCE),
        "false_positives": {rate: point.false_positives for rate, point in zip(rates, summary.tpr, strict=True)},
        "resolvable": {rate: point.resolvable for rate, point in zip(rates, summary.tpr, strict=True)},
        "tied": summary.tied,
        "per_target": {
            "auc": _spread(summary.target_auc),
            "balanced_accuracy": _spread(summary.target_balanced_accuracy),
            "tpr": {rate: _spread(spread) for rate, spread in zip(rates, summary.target_tpr, strict=True)},
        },
        "transferred": {
            rate_key(transfer.nominal): {"fpr": _spread(transfer.fpr), "tpr": _spread(transfer.tpr)}
            for transfer in summary.transferred
        },
        "ppv": {
            rate_key(prior): {rate_key(fpr): _number(by_prior[prior]) for fpr, by_prior in summary.ppv.items()}
            for prior in next(iter(summary.ppv.values()))
        },
        "roc": {
            "false_positives": roc.fp.tolist(),
            "true_positives": roc.tp.tolist(),
            "negatives": roc.negatives,
            "positives": roc.positives,
        },
        "band": _band(summary.band),
        "histogram": _histogram(scores, member),
    }


def _band(band: Band) -> dict[str, list[float]]:
    low, high = zip(*(estimate.interval() for estimate in band.tpr), strict=True) if band.tpr else ((), ())
    return {"fpr": band.fpr.tolist(), "low": list(low), "high": list(high)}


def _description(attack: MembershipAttack) -> str:
    """What the attack is, and its fields."""
    what = (type(attack).__doc__ or "").strip().splitlines()[0]
    fields = [f"{field.name} {getattr(attack, field.name)}" for field in dataclasses.fields(cast(Any, attack))]
    return f"{what} ({', '.join(fields)})" if fields else what


def _histogram(
    scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]
) -> dict[str, list[float]]:
    """Counts of members' and non-members' scores; the outermost thousandths are drawn in the first and last bin."""
    low, high = np.quantile(scores, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1.0, 61)
    clipped = scores.clip(edges[0], edges[-1])
    return {
        "edges": edges.tolist(),
        "member": np.histogram(clipped[member], edges)[0].tolist(),
        "non_member": np.histogram(clipped[~member], edges)[0].tolist(),
    }


def _whole(entry: Mapping[str, Any], observations: Observations) -> dict[str, Any]:
    """The point of all models, as in `by_models`."""
    count = observations.models
    return {"models": count, "targets": count} | {key: entry[key] for key in ("auc", "tpr", "tpr_interval")}
