"""Audits that were never trained: observations of the same records under models that leak more or less, and their run folders."""

from __future__ import annotations

import numpy as np

from jaxattack.attacks.membership import lookup
from jaxattack.data.designs import Halves
from jaxattack.store import Cost, RunFolder
from jaxattack.types import Observations

ATTACKS = tuple(lookup(name) for name in ("lira-online", "loss", "gap"))
RECORDS = 240
LABEL = np.random.default_rng(9).integers(0, 3, RECORDS)


def observed(leak: float, seed: int, models: int = 8, members: int = 0) -> Observations:
    """Signals of models that remember their members by so much, of records that are as hard in every audit."""
    random = np.random.default_rng(seed)
    hardness = np.random.default_rng(7).normal(size=(1, RECORDS, 1))
    member = Halves()(models, RECORDS, members)
    phi = (random.normal(size=(models, RECORDS, 1)) + hardness + leak * member[:, :, None]).astype(np.float32)
    return Observations(signals={"phi": phi, "correct": (phi > -1).astype(np.float32)}, member=member, label=LABEL)


PLAIN, DEFENDED, OTHER_MODELS = observed(1.5, 0), observed(0.7, 1), observed(0.7, 1, members=5)


def write_run(path, observations, **identity):
    """A run folder that was never trained."""
    described = {
        "data": {"name": "digits", "records": RECORDS, "sha256": "ab"},
        "victim": {"model": "mlp:8"},
        "recipe": {"epochs": 2, "crop": 0, "flip": False},
        "queries": 1,
        "seed": 0,
        "signals": [*observations.signals],
    } | identity
    run = RunFolder.open(path, described, observations.label)
    cost = Cost(gradient_steps=80, compile=1.0, train=2.0, observe=0.5, device="1 x cpu")
    run.write(np.arange(observations.models), observations.member, observations.signals, cost=cost)
    return path
