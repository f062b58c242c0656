"""The models of a run, trained on a Ray cluster (the extra `cluster`).

A chunk is a task: it has all GPUs of a machine where the cluster has any and one core where not, in a process that
compiles once and serves many chunks. Ray runs a task again elsewhere when its worker or its machine dies, which costs
that chunk.

What a task found goes back to the driver, and the driver alone writes the run folder: no other machine needs to see it,
nor the records, which travel once to each. A driver that is killed loses the chunks that were under way; given again, it
goes on.

A cluster is named as Ray names it, on a machine that belongs to it: ``HOST:PORT`` or ``auto``; ``local`` is a new one of
all cores or GPUs of this machine. Where this process is connected already (`ray.init`), that connection is used and left
open.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack.audit.environment import trainer
from jaxattack.audit.plan import Plan
from jaxattack.models.source import ModelSource
from jaxattack.release import installation
from jaxattack.training import Engine, Placement, Queries, Recipe, Sweep
from jaxattack.training.ensemble import Chunk
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, Defence, InputError, Learner, Progress, Signal, Variables

RETRIES = 3
"""Times that a chunk is trained again because its worker died."""

PATIENCE = 30.0
"""Seconds for which a cluster may have nothing to train on."""

FILLS = {"GPU": 64, "CPU": 2}
"""Models that a device handles at the same time: smaller chunks would leave it idle."""


class _Share(NamedTuple):
    """What a task has: so many of a kind. One that had some GPUs of a machine might be given others than it began with."""

    kind: str
    each: int


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is the same for every task of a run, and decides its results; equal where the token is."""

    token: str
    source: ModelSource = field(compare=False)
    recipe: Recipe | Learner = field(compare=False)
    queries: Queries = field(compare=False)
    signals: tuple[Signal, ...] = field(compare=False)
    columns: tuple[bool, ...] = field(compare=False)
    defences: tuple[Defence, ...] = field(compare=False)
    reserve: int = field(compare=False)
    seed: int = field(compare=False)
    records: Dataset = field(compare=False)
    slots: int = field(compare=False)
    keep_weights: bool = field(compare=False)
    placement: Placement = field(compare=False)
    accelerator: bool = field(compare=False)


class _Result(NamedTuple):
    """What a task found, on the host."""

    chunks: list[Chunk]
    compile_seconds: float
    device: str


def train_on_cluster(plan: Plan, address: str, placement: Placement, progress: Progress | None) -> None:
    """Train and keep every model that the run folder lacks.

    Args:
        plan: the run.
        address: of the cluster.
        placement: ``chunk`` is what a task trains; by default a sixteenth of what a device has to do.
        progress: called when a chunk is kept.

    Raises:
        InputError: Ray is not installed, the cluster cannot be reached or has nothing to train on, a chunk was lost too
            often, a training diverged, or the disk is full; what was finished is kept.
    """
    count = len(plan.member)
    missing = plan.missing(range(count))
    if not missing:
        return
    count_complete = count - len(missing)
    if progress:
        progress("models", count_complete, count)
    with _connected(address, plan.records) as ray:
        share = _share(ray, address)
        fills = share.each * (placement.vmap or FILLS[share.kind])
        pieces = _pieces(missing, _slots(ray, share), placement.chunk, fills)
        work = _work(plan, replace(placement, chunk=len(pieces[0])), share)
        for result in _run(ray, work, share, pieces, plan.member):
            for number, chunk in enumerate(result.chunks):
                plan.keep(chunk, 0.0 if number else result.compile_seconds, result.device)
                count_complete += len(chunk.models)
            if progress:
                progress("models", count_complete, count)


def _work(plan: Plan, placement: Placement, share: _Share) -> _Work:
    return _Work(
        token=secrets.token_hex(8),
        source=plan.source,
        recipe=plan.sweep.recipe,
        queries=plan.sweep.queries,
        signals=plan.sweep.signals,
        columns=plan.sweep.columns,
        defences=plan.sweep.defences,
        reserve=plan.sweep.reserve,
        seed=plan.sweep.seed,
        records=plan.records,
        slots=plan.slots,
        keep_weights=plan.keep_weights,
        placement=placement,
        accelerator=share.kind == "GPU",
    )


