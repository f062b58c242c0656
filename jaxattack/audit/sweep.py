"""The membership sweep: hundreds of models, attacks, findings, in a run folder that survives a kill.

The models of a run may be trained by this process, by a Ray cluster (`jaxattack.audit.cluster`), or part by part by
processes that share the run folder (`jaxattack.audit.parts`): the observations are the same beyond rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.audit.answerable import answerable
from jaxattack.audit.asking import of_plan
from jaxattack.audit.cluster import train_on_cluster
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.model_source import ModelSource
from jaxattack.audit.parts import Part
from jaxattack.audit.plan import MembershipAudit, Plan, planned
from jaxattack.audit.records import Standardise, choose_records
from jaxattack.audit.views import strange_views
from jaxattack.data import fingerprint, load_from_description
from jaxattack.data.designs import Design, Halves
from jaxattack.store import RunFolder
from jaxattack.training import Engine, Placement, Queries
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, Defence, InputError, Learner, MembershipAttack, Observations, Progress


class Findings(NamedTuple):
    """What an audit found.

    Attributes:
        values: plain values for JSON; `jaxattack.report` documents the keys.
        pictures: record -> its image, for the most vulnerable records, where they are images.
    """

    values: dict[str, Any]
    pictures: dict[int, np.ndarray]


def membership(
    out: str | Path | None = None,
    *,
    model: ModelSource,
    dataset: Dataset,
    attacks: tuple[MembershipAttack, ...] = tuple(ATTACKS.values()),
    learner: Learner = Standard(),
    defences: tuple[Defence, ...] = (),
    design: Design = Halves(),
    models: int = 256,
    queries: int = 1,
    declare: MembershipAttack | None = None,
    seed: int = 0,
    records: int | None = None,
    standardise: Standardise = "members",
    keep_weights: bool | None = None,
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Train the models that the run folder lacks, and attack every model.

    Args:
        out: the run folder; given again, it goes on where it stopped. Nothing stays on the disk without one.
        model: what every model is: an `jaxattack.models.Architecture`, a Model, a Flax NNX class, or a function that makes
            one, as `jaxattack.audit.model_source` says.
        dataset: the records.
        attacks: the attacks to run, by default all registered ones that read one answer a view.
        learner: how every model learns.
        defences: before every model's answers, the first nearest to the model; attacks that need more than the answers
            give are not run, and named.
        design: who is in.
        models: how many to train; every one plays the target against all the others. At least 4.
        queries: views a record is asked about, as `MembershipAudit` has it.
        declare: one of the attacks, chosen before it is known which is the strongest: the headline speaks of it.
        seed: decides everything random.
        records: use this many of the records, chosen at random; all by default.
        standardise: what is done to columns of a table that are far from one scale: "members" or "none".
        keep_weights: keep every model's weights in the run folder; by default where those of all models fit in 2 GiB.
        placement: how the work is cut; it does not change the results.
        cluster: a Ray cluster to train on, as `jaxattack.audit.cluster` has it; by default this process trains.
        progress: called as work is done.

    Raises:
        InputError: bad input, a foreign or damaged folder, a cluster that cannot be reached, or a full disk; what was
            finished is kept. Or `jax.distributed` runs several processes, which `train_part` is for.
    """
    audit = MembershipAudit(
        model=model,
        dataset=dataset,
        records=records,
        standardise=standardise,
        learner=learner,
        defences=defences,
        design=design,
        models=models,
        queries=queries,
        attacks=attacks,
        declare=declare,
        seed=seed,
        keep_weights=keep_weights,
    )
    with folder_or_none(out) as folder:
        return run_membership(folder, audit, placement=placement, cluster=cluster, progress=progress)


def run_membership(
    out: Path,
    audit: MembershipAudit,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Findings:
    """As `membership`, its arguments as one value."""
    begin = time.perf_counter()
    plan = train_run(out, audit, placement=placement, cluster=cluster, progress=progress)
    values = run_findings(plan.folder, audit.models, audit.attacks, audit.declare, plan.records, begin, progress, plan)
    return Findings(values, record_pictures(values, plan.records))


@contextmanager
def folder_or_none(out: str | Path | None) -> Iterator[Path]:
    """A folder, or one that is removed afterwards."""
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="jaxattack-") as folder:
        yield Path(folder)


