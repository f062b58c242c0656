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
from jaxtyping import Bool, Float, Int

from jaxattack.audit.curves import FPRS, by_models, rate_key
from jaxattack.audit.scorable import scorable
from jaxattack.metrics import Grouped, Spread, Summary, group_tpr, stability, summarise, thin, vulnerability
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

CURVE = 400
WORST = 24
AT_ONCE = min(4, os.cpu_count() or 1)


def evaluate(
    observations: Observations,
    attacks: Mapping[str, MembershipAttack],
    *,
    growth: bool = True,
    unread: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run attacks with every model as the target, and sum up what each gets.

    What cannot be scored is left out and told, as `jaxattack.audit.scorable` says: all figures are of the same records.

    Args:
        observations: at least four models.
        attacks: each under the name it is reported by.
        growth: whether each attack with references is also run among fewer models; ``by_models`` stays empty otherwise.
        unread: records whose signals are NaN or infinite somewhere; none by default.
        progress: called after each attack.

    Returns:
        The parts ``attacks`` (strongest first), ``models``, ``vulnerable``, ``vulnerability`` and ``notes`` of the
        findings.

    Raises:
        InputError: no attacks, or none that can score these observations.
    """
    if not attacks:
        raise InputError("no attack is named: give at least one.")
    chosen = scorable(observations.member, attacks, unread)
    everything = len(chosen.records) == observations.records
    member = observations.member[:, chosen.records]
    phi = observations.signal("phi")[:, chosen.records, 0]  # copied: a view would keep all queries in memory
    exposed = vulnerability(phi, member)
    judged: list[_Judged] = []
    # Attacks that read the same signals follow one another, so that each signal is read from the disk once.
    by_signals = sorted(chosen.attacks.items(), key=lambda item: item[1].signals)
    for names, group in groupby(by_signals, key=lambda item: item[1].signals):
        read = dataclasses.replace(observations, signals={name: observations.signal(name) for name in names})
        read = read if everything else read.take_records(chosen.records)
        scored = [_scored(label, attack, read) for label, attack in group]
        judge = partial(_judge, read=read, exposed=exposed, growth=growth)
        # Sorting many scores keeps one core busy: several attacks are summed up at once, after the timed scoring.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for one in pool.map(judge, scored):
                judged.append(one)
                if progress:
                    progress("attacks", len(judged), len(chosen.attacks))
    judged.sort(key=lambda one: _strength(one.entry), reverse=True)
    return {
        "attacks": [one.entry for one in judged],
        "models": _models(observations, chosen.records),
        "vulnerable": _numbered(judged[0].vulnerable, chosen.records),
        "vulnerability": _vulnerability(phi, member, exposed),
        "notes": [*observations.notes, *chosen.notes],
    }


class _Scored(NamedTuple):
    """An attack's scores, and the seconds they took."""

    label: str
    attack: MembershipAttack
    scores: Float[np.ndarray, "target record"]
    seconds: float


class _Judged(NamedTuple):
    """An attack's entry in the findings, and what it finds of the most vulnerable records."""

    entry: dict[str, Any]
    vulnerable: dict[str, Any]


def _scored(label: str, attack: MembershipAttack, read: Observations) -> _Scored:
    begin = time.perf_counter()
    scores = attack(read)
    return _Scored(label, attack, scores, time.perf_counter() - begin)


def _judge(scored: _Scored, *, read: Observations, exposed: Float[np.ndarray, "record"], growth: bool) -> _Judged:
    label, attack, scores, seconds = scored
    summary = summarise(scores, read.member, FPRS)
    entry = _entry(label, attack, summary, scores, read.member) | {"seconds": seconds}
    entry["by_models"] = [*by_models(attack, read), _whole(entry, read)] if growth and attack.references else []
    return _Judged(entry, _vulnerable(label, scores, summary, read, exposed))


def _strength(entry: Mapping[str, Any]) -> tuple[float, float]:
    return entry["tpr"]["0.001"], entry["auc"]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"mean": _number(spread.mean), "sd": _number(spread.sd)}


