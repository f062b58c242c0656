"""A privacy audit of training: DP-SGD models with canaries, lower bounds from the canaries, upper bounds from an accountant.

The run folder is that of a sweep whose background, everything but the canaries, is in every model: killed, it goes on where
it stopped, and `jaxattack report` attacks the membership of its canaries. A canary's score is phi, which falls as its loss
rises.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.reference import loss_of
from jaxattack.audit import accountant
from jaxattack.audit.environment import peak_memory
from jaxattack.audit.epsilon import epsilon
from jaxattack.audit.epsilon_methods import EpsilonAudit
from jaxattack.audit.findings.epsilon import (
    CostFindings,
    EpsilonFindings,
    LossFindings,
    PreflightFindings,
    PrivacyFindings,
    Seconds,
    TrainingFindings,
    UpperFindings,
)
from jaxattack.audit.model_source import identity
from jaxattack.audit.plan import Plan
from jaxattack.audit.records import Standardise, choose_records, scaled_columns
from jaxattack.audit.scoring import training_cost
from jaxattack.audit.sweep import train_missing
from jaxattack.data import canary, fingerprint
from jaxattack.models.source import ModelSource, label
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Queries, Recipe, Sweep, check_seed, learners, observe_one
from jaxattack.training.gradient_canaries import Directions
from jaxattack.training.images import check_views
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, InputError, Progress, at_least, check_arguments, config

SILENT = 1e-6
"""A loss in nats below which a record's gradient is that share of what a wrong answer's is: it leaves no trace to find."""


@config
class CanarySweep:
    """Which models are trained, and with which canaries.

    Attributes:
        models: how many, at least 1.
        canaries: how many, at least 1; bounds of one run need 20 coins, models times canaries.
        kind: mislabelled, natural, blank or clipbkd, for records; dirac or random, for gradients of every step.
        seed: decides everything random.

    Raises:
        InputError: a number out of range.
    """

    models: int = 64
    canaries: int = 100
    kind: canary.Kind | Directions = "mislabelled"
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, models=self.models, canaries=self.canaries)
        check_seed(self.seed)


@check_arguments("out", "placement", "progress")
def audit_training(
    out: str | Path,
    *,
    model: ModelSource,
    dataset: Dataset,
    recipe: Recipe = Recipe(),
    private: learners.DPSGD = learners.DPSGD(),
    sweep: CanarySweep = CanarySweep(),
    audit: EpsilonAudit = EpsilonAudit(),
    records: int | None = None,
    standardise: Standardise = "members",
    placement: Placement = Placement(),
    progress: Progress | None = None,
) -> EpsilonFindings:
    """Train the private models that the run folder lacks, and bound epsilon from both sides.

    Args:
        out: the run folder; given again, it goes on where it stopped.
        model: what every model is, as `jaxattack.models.source` says.
        dataset: the records.
        recipe: how every model is trained.
        private: the clip and the noise.
        sweep: how many models, and which canaries.
        audit: what is claimed.
        records: use this many of the records, chosen at random; all by default.
        standardise: what is done to columns of a table that are far from one scale.
        placement: how the work is cut; it does not change the results.
        progress: called as work is done.

    Raises:
        InputError: bad input, a foreign or damaged folder, a full disk, canaries without a loss, or no accountant.
    """
    out = Path(out)
    begin = time.perf_counter()
    if sweep.kind not in canary.MAKERS:
        raise InputError(f"kind is {sweep.kind}: give {', '.join(canary.MAKERS)} for canaries that are records.")
    if private.noise:
        accountant.require_accountant()
    sample = choose_records(dataset, records, sweep.seed)
    plan = _planned(out, model, sample, learners.Standard(recipe=recipe, gradient=private), sweep, standardise)
    start = _first_losses(plan, sweep.canaries)
    train_missing(plan, range(sweep.models), placement, progress)
    observations = plan.folder.observations(sweep.models)
    phi = np.asarray(observations.signal("phi")[:, :, 0], np.float64)
    scores, member = phi[:, : sweep.canaries], observations.member[:, : sweep.canaries]
    bounding = time.perf_counter()
    findings = epsilon(scores, member, audit=replace(audit, coins_independent=True), name=_title(plan, private, sweep))
    above = bound_from_above(plan.slots, recipe, private, audit.delta)
    bounds, total = time.perf_counter() - bounding, time.perf_counter() - begin
    correct = np.asarray(observations.signal("correct")[:, sweep.canaries :])
    preflight = _preflight(start, loss_of(scores), member)
    doubts = [_silence(preflight.silent, sweep)] if preflight.silent else []
    return replace(
        findings,
        upper=(*above.uppers, *(findings.upper or ())),
        training=training_findings(
            private,
            above,
            kind=sweep.kind,
            background=phi.shape[1] - sweep.canaries,
            accuracy=float(correct.mean()),
            preflight=preflight,
        ),
        notes=(*findings.notes, *doubts),
        cost=_cost(plan.folder, sweep.models, bounds, total),
        config=plan.folder.identity | {"models": sweep.models, **asdict(audit)},
    )


def _title(plan: Plan, private: learners.DPSGD, sweep: CanarySweep) -> str:
    return f"{plan.records.name} · {label(plan.source)} · noise {private.noise:g} · {sweep.models} models"


def _planned(
    out: Path,
    source: ModelSource,
    sample: Dataset,
    learner: learners.Standard,
    sweep: CanarySweep,
    standardise: Standardise,
) -> Plan:
    """Check everything, plant the canaries, and open the run folder; canaries come first, as a run's background comes last."""
    planted = canary.MAKERS[sweep.kind](sample, sweep.canaries, sweep.seed)
    order = np.argsort(planted.role == canary.BACKGROUND, kind="stable")
    records, role = planted.dataset.take(order), planted.role[order]
    member, slots = canary.flip_coins(role, sweep.models, sweep.seed), canary.slots(role)
    model = model_for(source, records)
    check_views(learner, Queries(), records)
    columns = scaled_columns(standardise, records, learner)
    training = Sweep(model=model, recipe=learner, columns=columns, seed=sweep.seed)
    described: dict[str, Any] = {
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "victim": identity(source, model, records.shape),
        "recipe": asdict(learner.recipe),
        **learners.identity(learner, slots),
        "design": "a fair coin for each canary",
        "canaries": sweep.kind,
        "background": len(records) - sweep.canaries,
        "queries": 1,
        "seed": sweep.seed,
        "signals": [signal.name for signal in training.signals],
    }
    folder = RunFolder.open(out, described, records.y)
    return Plan(folder, source, training, records, member, slots, keep_weights=False, need_weights=False)


