"""An audit record by record: whose false-positive rate the pooled one is, and which records are exposed at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import false_discovery_control

from jaxattack.metrics import (
    calibrated,
    exposure_p_values,
    influences,
    model_clusters,
    own_rates,
    roc_curve,
    stability,
    thin,
)
from jaxattack.types import Observations

DISCOVERY = 0.05  # of the records said to be exposed, the share that chance may account for
CURVE = 400
WORST = 24


def own_rates_at(
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    thresholds: Mapping[str, float],
) -> dict[str, Any]:
    """How an attack's false positives at the pooled thresholds spread over the records, by the rates' names."""
    return {rate: dataclasses.asdict(own_rates(scores, member, threshold)) for rate, threshold in thresholds.items()}


def calibration(
    phi: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], fprs: Mapping[str, float]
) -> dict[str, Any]:
    """What a threshold of each record's own on phi finds.

    Phi and not an attack's scores: those of one record under several targets are tied to one another by their references,
    so that a rank among them is not uniform where nothing leaks.

    Args:
        phi: of the record itself.
        member: the truth.
        fprs: by their names.

    Returns:
        The part ``calibration`` of the findings.
    """
    clusters = model_clusters(member)
    own = calibrated(phi, member, clusters)
    curve = roc_curve(own.ravel(), member.ravel())
    *tprs, area = influences(own, member, curve, tuple(fprs.values()), clusters).estimates()
    finest = float(-own.max())  # what the record with the most non-member models resolves
    drawn = thin(curve, CURVE)
    resolved = {name: estimate for (name, fpr), estimate in zip(fprs.items(), tprs, strict=True) if fpr >= finest}
    return {
        "tpr": {name: resolved[name].value if name in resolved else None for name in fprs},
        "tpr_interval": {name: list(resolved[name].interval()) if name in resolved else None for name in fprs},
        "auc": area.value,
        "auc_interval": list(area.interval()),
        "roc": {
            "false_positives": drawn.fp.tolist(),
            "true_positives": drawn.tp.tolist(),
            "negatives": drawn.negatives,
            "positives": drawn.positives,
        },
    }


def exposed(
    phi: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"]
) -> Bool[np.ndarray, "record"]:
    """The records that phi gives away beyond chance, at most 5% of them wrongly so (Benjamini and Hochberg 1995)."""
    p_values = exposure_p_values(phi, member, model_clusters(member))
    return false_discovery_control(p_values) <= DISCOVERY


def most_vulnerable(
    name: str,
    scores: Float[np.ndarray, "target record"],
    threshold: float,
    observations: Observations,
    vulnerability: Float[np.ndarray, "record"],
) -> dict[str, Any]:
    """The most vulnerable records, and how often an attack calls them members at a threshold."""
    records = []
    for record in np.argsort(-np.nan_to_num(vulnerability, nan=-1.0), kind="stable")[:WORST]:
        label = int(observations.label[record])
        called, member = scores[:, record] >= threshold, observations.member[:, record]
        records.append(
            {
                "record": int(record),
                "label": observations.names[label] if observations.names else label,
                "vulnerability": _number(float(vulnerability[record])),
                "detected": float(called[member].mean()) if member.any() else None,
                "falsely": float(called[~member].mean()) if not member.all() else None,
            }
        )
    return {"attack": name, "records": records}


def vulnerability_of_all(
    shown: Float[np.ndarray, "model record"],
    member: Bool[np.ndarray, "model record"],
    vulnerability: Float[np.ndarray, "record"],
    beyond: Bool[np.ndarray, "record"],
) -> dict[str, Any]:
    """All records by how surely what is shown gives them away, and whether two halves of the models agree on which."""
    count, edges = np.histogram(vulnerability[np.isfinite(vulnerability)], bins=40, range=(0.0, 1.0))
    return {
        "edges": edges.tolist(),
        "count": count.tolist(),
        "stability": _number(stability(shown, member)),
        "beyond_chance": int(beyond.sum()),
    }


def numbered(
    vulnerable: Mapping[str, Any], records: Int[np.ndarray, "scored"], beyond: Bool[np.ndarray, "scored"]
) -> dict[str, Any]:
    """The most vulnerable of the records that were scored, by their numbers in the data, and which are so beyond chance."""
    told = [
        {**one, "record": int(records[one["record"]]), "beyond_chance": bool(beyond[one["record"]])}
        for one in vulnerable["records"]
    ]
    return {**vulnerable, "records": told}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
