"""What a sweep would take, before it is begun: models, steps, memory, disk, and the time by measuring a little of it.

Nothing is written. The program that would train is compiled, which tells what memory it needs, and a chunk of models is
trained with it for one epoch and asked: the time of a sweep is that of its chunks, by their gradient steps. Attacks are run on
the answers of that chunk, repeated for as many models as there would be: of all records where they are few, else of `SAMPLE` of
them and of half as many, by which their time for all of them is drawn on a line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from jaxattack.attacks.membership import by_label
from jaxattack.audit.answerable import answerable
from jaxattack.audit.environment import device, peak_memory
from jaxattack.audit.evaluation import evaluate_records
from jaxattack.audit.plan import MembershipAudit, Preparation, keeps_weights, prepare, weight_bytes
from jaxattack.store import RunFolder
from jaxattack.training import Engine, Placement, Queries
from jaxattack.training.ensemble import Chunk
from jaxattack.types import Observations, deployed_model, gradient_steps

SAMPLE = 1000
"""Records on which attacks are timed where there are more than twice as many."""

LONG_ENOUGH, TRIES = 2.0, 8
"""Seconds after which a chunk is not timed again, and how often it is at most: the fastest counts, and the first warms up."""


@dataclass(frozen=True, kw_only=True)
class ForecastSeconds:
    """Time by phase, on this machine as busy as it is now.

    Attributes:
        compile: of the programs that train and ask.
        train: of all models that are missing.
        observe: asking them.
        score: attacking; None where that was not measured.
        total: of those that were.
    """

    compile: float
    train: float
    observe: float
    score: float | None
    total: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a sweep would take.

    Attributes:
        folder: where it would be kept.
        models: that the run has in the end.
        present: of them, those that are in the folder already.
        members: of a model, at most.
        records: that it is trained on or asked about.
        parameters: of one model.
        gradient_steps: of all models that are missing.
        chunk: models that a compiled program handles.
        device_bytes: that the larger program needs on each device.
        memory_bytes: the most that the process would hold at once, as far as it was measured.
        disk_bytes: that would be written: what models learnt, where that is kept, and what they answered.
        seconds: by phase.
        device: in words.
    """

    folder: str
    models: int
    present: int
    members: int
    records: int
    parameters: int
    gradient_steps: int
    chunk: int
    device_bytes: int
    memory_bytes: int
    disk_bytes: int
    seconds: ForecastSeconds
    device: str


class _Trial(NamedTuple):
    """A chunk that was trained for an epoch.

    Attributes:
        engine: that did.
        chunk: what came of it, the fastest of a few.
        steps: gradient steps of each of its models.
    """

    engine: Engine
    chunk: Chunk
    steps: int


def forecast_membership(
    folder: Path,
    audit: MembershipAudit,
    *,
    placement: Placement = Placement(),
    models: range | None = None,
    attack: bool = True,
) -> Forecast:
    """What `jaxattack.membership` would take.

    Args:
        folder: of the run, which is only looked at.
        audit: the run.
        placement: how the work is cut.
        models: those that are trained; all by default.
        attack: whether they are attacked then.

    Raises:
        InputError: bad input, or a folder of something else.
    """
    preparation = prepare(audit)
    sweep, records, _, slots, identity = preparation
    some = range(audit.models) if models is None else models
    present = _present(folder, identity, bool(audit.keep_weights))
    missing = [model for model in some if model not in present]
    trial = _try(preparation, len(missing) or len(some), placement)
    steps, chunks = gradient_steps(sweep.learner, slots, sweep.reserve), -(-len(missing) // trial.engine.chunk)
    train = trial.chunk.train_seconds * chunks * steps / max(trial.steps, 1)
    observe = trial.chunk.observe_seconds * chunks
    compiling = trial.engine.compile_seconds if missing else 0.0
    attacking = _attack(audit, preparation, trial.chunk) if attack else None
    score = attacking and attacking.seconds
    answers = sum(values.nbytes for values in trial.chunk.signals.values()) // len(trial.chunk.models)
    octets = weight_bytes(sweep, records.classes)
    return Forecast(
        folder=str(folder),
        models=len(some),
        present=len(some) - len(missing),
        members=slots,
        records=len(records),
        parameters=_parameters(preparation),
        gradient_steps=steps * len(missing),
        chunk=trial.engine.chunk,
        device_bytes=trial.engine.bytes_per_device,
        memory_bytes=attacking.memory_bytes if attacking else peak_memory(),
        disk_bytes=(answers + keeps_weights(audit, octets) * octets) * len(missing),
        seconds=ForecastSeconds(
            compile=compiling,
            train=train,
            observe=observe,
            score=score,
            total=compiling + train + observe + (score or 0),
        ),
        device=device(),
    )


def _present(folder: Path, identity: dict[str, Any], weights: bool) -> set[int]:
    """The models that a folder has already."""
    run = RunFolder.find(folder, identity)
    return set() if run is None else run.complete_models(weights=weights)


def _parameters(preparation: Preparation) -> int:
    """Numbers that a model learns."""
    sweep, records = preparation.sweep, preparation.records
    model = deployed_model(sweep.learner, sweep.model, records.classes)
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0)).params))


