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

from jaxattack.audit.cluster import train_on_cluster
from jaxattack.audit.environment import trainer
from jaxattack.audit.parts import Part
from jaxattack.audit.plan import MembershipAudit, Plan, planned
from jaxattack.audit.scoring import MembershipResult, run_result
from jaxattack.training import Engine, Placement
from jaxattack.types import InputError, Progress, check_arguments


def run_membership(
    out: Path,
    audit: MembershipAudit,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """As `jaxattack.membership`, its arguments as one value."""
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


@check_arguments("out", "placement", "progress")
def train_part(
    out: str | Path,
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
    out = Path(out)
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
        plan.keep(chunk, compiling, trainer(engine.placement))
        compiling = 0.0
        done += len(chunk.models)
        if progress:
            progress("models", done, len(models))