def _first_losses(plan: Plan, canaries: int) -> Float[np.ndarray, "canary"]:
    """Losses of the canaries under a model that has learnt nothing.

    Raises:
        InputError: some have none.
    """
    untrained = plan.sweep.model.init(jax.random.key(plan.sweep.seed))
    losses = loss_of(observe_one(plan.sweep.model, plan.records, untrained)["phi"][:, 0])[:canaries]
    silent = int((~np.isfinite(losses) | (losses <= SILENT)).sum())
    if silent:
        raise InputError(
            f"{silent} of {canaries} canaries have no loss before training, and would leave no trace: give other "
            "canaries, or records on a smaller scale."
        )
    return losses


def _cost(folder: RunFolder, models: int, bounds: float, total: float) -> CostFindings:
    """What the models cost, and seconds of the bounds and of all."""
    training = training_cost(folder, models)
    return CostFindings(
        gradient_steps=training.gradient_steps,
        seconds=Seconds(
            compile=training.compile, train=training.train, observe=training.observe, bounds=bounds, total=total
        ),
        memory_bytes=peak_memory(),
        device=training.device,
    )


class Above(NamedTuple):
    """What is proved of a training.

    Attributes:
        steps: how many.
        rate: the probability that a step takes a record.
        uppers: of each accountant.
    """

    steps: int
    rate: float
    uppers: tuple[UpperFindings, ...]


def bound_from_above(slots: int, recipe: Recipe, private: learners.DPSGD, delta: float) -> Above:
    """Steps, the sampling rate, and what the accountants say of a model with so many places for members."""
    batch = min(recipe.batch, slots)
    rate, steps = batch / slots, recipe.steps(slots)
    overflow = accountant.overflow(slots, batch, private.room(slots, batch))
    uppers = accountant.poisson(private.noise, rate, steps, delta, overflow)
    return Above(steps, rate, tuple(UpperFindings(name=upper.name, epsilon=upper.epsilon) for upper in uppers))


def training_findings(
    private: learners.DPSGD,
    above: Above,
    *,
    kind: str,
    background: int,
    accuracy: float | None = None,
    preflight: PreflightFindings | None = None,
) -> TrainingFindings:
    """How private models were trained.

    Args:
        private: the clip and the noise.
        above: steps and rate.
        kind: of canary.
        background: records beside the canaries.
        accuracy: on those, where it is known.
        preflight: losses of the canaries, where they have some.
    """
    return TrainingFindings(
        private=PrivacyFindings(noise=private.noise, clip=private.clip, rate=above.rate, steps=above.steps),
        kind=kind,
        background=background,
        accuracy=accuracy,
        preflight=preflight,
    )


def _preflight(
    start: Float[np.ndarray, "canary"], losses: Float[np.ndarray, "model canary"], member: np.ndarray
) -> PreflightFindings:
    """What losses the canaries had: before training, and after it where they were out and in; and how many had none."""
    without = _mean(losses, ~member)
    return PreflightFindings(
        start=_loss_findings(start),
        out=_loss_findings(without),
        in_=_loss_findings(_mean(losses, member)),
        silent=int((without <= SILENT).sum()),
    )


def _mean(losses: np.ndarray, mask: np.ndarray) -> Float[np.ndarray, "canary"]:
    """Each canary's mean loss over some models; NaN where there are none."""
    count = mask.sum(axis=0)
    return np.where(count > 0, (losses * mask).sum(axis=0) / np.maximum(count, 1), np.nan)


def _loss_findings(loss: Float[np.ndarray, "canary"]) -> LossFindings:
    """Over the canaries whose loss is known."""
    finite = loss[~np.isnan(loss)] if np.isfinite(loss).any() else np.array([np.nan])
    return LossFindings(lowest=float(finite.min()), median=float(np.median(finite)), highest=float(finite.max()))


def _silence(silent: int, sweep: CanarySweep) -> str:
    return (
        f"{silent} of {sweep.canaries} canaries are learnt without being in: their loss is then at most {SILENT:g}, and tells "
        "nothing."
    )
