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
from jaxattack.audit.epsilon import epsilon
from jaxattack.audit.epsilon_methods import EpsilonAudit
from jaxattack.audit.findings.epsilon import EpsilonFindings, Seconds
from jaxattack.audit.model_source import identity
from jaxattack.audit.private import CanarySweep, bound_from_above, training_findings
from jaxattack.audit.records import choose_records
from jaxattack.models.source import ModelSource, label
from jaxattack.training import Recipe, draw_directions, learners, score_gradient_canaries
from jaxattack.training.gradient_canaries import Directions
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, InputError

DIRECTIONS: tuple[Directions, ...] = get_args(Directions)


def audit_gradients(
    *,
    model: ModelSource,
    dataset: Dataset,
    recipe: Recipe = Recipe(),
    private: learners.DPSGD = learners.DPSGD(),
    sweep: CanarySweep = CanarySweep(kind="dirac"),
    audit: EpsilonAudit = EpsilonAudit(),
    records: int | None = None,
) -> EpsilonFindings:
    """Train private models with gradient canaries, and bound epsilon from both sides.

    Args:
        model: what every model is, as `jaxattack.models.source` says.
        dataset: the records, which are all in every model.
        recipe: how every model is trained.
        private: the clip and the noise.
        sweep: how many models and canaries; kind is dirac or random.
        audit: what is claimed.
        records: use this many of the records, chosen at random; all by default.

    Raises:
        InputError: bad input, canaries that are records, more of them than parameters, or no accountant.
    """
    begin = time.perf_counter()
    kind = sweep.kind
    if kind not in DIRECTIONS:
        raise InputError(f"kind is {kind}: give {' or '.join(DIRECTIONS)} for canaries that are gradients.")
    if private.noise:
        accountant.require_accountant()
    sample = choose_records(dataset, records, sweep.seed)
    network = model_for(model, sample)
    directions = draw_directions(network, sweep.canaries, kind, sweep.seed)
    member = np.random.default_rng(sweep.seed).random((sweep.models, sweep.canaries)) < 0.5
    learner = learners.Standard(recipe=recipe, gradient=private)
    scores = score_gradient_canaries(network, learner, sample, directions, member, seed=sweep.seed)
    train_end = time.perf_counter()
    above = bound_from_above(len(sample) + sweep.canaries, recipe, private, audit.delta)
    claim = _claim(audit, normal=above.rate == 1)
    name = (
        f"{sample.name} with {sweep.canaries} gradient canaries · {label(model)} · noise {private.noise:g} · "
        f"{sweep.models} models"
    )
    findings = epsilon(scores, member, audit=claim, name=name)
    end = time.perf_counter()
    seconds = Seconds(train=train_end - begin, bounds=end - train_end, total=end - begin)
    return replace(
        findings,
        upper=(*above.uppers, *(findings.upper or ())),
        training=training_findings(private, above, kind=f"gradients ({kind})", background=len(sample)),
        cost=replace(findings.cost, seconds=seconds, device=device()),
        config={
            "data": dataset.name,
            "records": records,
            **identity(model, network, sample.shape),
            "recipe": asdict(recipe),
            **asdict(private),
            **asdict(sweep),
            **asdict(claim),
        },
    )


def _claim(audit: EpsilonAudit, *, normal: bool) -> EpsilonAudit:
    """What is claimed of independent coins; where scores are normal and independent, `gaussian` unless another is declared."""
    declared = audit.declare or ("gaussian" if normal else None)
    return replace(audit, coins_independent=True, losses_independent=normal, declare=declared)
