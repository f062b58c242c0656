"""One theft of the extraction benchmark: what it cost, and how far what was stolen is from the victim."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from tables import Prepared

import jaxattack as ja
from jaxattack.attacks.extraction import uniform
from jaxattack.types import Draft, Extraction

Row = dict[str, Any]


def steal(attack: str, oracle: ja.Oracle, seed: int, pool: np.ndarray | None = None) -> tuple[Extraction, Row]:
    """Run an attack by name; what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = ja.attacks.extraction.lookup(attack)(oracle, seed=seed, pool=pool)
    return found, {
        "queries": found.attack_cost.queries,
        "calls": found.attack_cost.calls,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "complete": found.complete,
    }


def compared(found: Extraction | Draft, twin: ja.Oracle, test: np.ndarray, seed: int, inputs: int = 10_000) -> Row:
    """R_test, R_unif and total variation; the twin is the same victim, uncounted."""
    random = uniform(twin.access.inputs, inputs, np.random.default_rng([seed, 1]))
    on_test, on_random = (ja.metrics.fidelity(twin(x), found.answer(x)) for x in (test, random))
    return {
        "R_test": on_test.disagreement,
        "R_unif": on_random.disagreement,
        "variation": max(on_test.variation_max or 0, on_random.variation_max or 0),
    }


def box(x: np.ndarray) -> ja.Inputs:
    """What a service trained on prepared records documents: every feature from -1 or 0 to 1."""
    low = np.where(x.min(axis=0) < 0, -1.0, 0.0)
    return ja.Inputs(low=low, high=np.ones(x.shape[1]), categories=np.zeros(x.shape[1], int))


def fitted(estimator: Any, train: Prepared, **terms: Any) -> Callable[[], ja.Oracle]:
    """Makes oracles over one fitted estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(train.x, train.y)
    return lambda: ja.oracle.from_estimator(estimator, inputs=box(train.x), **terms)