def _grouped(found: Grouped | None) -> dict[str, Any] | None:
    return None if found is None else {"targets": found.targets, "groups": found.groups, **_spread(found.tpr)}


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
        "balanced_accuracy": summary.balanced_accuracy,
        "advantage": summary.advantage,
        "tpr": {rate: point.tpr for rate, point in zip(rates, summary.tpr, strict=True)},
        "tpr_interval": {rate: [point.low, point.high] for rate, point in zip(rates, summary.tpr, strict=True)},
        "false_positives": {rate: point.false_positives for rate, point in zip(rates, summary.tpr, strict=True)},
        "resolvable": {rate: point.resolvable for rate, point in zip(rates, summary.tpr, strict=True)},
        "tied": summary.tied,
        "per_target": {
            "auc": _spread(summary.target_auc),
            "balanced_accuracy": _spread(summary.target_balanced_accuracy),
            "tpr": {rate: _spread(spread) for rate, spread in zip(rates, summary.target_tpr, strict=True)},
        },
        "per_group": {rate_key(fpr): _grouped(group_tpr(scores, member, fpr)) for fpr in FPRS},
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
        "histogram": _histogram(scores, member),
    }


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


def _vulnerability(
    phi: Float[np.ndarray, "model record"],
    member: Bool[np.ndarray, "model record"],
    exposed: Float[np.ndarray, "record"],
) -> dict[str, Any]:
    """All records by how surely phi gives them away, and whether two halves of the models agree on which."""
    count, edges = np.histogram(exposed[np.isfinite(exposed)], bins=40, range=(0.0, 1.0))
    return {"edges": edges.tolist(), "count": count.tolist(), "stability": _number(stability(phi, member))}


def _whole(entry: Mapping[str, Any], observations: Observations) -> dict[str, Any]:
    """The point of all models, as in `by_models`."""
    count = observations.models
    return {"models": count, "targets": count} | {key: entry[key] for key in ("auc", "tpr", "tpr_interval")}


def _numbered(vulnerable: Mapping[str, Any], records: Int[np.ndarray, "scored"]) -> dict[str, Any]:
    """The most vulnerable of the records that were scored, by their numbers in the data."""
    return {**vulnerable, "records": [{**one, "record": int(records[one["record"]])} for one in vulnerable["records"]]}


def _models(observations: Observations, scored: Int[np.ndarray, "scored"]) -> dict[str, Any]:
    """How many models there are, and how well they fit and generalise on the records that were scored."""
    member = observations.member[:, scored]
    counts = observations.member.sum(axis=1)
    accuracies: dict[str, Any] = {"train_accuracy": None, "test_accuracy": None}
    if "correct" in observations.signals:
        right = observations.signal("correct")[:, scored, 0]
        for name, rows in (("train_accuracy", member), ("test_accuracy", ~member)):
            if rows.any(axis=1).all():
                each = (right * rows).sum(axis=1) / rows.sum(axis=1)
                accuracies[name] = {"mean": float(each.mean()), "sd": float(each.std(ddof=1))}
    return {
        "count": observations.models,
        "records": observations.records,
        "scored": len(scored),
        "classes": int(observations.label.max()) + 1,
        "members": float(counts.mean()),
        **accuracies,
    }


def _vulnerable(
    name: str,
    scores: Float[np.ndarray, "target record"],
    summary: Summary,
    observations: Observations,
    exposed: Float[np.ndarray, "record"],
) -> dict[str, Any]:
    """The most vulnerable records, and how often an attack calls them members at 1% false positives."""
    threshold = summary.tpr[FPRS.index(0.01)].threshold
    records = []
    for record in np.argsort(-np.nan_to_num(exposed, nan=-1.0), kind="stable")[:WORST]:
        called, member = scores[:, record] >= threshold, observations.member[:, record]
        records.append(
            {
                "record": int(record),
                "label": int(observations.label[record]),
                "vulnerability": _number(float(exposed[record])),
                "detected": float(called[member].mean()) if member.any() else None,
                "falsely": float(called[~member].mean()) if not member.all() else None,
            }
        )
    return {"attack": name, "records": records}
