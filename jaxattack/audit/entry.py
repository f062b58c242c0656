"""One attack's part of the membership findings, from its scores; `jaxattack.report` documents the keys."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.audit.curves import rate_key
from jaxattack.metrics import Band, Spread, Summary, thin
from jaxattack.metrics.uncertainty import CONFIDENCE
from jaxattack.types import MembershipAttack, Observations

CURVE = 400  # points of a curve that are drawn


def tpr_intervals(summary: Summary, confidence: float) -> dict[str, list[float]]:
    """The interval of the true-positive rate at each false-positive rate."""
    pairs = zip(summary.tpr, summary.tpr_estimate, strict=True)
    return {rate_key(point.fpr): list(estimate.interval(confidence)) for point, estimate in pairs}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"mean": _number(spread.mean), "sd": _number(spread.sd)}


def attack_entry(
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
        "tpr_interval": tpr_intervals(summary, CONFIDENCE),
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


def all_models(entry: Mapping[str, Any], observations: Observations) -> dict[str, Any]:
    """The point of all models, as in `by_models`."""
    count = observations.models
    return {"models": count, "targets": count} | {key: entry[key] for key in ("auc", "tpr", "tpr_interval")}