def _pieces(models: Sequence[int], slots: int, chunk: int | None, fills: int) -> list[list[int]]:
    """Even chunks, the largest first; at most the size asked for, or about a sixteenth of a device's share."""
    share = -(-len(models) // slots)
    size = chunk or max(-(-share // 16), min(share, fills))
    return [piece.tolist() for piece in np.array_split(models, -(-len(models) // size))]


def _run(
    ray: Any, work: _Work, share: _Share, pieces: list[list[int]], member: Bool[np.ndarray, "model record"]
) -> Iterator[_Result]:
    """Every piece's result, as it comes; two tasks a device are under way, so that none waits and few results lie."""
    resources = {"num_cpus": 0, "num_gpus": share.each} if work.accelerator else {"num_cpus": share.each}
    # Without max_calls=0 a worker with a GPU ends after every task, and the next one compiles again.
    train = ray.remote(max_retries=RETRIES, max_calls=0, **resources)(_train)
    reference = ray.put(work)
    left, running, last = deque(pieces), {}, time.monotonic()
    try:
        while left or running:
            while left and len(running) < 2 * max(_slots(ray, share), 1):
                models = left.popleft()
                running[train.remote(reference, models, member[models])] = models
            ready, _ = ray.wait(list(running), num_returns=1, timeout=PATIENCE / 10)
            last = time.monotonic() if ready or _slots(ray, share) else last
            if time.monotonic() - last > PATIENCE:
                raise InputError(
                    f"the cluster has had no {share.kind} for {PATIENCE:.0f} seconds: start its workers again and give the "
                    "same command; what was finished is kept."
                )
            for task in ready:
                yield _got(ray, task, running.pop(task))
    finally:
        for task in running:
            ray.cancel(task, force=True)


def _got(ray: Any, task: Any, models: list[int]) -> _Result:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from None
        raise
    except ray.exceptions.RayError as error:
        reason = f"{error}".partition("\n")[0].rstrip(".")
        raise InputError(
            f"the cluster lost models {models[0]} to {models[-1]} {RETRIES + 1} times ({type(error).__name__}: {reason}): "
            "see to its machines and give the same command again; what was finished is kept."
        ) from None


def _slots(ray: Any, share: _Share) -> int:
    """Tasks that the cluster can run at the same time."""
    return int(ray.cluster_resources().get(share.kind, 0)) // share.each


def _share(ray: Any, address: str) -> _Share:
    """What tasks are given: GPUs where there are any, all that the least machine has."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for kind in FILLS:
            counts = [int(machine.get(kind, 0)) for machine in machines]
            if any(counts):
                return _Share(kind, min(filter(None, counts)) if kind == "GPU" else 1)
        time.sleep(0.2)
    raise InputError(
        f"cluster {address} has had no core and no GPU for {PATIENCE:.0f} seconds: start workers (ray start --address ...)."
    )


@contextmanager
def _connected(address: str, records: Dataset) -> Iterator[Any]:
    """Ray, connected; what was started or opened here is closed again."""
    try:
        import ray
    except ImportError:
        raise InputError(f"cluster {address} needs Ray: {installation('cluster')}.") from None
    if ray.is_initialized():
        yield ray
        return
    options = _local(records) if address == "local" else _joining(address)
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except Exception as error:  # of a machine too busy to start it, Ray raises nothing narrower
        reason = f"{error}".partition("\n")[0].rstrip(".")
        failed, remedy = (
            ("started", "give the command again when the machine is less busy, or leave cluster out")
            if address == "local"
            else ("joined", "start it (ray start --head), or give local")
        )
        raise InputError(f"cluster {address} cannot be {failed} ({reason}): {remedy}.") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _local(records: Dataset) -> dict[str, Any]:
    """This machine as a cluster: its own cores, and room for the records and what waits to be written."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return {"address": "local", "include_dashboard": False, "object_store_memory": 2**28 + 2 * records.x.nbytes}


def _joining(address: str) -> dict[str, Any]:
    """A cluster that is there. Ray would try for minutes where nobody listens, so that is found out first."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdigit():
            raise InputError(f"cluster is {address!r}: give local, auto or HOST:PORT, on one of its machines.")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise InputError(
                f"cluster {address} cannot be reached ({error}): start it (ray start --head), or give local."
            ) from None
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # where another service listens, it tries once
    return {"address": address}


def _train(work: _Work, models: list[int], member: Bool[np.ndarray, "model record"]) -> _Result:
    """A task: train and observe some models, in the worker."""
    compiled = _engine.cache_info().misses
    engine = _engine(work)
    fresh = _engine.cache_info().misses > compiled
    cuts = range(0, len(models), engine.chunk)
    chunks = [engine.run(models[at : at + engine.chunk], member[at : at + engine.chunk]) for at in cuts]
    own = [chunk._replace(variables=_host(chunk.variables, work.keep_weights)) for chunk in chunks]
    return _Result(own, engine.compile_seconds if fresh else 0.0, trainer(engine.placement))


def _host(variables: Variables, keep: bool) -> Variables:
    return jax.tree.map(np.asarray, variables) if keep else Variables({}, {})


@lru_cache(maxsize=1)
def _engine(work: _Work) -> Engine:
    """The worker's engine: it compiles for the first chunk and serves all of them."""
    _settle(work.accelerator)
    model = model_for(work.source, work.records)
    sweep = Sweep(
        model=model,
        recipe=work.recipe,
        queries=work.queries,
        signals=work.signals,
        columns=work.columns,
        defences=work.defences,
        reserve=work.reserve,
        seed=work.seed,
    )
    assert work.placement.chunk
    return Engine(sweep, work.records, models=work.placement.chunk, slots=work.slots, placement=work.placement)


@cache
def _settle(accelerator: bool) -> None:
    """Take one core, where that is what the task was given, before the backend starts."""
    if not accelerator:
        os.environ["PJRT_NPROC"] = "1"
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", 1)
