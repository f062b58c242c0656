"""Findings of an audit that never was: scores drawn at random, summed up as the real ones are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from jaxattack.attacks.membership import REGISTRY
from jaxattack.metrics import auc, balanced_accuracy, influences, roc_curve, thin, tpr_at_fpr

RATES = ("0.1", "0.01", "0.001", "0.0001", "0.00001")
SHIFTS = {"lira-online": 3.0, "lira-offline": 2.0, "rmia-online": 2.5, "attack-r": 1.0, "loss": 0.2, "gap": 0.1}


def _spread(random: np.random.Generator) -> dict[str, float]:
    return {"mean": random.random(), "sd": random.random() / 10}


def _attack(name: str, shift: float, member: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    exposed = random.random(member.shape[1]) < 0.1
    scores = random.normal(size=member.shape) + shift * (member & exposed)
    if name == "gap":
        scores = (scores > 0).astype(float)
    roc = roc_curve(scores.ravel(), member.ravel())
    points = {rate: tpr_at_fpr(roc, float(rate)) for rate in RATES}
    band = np.geomspace(1 / roc.negatives, 0.9, 12)
    estimates = influences(scores, member, roc, (*map(float, RATES), *band)).estimates()
    intervals = [list(estimate.interval()) for estimate in estimates]
    drawn, edges = thin(roc, 400), np.linspace(-5, 8, 41)
    sizes = [2**power for power in range(2, 24) if 2**power <= len(member)]
    return {
        "name": name,
        "family": REGISTRY[name].family if name in REGISTRY else name,
        "description": f"The attack {name}.",
        "references": name not in ("loss", "gap"),
        "auc": auc(roc),
        "auc_interval": list(estimates[-1].interval()),
        "balanced_accuracy": balanced_accuracy(roc),
        "advantage": 2 * balanced_accuracy(roc) - 1,
        "tpr": {rate: point.tpr for rate, point in points.items()},
        "tpr_interval": dict(zip(RATES, intervals, strict=False)),
        "tpr_interval_corrected": dict(zip(RATES, ([low / 2, high] for low, high in intervals), strict=False)),
        "band": {
            "fpr": band.tolist(),
            "low": [low for low, _ in intervals[5:-1]],
            "high": [high for _, high in intervals[5:-1]],
        },
        "false_positives": {rate: point.false_positives for rate, point in points.items()},
        "resolvable": {rate: point.resolvable for rate, point in points.items()},
        "tied": 0.0,
        "per_target": {
            "auc": _spread(random),
            "balanced_accuracy": _spread(random),
            "tpr": {rate: _spread(random) for rate in RATES},
        },
        "per_record": {rate: {"above": 0.1, "chance": 0.04, "dispersion": 2.1, "p_value": 1e-9} for rate in RATES},
        "transferred": {rate: {"fpr": _spread(random), "tpr": _spread(random)} for rate in RATES},
        "ppv": {prior: {rate: random.random() for rate in RATES} for prior in ("0.01", "0.1", "0.5")},
        "roc": {
            "false_positives": drawn.fp.tolist(),
            "true_positives": drawn.tp.tolist(),
            "negatives": drawn.negatives,
            "positives": drawn.positives,
        },
        "histogram": {
            "edges": edges.tolist(),
            "member": np.histogram(scores[member], edges)[0].tolist(),
            "non_member": np.histogram(scores[~member], edges)[0].tolist(),
        },
        "by_models": [
            {"models": size, "auc": 0.6, "tpr": {rate: random.random() / 10 for rate in RATES}} for size in sizes
        ]
        if name not in ("loss", "gap")
        else [],
        "seconds": random.random(),
    }


def invented(
    models: int = 64, records: int = 400, shifts: Mapping[str, float] = SHIFTS, seed: int = 0
) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    member = random.random((models, records)) < 0.5
    attacks = [_attack(name, shift, member, random) for name, shift in shifts.items()]
    resolved = [rate for rate in RATES if int(float(rate) * attacks[0]["roc"]["negatives"]) >= 10]
    quoted = "0.001" if "0.001" in resolved else min(resolved, key=float, default=None)
    attacks.sort(key=lambda attack: (attack["tpr"][quoted] if quoted else 0, attack["auc"]), reverse=True)
    told = {"difference": 0.02, "interval": [0.01, 0.03], "better": True}
    compared = {"attack": attacks[0]["name"], "baseline": "loss", "tpr": dict.fromkeys(RATES, told), "auc": told}
    vulnerability = np.sort(random.beta(5, 4, records))[::-1]
    count, edges = np.histogram(vulnerability, bins=40, range=(0, 1))
    return {
        "format": 1,
        "kind": "membership",
        "title": f"invented · none · {models} models",
        "attacks": attacks,
        "claim": {"attack": attacks[0]["name"], "rate": quoted, "choices": len(attacks), "declared": False},
        "calibration": {
            "tpr": {rate: 0.05 if rate > "0.01" else None for rate in RATES},
            "tpr_interval": {rate: [0.04, 0.06] if rate > "0.01" else None for rate in RATES},
            "auc": 0.61,
            "auc_interval": [0.6, 0.62],
            "roc": attacks[0]["roc"],
        },
        "comparison": compared if "loss" in shifts and attacks[0]["name"] != "loss" else None,
        "models": {
            "count": models,
            "records": records,
            "classes": 10,
            "members": records / 2,
            "train_accuracy": {"mean": 1.0, "sd": 0.0},
            "test_accuracy": {"mean": 0.61, "sd": 0.02},
        },
        "vulnerable": {
            "attack": attacks[0]["name"],
            "records": [
                {
                    "record": i,
                    "label": i % 10,
                    "vulnerability": float(v),
                    "beyond_chance": i < 5,
                    "detected": 0.9,
                    "falsely": 0.02,
                }
                for i, v in enumerate(vulnerability[:24])
            ],
        },
        "vulnerability": {
            "edges": edges.tolist(),
            "count": count.tolist(),
            "stability": random.random(),
            "beyond_chance": 5,
        },
        "cost": {
            "models": models,
            "gradient_steps": 28_800,
            "queries": models * records,
            "seconds": {"compile": 3.2, "train": 61.0, "observe": 0.4, "score": 2.5, "total": 68.0},
            "memory_bytes": 3 << 29,
            "device": "2 x cpu (invented)",
        },
        "config": {"data": {"name": "invented"}, "recipe": {"epochs": 30, "schedule": None}, "attacks": list(shifts)},
        "environment": {"jaxattack": "0.1.0", "python": "3.11"},
    }


@pytest.fixture(scope="session")
def invent() -> Callable[..., dict[str, Any]]:
    return invented
