"""The claimed attack record by record: whose false-positive rate the pooled one is, and which records are exposed at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import false_discovery_control

from jaxattack.metrics import (
    calibrated,
    exposure_p_values,
    influences,
    model_clusters,
    own_rates,
    roc_curve,
    thin,
)

DISCOVERY = 0.05  # of the records said to be exposed, the share that chance may account for
CURVE = 400


def calibration(
    name: str,
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    thresholds: Mapping[str, float],
) -> dict[str, Any]:
    """An attack with one threshold for all records, and with a threshold a record.

    Args:
        name: of the attack.
        scores: higher means "more likely a member".
        member: the truth for each target.
        thresholds: the pooled one at each false-positive rate, by the rate's name.

    Returns:
        The part ``calibration`` of the findings.
    """
    clusters = model_clusters(member)
    own = calibrated(scores, member, clusters)
    curve = roc_curve(own.ravel(), member.ravel())
    fprs = [float(rate) for rate in thresholds]
    *tprs, area = influences(own, member, curve, fprs, clusters).estimates()
    finest = float(-own.max())  # what the record with the most non-member targets resolves
    rates = {}
    for (rate, threshold), estimate in zip(thresholds.items(), tprs, strict=True):
        resolved = float(rate) >= finest
        rates[rate] = dataclasses.asdict(own_rates(scores, member, threshold)) | {
            "tpr": estimate.value if resolved else None,
            "tpr_interval": list(estimate.interval()) if resolved else None,
        }
    drawn = thin(curve, CURVE)
    return {
        "attack": name,
        "rates": rates,
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
