"""A privacy audit of every step of DP-SGD, by canaries that are gradients (`jaxattack.training.gradient_canaries`).

At sampling rate 1, a batch of at least all records and canaries, scores are normal and independent, and `gaussian` is declared
beforehand: it comes within a few per cent of the truth. At lower rates they are a mixture, and bounds of one run are left.

Nothing is kept of the models: a run that is stopped begins anew.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import get_args

import numpy as np

from jaxattack.audit import accountant
from jaxattack.audit.environment import device
from jaxattack.audit.epsilon import EpsilonAudit, epsilon
from jaxattack.audit.private import CanarySweep, bound_from_above
from jaxattack.audit.subject import Subject, architecture, choose_records
from jaxattack.audit.sweep import Findings
from jaxattack.data import load
from jaxattack.training import Recipe, draw_directions, learners, score_gradient_canaries
from jaxattack.training.gradient_canaries import Directions
from jaxattack.types import Dataset, InputError

DIRECTIONS: tuple[Directions, ...] = get_args(Directions)


def audit_gradients(
    *,
    victim: Subject = Subject(),
    recipe: Recipe = Recipe(),
    private: learners.DPSGD = learners.DPSGD(),
    sweep: CanarySweep = CanarySweep(kind="dirac"),
    audit: EpsilonAudit = EpsilonAudit(),
    dataset: Dataset | None = None,
) -> Findings:
    """Train private models with gradient canaries, and bound epsilon from both sides.

    Args:
        victim: what every model is, and the records, which are all in every model.
        recipe: how every model is trained.
        private: the clip and the noise.
        sweep: how many models and canaries; kind is dirac or random.
        audit: what is claimed.
        dataset: the records, where they are not to be loaded by name.

    Raises:
        InputError: bad input, canaries that are records, more of them than parameters, or no accountant.
    """
    begin = time.perf_counter()
    kind = sweep.kind
    if kind not in DIRECTIONS:
        raise InputError(f"kind is {kind}: give {' or '.join(DIRECTIONS)} for canaries that are gradients.")
    if private.noise:
        accountant.require_accountant()
    whole = dataset if dataset is not None else load(victim.data)
    records = choose_records(whole, victim.records, sweep.seed)
    model = architecture(victim, records)
    directions = draw_directions(model, sweep.canaries, kind, sweep.seed)
    member = np.random.default_rng(sweep.seed).random((sweep.models, sweep.canaries)) < 0.5
    learner = learners.Standard(recipe=recipe, gradient=private)
    scores = score_gradient_canaries(model, learner, records, directions, member, seed=sweep.seed)
    trained = time.perf_counter()
    slots = len(records) + sweep.canaries
    above = bound_from_above(slots, recipe, private, audit.delta)
    normal = above.rate == 1
    claim = replace(
        audit,
        coins_independent=True,
        losses_independent=normal,
        declare=audit.declare or ("gaussian" if normal else None),
    )
    name = f"{records.name} with {sweep.canaries} gradient canaries · {victim.model} · noise {private.noise:g} · {sweep.models} models"
    values = epsilon(scores, member, audit=claim, name=name)
    ended = time.perf_counter()
    return Findings(
        values
        | {
            "upper": [*above.uppers, *(values["upper"] or [])],
            "training": {
                "private": {"noise": private.noise, "clip": private.clip, "rate": above.rate, "steps": above.steps},
                "kind": f"gradients ({kind})",
                "background": len(records),
                "accuracy": None,
                "preflight": None,
            },
            "cost": values["cost"]
            | {
                "seconds": {"train": trained - begin, "bounds": ended - trained, "total": ended - begin},
                "device": device(),
            },
            "config": {**asdict(victim), "recipe": asdict(recipe), **asdict(private), **asdict(sweep), **asdict(claim)},
        },
        {},
    )
