"""The membership sweep: hundreds of models, attacks, findings, in a run folder that survives a kill.

The models of a run may be trained by this process, by a Ray cluster (`jaxattack.audit.cluster`), or part by part by
processes that share the run folder (`jaxattack.audit.parts`): the observations are the same beyond rounding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import jax

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit.cluster import train_on_cluster
from jaxattack.audit.environment import device
from jaxattack.audit.parts import Part
from jaxattack.audit.plan import MembershipAudit, Plan, planned
from jaxattack.audit.records import Standardise
from jaxattack.audit.scoring import MembershipResult, run_result
from jaxattack.data.designs import Design, Halves
from jaxattack.models.source import ModelSource
from jaxattack.training import Engine, Placement
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, Defence, InputError, Learner, MembershipAttack, Progress


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
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """Train the models that the run folder lacks, and attack every model.

    Args:
        out: the run folder; given again, it goes on where it stopped. Nothing stays on the disk without one.
        model: what every model is: an `jaxattack.models.Architecture`, a Model, a Flax NNX class, or a function that makes
            one, as `jaxattack.models.source` says.
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
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
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
        return run_membership(
            folder, audit, placement=placement, cluster=cluster, all_scores=all_scores, progress=progress
        )


def run_membership(
    out: Path,
    audit: MembershipAudit,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """As `membership`, its arguments as one value."""
    begin = time.perf_counter()
    plan = train_run(out, audit, placement=placement, cluster=cluster, progress=progress)
    return run_result(
        plan.folder,
        audit.models,
        audit.attacks,
        audit.declare,
        plan.records,
        begin,
        progress,
        plan,
        all_scores=all_scores,
    )


@contextmanager
def folder_or_none(out: str | Path | None) -> Iterator[Path]:
    """A folder, or one that is removed afterwards.

    Raises:
        InputError: no path.
    """
    if out is not None:
        if not isinstance(out, str | os.PathLike):
            raise InputError(f"out is {out!r}: give the path of a folder, or none.")
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
    return part.unfinished(audit.models, plan.folder.complete_models(weights=plan.need_weights))


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