def _try(preparation: Preparation, models: int, placement: Placement) -> _Trial:
    """A chunk as the sweep would train it, for one epoch.

    Args:
        preparation: of the sweep.
        models: that are missing.
        placement: how the work is cut.
    """
    sweep = preparation.sweep
    learner: Any = sweep.learner
    short = replace(learner, recipe=replace(learner.recipe, epochs=1))
    engine = Engine(
        replace(sweep, recipe=short), preparation.records, models=models, slots=preparation.slots, placement=placement
    )
    some = range(min(engine.chunk, len(preparation.member)))
    chunk = _fastest(
        lambda: engine.run(some, preparation.member[some]), lambda one: one.train_seconds + one.observe_seconds
    )
    return _Trial(engine, chunk, gradient_steps(short, preparation.slots, sweep.reserve))


def _fastest(work: Callable[[], Chunk], seconds: Callable[[Chunk], float]) -> Chunk:
    """The fastest of a few tries after the first, fewer of a long one."""
    work()
    best, spent = work(), 0.0
    for _ in range(TRIES):
        spent += seconds(best)
        if spent > LONG_ENOUGH:
            break
        best = min(best, work(), key=seconds)
    return best


class _Attacking(NamedTuple):
    """What attacks take.

    Attributes:
        seconds: with compiling.
        memory_bytes: the most that the process would hold at once.
    """

    seconds: float
    memory_bytes: int


def _attack(audit: MembershipAudit, preparation: Preparation, chunk: Chunk) -> _Attacking:
    """Run the attacks on the answers of a chunk as if they were those of all models, on all records or on some of them."""
    count, before = len(preparation.records) - audit.background - preparation.sweep.reserve, peak_memory()

    def seconds(sample: int) -> float:
        begin = time.perf_counter()
        _evaluate(audit, preparation, chunk, np.linspace(0, count - 1, sample).astype(int))
        return time.perf_counter() - begin

    if count <= 2 * SAMPLE:
        return _Attacking(seconds(count), peak_memory())
    few, many = SAMPLE // 2, SAMPLE
    (_, of_few), (compiling, of_many) = ((seconds(sample), seconds(sample)) for sample in (few, many))
    slope = max(of_many - of_few, 0.0) / (many - few)
    memory = before + (peak_memory() - before) * count / many
    return _Attacking(max(compiling, of_many) + slope * (count - many), int(memory))


def _evaluate(
    audit: MembershipAudit, preparation: Preparation, chunk: Chunk, sample: Int[np.ndarray, "record"]
) -> None:
    """Attack as many models as there would be, which answer about some of the records as those of the chunk in turn."""
    signals = {
        name: np.resize(values[:, sample], (audit.models, len(sample), *values.shape[2:]))
        for name, values in chunk.signals.items()
    }
    attacks = tuple(answerable(by_label(audit.attacks), [*signals], audit.defences).attacks.values())
    member, label = preparation.member[:, sample], preparation.records.y[sample]
    observations = Observations(signals=signals, member=member, label=label)
    evaluate_records(observations, attacks, declare=audit.declare, queries=Queries.counting(audit.queries))
