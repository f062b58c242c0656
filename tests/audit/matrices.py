"""A small matrix: its settings, and its findings by what they are of."""

from __future__ import annotations

from dataclasses import replace

from jaxattack.attacks import extraction, inversion
from jaxattack.attacks.membership import LiRA, Threshold
from jaxattack.audit import Column, MatrixAudit
from jaxattack.audit.findings import values
from jaxattack.audit.matrix import run_matrix
from jaxattack.data import load
from jaxattack.defences import LabelOnly, Noise, Round
from jaxattack.models import Architecture
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard

RECIPE = Recipe(epochs=30, batch=10, learning_rate=0.02)
PLACEMENT = Placement(chunk=4, vmap=1)
ROUND = Column(name="round", defences=(Round(decimals=2),))
NOISE = Column(name="noise", defences=(Noise(scale=0.05),))
LABEL = Column(name="label", defences=(LabelOnly(),))
LONGER = Column(name="longer", learner=Standard(recipe=replace(RECIPE, epochs=60, label_smoothing=0.1)))
LOSS, ONLINE = Threshold(quantity="loss"), LiRA(online=True)


def settings(**changes) -> MatrixAudit:
    return MatrixAudit(
        **{
            "model": Architecture(name="softmax"),
            "dataset": load("synthetic:random-labels?records=60&features=5&classes=3"),
            "columns": (ROUND, NOISE, LABEL, LONGER),
            "attacks": (ONLINE, LOSS),
            "extractions": (extraction.lookup("softmax"), extraction.lookup("uniform-retraining?budget=20&rounds=2")),
            "inversions": (inversion.lookup("numeric?steps=3"), inversion.lookup("mi-face?steps=3&restarts=1")),
            "learner": Standard(recipe=RECIPE),
            "standardise": "none",
            "models": 8,
            "targets": 4,
            "repetitions": 4,
        }
        | changes
    )


def run(folder, **changes):
    return run_matrix(folder, settings(**changes), placement=PLACEMENT).findings


def timeless(findings):
    """All that does not depend on how long things took, or on what was there before."""
    plain = values(findings)
    del plain["cost"]
    for part in (*plain["cells"], *plain["columns"]):
        for name in [name for name in part if "seconds" in name]:
            del part[name]
    return plain


def cells_by_access(findings, defence, attack):
    return {
        (cell.adaptive, cell.repetitions): cell
        for cell in findings.cells
        if (cell.defence, cell.attack) == (defence, attack)
    }
