"""Findings of an audit that never was: scores drawn at random, summed up as the real ones are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from jaxattack.metrics import auc, balanced_accuracy, roc_curve, thin, tpr_at_fpr

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
    drawn, edges = thin(roc, 400), np.linspace(-5, 8, 41)
    sizes = [2**power for power in range(2, 24) if 2**power <= len(member)]
    return {
        "name": name,
        "description": f"The attack {name}.",
        "references": name not in ("loss", "gap"),
        "auc": auc(roc),
        "balanced_accuracy": balanced_accuracy(roc),
        "advantage": 2 * balanced_accuracy(roc) - 1,
        "tpr": {rate: point.tpr for rate, point in points.items()},
        "tpr_interval": {rate: [point.low, point.high] for rate, point in points.items()},
        "false_positives": {rate: point.false_positives for rate, point in points.items()},
        "resolvable": {rate: point.resolvable for rate, point in points.items()},
        "tied": 0.0,
        "per_target": {
            "auc": _spread(random),
            "balanced_accuracy": _spread(random),
            "tpr": {rate: _spread(random) for rate in RATES},
        },
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
    attacks.sort(key=lambda attack: (attack["tpr"]["0.001"], attack["auc"]), reverse=True)
    vulnerability = np.sort(random.beta(5, 4, records))[::-1]
    count, edges = np.histogram(vulnerability, bins=40, range=(0, 1))
    return {
        "format": 1,
        "kind": "membership",
        "title": f"invented · none · {models} models",
        "attacks": attacks,
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
                {"record": i, "label": i % 10, "vulnerability": float(v), "detected": 0.9, "falsely": 0.02}
                for i, v in enumerate(vulnerability[:24])
            ],
        },
        "vulnerability": {"edges": edges.tolist(), "count": count.tolist(), "stability": random.random()},
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
