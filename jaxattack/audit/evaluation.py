"""Observations and attacks to findings: plain values that say how much each attack gets, ready for JSON.

`jaxattack.report` documents the keys.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from itertools import groupby
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.metrics import Spread, Summary, auc, roc_curve, stability, summarise, thin, tpr_at_fpr, vulnerability
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

FPRS = (0.1, 0.01, 0.001, 0.0001, 0.00001)
CURVE = 400
WORST = 24


def evaluate(
    observations: Observations, attacks: Mapping[str, MembershipAttack], *, progress: Progress | None = None
) -> dict[str, Any]:
    """Run attacks with every model as the target, and sum up what each gets.

    Args:
        observations: at least four models.
        attacks: each under the name it is reported by.
        progress: called after each attack.

    Returns:
        The parts ``attacks`` (strongest first), ``models``, ``vulnerable`` and ``vulnerability`` of the findings.

    Raises:
        InputError: no attacks, or one that cannot score these observations.
    """
    if not attacks:
        raise InputError("no attack is named: give at least one.")
    found: list[tuple[dict[str, Any], Summary]] = []
    best: tuple[Any, Float[np.ndarray, "target record"], Summary] | None = None
    # Attacks that read the same signals follow one another, so that each signal is read from the disk once.
    by_signals = sorted(attacks.items(), key=lambda item: item[1].signals)
    for names, group in groupby(by_signals, key=lambda item: item[1].signals):
        read = dataclasses.replace(observations, signals={name: observations.signal(name) for name in names})
        for label, attack in group:
            begin = time.perf_counter()
            scores = attack(read)
            seconds = time.perf_counter() - begin
            summary = summarise(scores, read.member, FPRS)
            entry = _entry(label, attack, summary, scores, read.member) | {
                "seconds": seconds,
            }
            entry["by_models"] = _by_models(attack, read, entry) if attack.references else []
            found.append((entry, summary))
            if best is None or _strength(entry) > _strength(best[0]):
                best = (entry, scores, summary)
            if progress:
                progress("attacks", len(found), len(attacks))
    assert best is not None
    return {
        "attacks": [entry for entry, _ in sorted(found, key=lambda pair: _strength(pair[0]), reverse=True)],
        "models": _models(observations),
        "vulnerable": _vulnerable(*best, observations),
        "vulnerability": _vulnerability(observations),
    }


def _strength(entry: Mapping[str, Any]) -> tuple[float, float]:
    return entry["tpr"]["0.001"], entry["auc"]


def _key(rate: float) -> str:
    return np.format_float_positional(rate)


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
    rates = [_key(point.fpr) for point in summary.tpr]
    return {
        "name": name,
        "description": _description(attack),
        "references": attack.references,
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
        "transferred": {
            _key(transfer.nominal): {"fpr": _spread(transfer.fpr), "tpr": _spread(transfer.tpr)}
            for transfer in summary.transferred
        },
        "ppv": {
            _key(prior): {_key(fpr): _number(by_prior[prior]) for fpr, by_prior in summary.ppv.items()}
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


def _vulnerability(observations: Observations) -> dict[str, Any]:
    """All records by how surely phi gives them away, and whether two halves of the models agree on which."""
    signal, member = observations.signal("phi")[:, :, 0], observations.member
    each = vulnerability(signal, member)
    count, edges = np.histogram(each[np.isfinite(each)], bins=40, range=(0.0, 1.0))
    return {"edges": edges.tolist(), "count": count.tolist(), "stability": _number(stability(signal, member))}


def _by_models(attack: MembershipAttack, observations: Observations, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same attack among the first 4, 8, 16, ... models, and all: what more reference models buy."""
    points = []
    for size in (2**power for power in range(2, 24) if 2**power < observations.models):
        some = observations.take(slice(size))
        try:
            curve = roc_curve(attack(some).ravel(), some.member.ravel())
        except InputError:
            continue  # few models of an unbalanced design may leave a record without a reference
        tpr = {_key(fpr): tpr_at_fpr(curve, fpr).tpr for fpr in FPRS}
        points.append({"models": size, "auc": auc(curve), "tpr": tpr})
    return [*points, {"models": observations.models, "auc": entry["auc"], "tpr": entry["tpr"]}]


def _models(observations: Observations) -> dict[str, Any]:
    """How many models there are, and how well they fit and generalise."""
    member = observations.member
    counts = member.sum(axis=1)
    accuracies: dict[str, Any] = {"train_accuracy": None, "test_accuracy": None}
    if "correct" in observations.signals:
        right = observations.signal("correct")[:, :, 0]
        for name, rows in (("train_accuracy", member), ("test_accuracy", ~member)):
            if rows.any(axis=1).all():
                each = (right * rows).sum(axis=1) / rows.sum(axis=1)
                accuracies[name] = {"mean": float(each.mean()), "sd": float(each.std(ddof=1))}
    return {
        "count": observations.models,
        "records": observations.records,
        "classes": int(observations.label.max()) + 1,
        "members": float(counts.mean()),
        **accuracies,
    }


def _vulnerable(
    entry: Mapping[str, Any], scores: Float[np.ndarray, "target record"], summary: Summary, observations: Observations
) -> dict[str, Any]:
    """The most vulnerable records, and how often the strongest attack calls them members at 1% false positives."""
    threshold = summary.tpr[FPRS.index(0.01)].threshold
    each = vulnerability(observations.signal("phi")[:, :, 0], observations.member)
    records = []
    for record in np.argsort(-np.nan_to_num(each, nan=-1.0), kind="stable")[:WORST]:
        called, member = scores[:, record] >= threshold, observations.member[:, record]
        records.append(
            {
                "record": int(record),
                "label": int(observations.label[record]),
                "vulnerability": _number(float(each[record])),
                "detected": float(called[member].mean()) if member.any() else None,
                "falsely": float(called[~member].mean()) if not member.all() else None,
            }
        )
    return {"attack": entry["name"], "records": records}