def train_run(
    out: Path,
    audit: MembershipAudit,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Train the models that a run folder lacks, and attack nothing; arguments as of `membership`."""
    plan = planned(out, audit)
    if jax.distributed.is_initialized() and jax.process_count() > 1 and plan.missing(range(audit.models)):
        raise InputError(
            f"jax.distributed runs {jax.process_count()} processes and membership trains a whole run: call train_part in "
            "each, and membership where it says that no part is unfinished."
        )
    if cluster is None:
        train_missing(plan, range(audit.models), placement, progress)
    else:
        train_on_cluster(plan, cluster, placement, progress)
    return plan


def train_part(
    out: Path,
    audit: MembershipAudit,
    part: Part | None = None,
    *,
    placement: Placement = Placement(),
    progress: Progress | None = None,
) -> tuple[Part, ...]:
    """Train those models of a part that the run folder lacks, on the local devices alone; nothing is attacked.

    Parts may be trained in any order, at the same time on machines that share the folder, and again.

    Args:
        out: the run folder, the same for every part.
        audit: the whole run.
        part: which share; by default this process's among those of `jax.distributed`.
        placement: how the work is cut.
        progress: called as work is done.

    Returns:
        The parts that are unfinished now; where there are none, `membership` or `rescore` attacks.

    Raises:
        InputError: as `membership`.
    """
    part = part or Part.of_process()
    plan = planned(out, audit)
    train_missing(plan, part.models(audit.models), placement, progress)
    return part.unfinished(audit.models, plan.folder.finished(weights=plan.need_weights))


def train_missing(plan: Plan, models: range, placement: Placement, progress: Progress | None) -> None:
    """Train and keep those of some models that the folder lacks."""
    missing = plan.missing(models)
    if not missing:
        return
    done = len(models) - len(missing)
    if progress:
        progress("models", done, len(models))  # before compiling, which takes a while too
    engine = Engine(plan.sweep, plan.records, models=len(missing), slots=plan.slots, placement=placement)
    compiling = engine.compile_seconds
    for chunk in engine.run_all(missing, plan.member):
        plan.keep(chunk, compiling, f"{device()}, {engine.placement}")
        compiling = 0.0
        done += len(chunk.models)
        if progress:
            progress("models", done, len(models))


def rescore(
    folder: Path,
    attacks: Sequence[MembershipAttack] = tuple(ATTACKS.values()),
    *,
    declare: MembershipAttack | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Attack the models of a run folder again; nothing is trained.

    Args:
        folder: of a run; one that was stopped is scored as far as it went.
        attacks: which attacks.
        declare: the one chosen beforehand, as for `membership`.
        progress: called as work is done.

    Raises:
        InputError: no run, a damaged one, or fewer than 4 models.
    """
    begin = time.perf_counter()
    run = RunFolder.existing(folder)
    finished = run.finished()
    models = next(count for count in range(len(finished) + 1) if count not in finished)
    _require_enough(run, models)
    _check_description(run)
    records = _records_of(run)
    values = run_findings(run, models, attacks, declare, records, begin, progress)
    return Findings(values, record_pictures(values, records))


def scored_observations(folder: RunFolder, models: int, plan: Plan | None = None) -> Observations:
    """What the first models of a run say of the records that are scored: all but the background.

    Args:
        folder: of the run.
        models: how many.
        plan: of the run; with it, the models can be asked for signals that were not observed.
    """
    observations = folder.observations(models) if plan is None else of_plan(plan)
    background = folder.identity.get("background", 0)
    return observations.take_records(np.arange(observations.records - background)) if background else observations


def _require_enough(run: RunFolder, models: int) -> None:
    if models < 4:
        raise InputError(f"{run.path} holds {models} models: train at least 4.")


def _check_description(run: RunFolder) -> None:
    """Refuse a description that lacks what is reported of a run, or has something else in its place."""
    try:
        data, victim = run.identity["data"], run.identity["victim"]
        texts = {"data.name": data["name"], "data.sha256": data["sha256"], "victim.model": victim["model"]}
        counts = {"data.records": data["records"], "queries": run.identity["queries"], "seed": run.identity["seed"]}
        counts["background"] = run.identity.get("background", 0)
        wrong = [name for name, value in texts.items() if not (isinstance(value, str) and value.isprintable())]
        counts["recipe.crop"] = run.identity["recipe"]["crop"]
        wrong += [name for name, value in counts.items() if not (type(value) is int and 0 <= value < 2**53)]
        wrong += [] if type(run.identity["recipe"]["flip"]) is bool else ["recipe.flip"]
    except (KeyError, TypeError) as error:
        wrong = [str(error)]
    if wrong:
        raise InputError(f"{run.path / 'run.json'} has no {wrong[0]:.80} as a run has it: give another folder.")


def _records_of(run: RunFolder) -> Dataset | None:
    """The records of a run, where they can be loaded still and are the same."""
    data = run.identity["data"]
    try:
        records = choose_records(load_from_description(data["name"]), data["records"], run.identity["seed"])
    except InputError:
        return None
    return records if fingerprint(records) == data["sha256"] else None


def record_pictures(values: dict[str, Any], dataset: Dataset | None) -> dict[int, np.ndarray]:
    """The most vulnerable records, where they are images."""
    if dataset is None or not dataset.images:
        return {}
    return {entry["record"]: dataset.x[entry["record"]] for entry in values["vulnerable"]["records"]}


def run_findings(
    folder: RunFolder,
    models: int,
    attacks: Sequence[MembershipAttack],
    declare: MembershipAttack | None,
    records: Dataset | None,
    begin: float,
    progress: Progress | None,
    plan: Plan | None = None,
) -> dict[str, Any]:
    """The findings on the first models of a run folder, with what they cost."""
    _require_enough(folder, models)
    start = time.perf_counter()
    run = folder.identity
    observations = scored_observations(folder, models, plan)
    observations = replace(observations, names=() if records is None else records.names)
    visible = run["signals"] if plan is None else plan.visible
    able = answerable(by_label(attacks), visible, run.get("defences", ()))
    queries = Queries.counting(run["queries"])
    evaluated = evaluate(
        observations, tuple(able.attacks.values()), declare=declare, queries=queries, progress=progress
    )
    strange = strange_views(queries, flip=run["recipe"]["flip"], crop=run["recipe"]["crop"])
    evaluated["notes"] = [*evaluated["notes"], *able.notes, *strange]
    scored = time.perf_counter() - start
    return {
        "format": 1,
        "kind": "membership",
        "title": f"{run['data']['name']} · {run['victim']['model']} · {models} models",
        **evaluated,
        "cost": {
            "models": models,
            "queries": models * observations.records * run["queries"],
            **account(folder, models, {"score": scored, "total": time.perf_counter() - begin}),
            "memory_bytes": peak_memory(),
        },
        "config": {**run, "models": models, "attacks": [*by_label(attacks)]},
        "environment": environment(),
    }


def account(folder: RunFolder, models: int, seconds: dict[str, float]) -> dict[str, Any]:
    """What the first models cost, from what every chunk of the folder did, and on what; seconds add up over processes."""
    costs = folder.costs()
    share = models / max(sum(count for count, _ in costs), 1)
    total = {name: sum(getattr(cost, name) for _, cost in costs) for name in ("gradient_steps", "train", "observe")}
    trained = {
        "compile": sum(cost.compile for _, cost in costs),
        "train": share * total["train"],
        "observe": share * total["observe"],
    }
    return {
        "gradient_steps": round(share * total["gradient_steps"]),
        "seconds": trained | seconds,
        "device": "; ".join(sorted({cost.device for _, cost in costs})) or device(),
    }
