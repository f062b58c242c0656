"""The models of a column, trained once for all columns that differ in their answers alone, and what they answer.

    OUT/sweeps/<digest>     a run folder (`jaxattack.store`) each sweep, named by a digest of what decides it

A sweep without defences trains its models and keeps what they learnt. A column that defends answers has a folder for what is
answered, observed from those weights: it costs its asking alone. Either goes on where it stopped, model by model.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack.audit.asking import ask_chunk, of_plan
from jaxattack.audit.environment import device
from jaxattack.audit.matrix.cells import digest
from jaxattack.audit.matrix.plan import Column, MatrixAudit
from jaxattack.audit.plan import MembershipAudit, Plan, planned, prepare
from jaxattack.audit.records import unscored
from jaxattack.audit.scoring import training_cost
from jaxattack.audit.sweep import train_run
from jaxattack.signals import Averaged
from jaxattack.signals.distortion import Distortion
from jaxattack.store import Cost
from jaxattack.training import Placement
from jaxattack.training.view import sight
from jaxattack.types import InputWarning, Observations, Progress, Signal, afterwards, sees


class ColumnRun(NamedTuple):
    """A column whose models are trained and asked.

    Attributes:
        column: which.
        plan: of its models as they answer.
        training: of the same models as they were trained; the plan itself where nothing defends the answers.
    """

    column: Column
    plan: Plan
    training: Plan

    @property
    def identity(self) -> dict[str, Any]:
        """What decides what its models answer, but for how many there are."""
        return without_signals(self.plan.folder.identity)

    @property
    def scored(self) -> int:
        """How many of its records, the first, may be scored: all but those set aside."""
        return len(self.plan.records) - unscored(self.plan.folder.identity)

    def alike(self, other: ColumnRun) -> bool:
        """Whether another column has the same records in the same order, and the same members."""
        data = (one.plan.folder.identity["data"]["sha256"] for one in (self, other))
        return len({*data}) == 1 and np.array_equal(self.plan.member, other.plan.member)

    @property
    def observations(self) -> Observations:
        """What its models answer."""
        return of_plan(self.plan)

    @property
    def training_cost(self) -> Cost:
        """What training its models cost, whichever column they were trained for."""
        return training_cost(self.training.folder, len(self.training.member))

    @property
    def observing_seconds(self) -> float:
        """What asking them cost; with compiling, where they were asked behind defences."""
        return training_cost(self.plan.folder, len(self.plan.member)).observe

    def distortion(self) -> tuple[float, float] | None:
        """The share of the labels that the defences change, and the mean |p' - p|_1; None where nothing defends them."""
        if not self.column.defences:
            return None
        name = Distortion().name

        def ask(models: np.ndarray, weights: Path) -> np.ndarray:
            return ask_chunk(self.plan, (Distortion(),), models, weights)[name]

        changed, moved = self.plan.folder.signal(name, len(self.plan.member), ask).mean(axis=(0, 1, 2))
        return float(changed), float(moved)


def check_column(audit: MatrixAudit, column: Column) -> None:
    """See that a column can be trained and asked, before anything is.

    Raises:
        InputError: a learner or a defence that can do nothing with such models, or a design that leaves nothing to score.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        prepare(audit.sweep(column, defended=True))


def open_column(
    out: Path,
    audit: MatrixAudit,
    column: Column,
    *,
    placement: Placement,
    cluster: str | None,
    progress: Progress | None,
) -> ColumnRun:
    """Train the models of a column that no other column has trained, and ask them behind its defences.

    Raises:
        InputError: what `check_column` raises, a folder that is damaged, or a full disk; what was finished is kept.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # what is left out is said of each cell
        bare, defended = audit.sweep(column, defended=False), audit.sweep(column, defended=True)
        training = train_run(folder_of(out, bare), bare, placement=placement, cluster=cluster, progress=progress)
        if not column.defences:
            return ColumnRun(column, training, training)
        plan = planned(folder_of(out, defended), defended)
    plan = plan._replace(folder=plan.folder.with_weights_of(training.folder))
    _ask_missing(plan, training, _signals(plan, column, audit))
    return ColumnRun(column, plan, training)


def folder_of(out: Path, sweep: MembershipAudit) -> Path:
    """The run folder of a sweep: the same for the same models and answers, however many there are."""
    return out / "sweeps" / digest(prepare(sweep).identity)


def without_signals(identity: dict[str, Any]) -> dict[str, Any]:
    """What decides a sweep, without which signals happen to be in its folder."""
    return {name: value for name, value in identity.items() if name not in ("signals", "own_signals")}


def _signals(plan: Plan, column: Column, audit: MatrixAudit) -> tuple[Signal, ...]:
    """All that is asked of a column's models: what attacks read, once and averaged, and what defences do to answers."""
    access = sight(plan.records, plan.sweep.defences)
    single = tuple(signal for signal in plan.sweep.signals if sees(signal, access))
    read = {signal.name for attack in audit.attacks for signal in attack.signals}
    several = tuple(
        Averaged(signal=signal, times=audit.repetitions)
        for signal in single
        if column.fresh and signal.queries == 1 and signal.name in read and not afterwards(signal)
    )
    return (*single, *several, Distortion())


def _ask_missing(plan: Plan, training: Plan, signals: tuple[Signal, ...]) -> None:
    """Ask the models behind the defences of a plan whose answers its folder lacks, chunk by chunk of their training."""
    complete = plan.folder.complete_models()
    for chunk, models in training.folder.chunks().items():
        if complete.issuperset(models.tolist()) or models.min() >= len(plan.member):
            continue
        begin = time.perf_counter()
        answers = ask_chunk(plan, signals, models, training.folder.weights_of(chunk))
        cost = Cost(0, 0.0, 0.0, time.perf_counter() - begin, device())
        plan.folder.write(models, plan.member[models], answers, cost=cost)


def averaged(observations: Observations, times: int) -> Observations:
    """What models say where each question is asked so many times, and the answers averaged."""
    ask = observations.ask
    assert ask is not None
    return replace(observations, signals={}, ask=lambda signal: ask(Averaged(signal=signal, times=times)))
