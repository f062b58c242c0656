"""Findings of an extraction that never was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


def _compared(records: int, agreed: float, accuracy: dict[str, float] | None) -> dict[str, Any]:
    return {
        "records": records,
        "agreement": agreed,
        "interval": [agreed - 0.01, min(agreed + 0.01, 1.0)],
        "total_variation": {"mean": 2e-12, "max": 5e-11},
        "difference": 3e-10,
        "accuracy": accuracy,
    }


@pytest.fixture(scope="session")
def stolen() -> Callable[[], dict[str, Any]]:
    """A linear victim on pictures of 3 x 4, stolen exactly."""

    def make() -> dict[str, Any]:
        random = np.random.default_rng(0)
        weight = random.normal(size=(12, 3))
        return {
            "format": 1,
            "kind": "extraction",
            "title": "softmax on digits · softmax",
            "victim": {
                "name": "softmax on digits", "level": "probability", "classes": 3, "features": 12, "top": 0,
                "decimals": None, "precision": "float64", "transport": "over HTTP on loopback, as .npy",
            },
            "attack": {
                "name": "softmax", "settings": {}, "converged": True, "complete": True, "reason": "", "notes": {"rank": 13},
                "verification": {
                    "trials": 500, "disagreements": 0, "bound": 0.00597,
                    "places": {
                        "boundary": {"trials": 200, "disagreements": 0}, "uniform": {"trials": 300, "disagreements": 0},
                    },
                },
            },
            "fidelity": {
                "held_out": _compared(500, 1.0, {"victim": 0.95, "stolen": 0.95}),
                "uniform": _compared(10_000, 1.0, None),
            },
            "curve": [
                {"queries": 4, "held_out": 0.3, "uniform": 0.4},
                {"queries": 13, "held_out": 1.0, "uniform": 1.0},
            ],
            "parameters": {
                "unknowns": 39, "max": 1.2e-9, "rms": 3e-10,
                "parts": [
                    {"name": "weight", "true": weight.ravel().tolist(), "stolen": weight.ravel().tolist()},
                    {"name": "bias", "true": [0.1, -0.1, 0.0], "stolen": [0.1, -0.1, 0.0]},
                ],
            },
            "weights": {"shape": [3, 4], "true": weight.T.tolist(), "stolen": weight.T.tolist()},
            "errors": {"of": "total variation", "edges": [-12.0, -11.0, -10.0], "count": [40, 7], "exact": 3},
            "tree": None,
            "warnings": ["every score seen has at most 3 decimals."],
            "cost": {
                "queries": 513, "attack": 13, "verification": 500, "comparison": None, "calls": 2, "bytes": 4096, "price": 0.0513, "kept": 0, "unknowns": 39, "memory_bytes": 1 << 28,
                "device": "1 x cpu", "seconds": {"victim": 0.02, "attack": 0.01, "total": 1.5},
            },
            "config": {"victim": "softmax on digits", "seed": 0},
            "environment": {"jax": "0.10.2"},
        }  # fmt: skip

    return make


@pytest.fixture(scope="session")
def recovered(stolen) -> Callable[[], dict[str, Any]]:
    """A tree, stolen without parameters and without held-out records."""

    def make() -> dict[str, Any]:
        nodes = [
            {"x": 0.5, "depth": 0, "parent": None, "words": "age <= 3", "leaf": False},
            {"x": 0.0, "depth": 1, "parent": 0, "words": "yes", "leaf": True},
            {"x": 1.0, "depth": 1, "parent": 0, "words": "no & <never>", "leaf": True},
        ]
        found = stolen()
        found["fidelity"]["held_out"] = None
        for point in found["curve"]:
            point["held_out"] = None
        found |= {"parameters": None, "weights": None, "tree": {"text": "age <= 3\n  yes\nelse no", "nodes": nodes}}
        return found

    return make
