"""The membership sweep: data, members, hundreds of models, attacks, findings, in a run folder that survives a kill."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack.attacks.membership import ATTACKS, lookup, signals_for
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.victim import Victim, architecture, choose_records
from jaxattack.data import fingerprint, load
from jaxattack.data.membership import Design, design
from jaxattack.disk import read_json, write_json
from jaxattack.store import RunFolder
from jaxattack.training import Engine, Placement, Queries, Recipe, Sweep, check_seed
from jaxattack.training.images import check_views
from jaxattack.types import Dataset, InputError, Progress


@dataclass(frozen=True, kw_only=True)
class MembershipAudit:
    """What a membership sweep trains and asks.

    Attributes:
        models: how many to train; every one plays the target against all the others. At least 4.
        design: who is in: halves, exact, poisson:0.5, sized:1200 or mask:FILE.npy.
        queries: views a record is asked about: 1, 2 (mirrored), 9 or 18 (shifted by 1 pixel), 50, 162; images only.
        attacks: the attacks to run, all by default; a name may set fields, as rmia-offline?a=tuned&gamma=1.5.
        seed: decides everything random.
        keep_weights: keep every model's weights in the run folder.

    Raises:
        InputError: fewer than 4 models, an unknown attack or design, or another number of queries.
    """

    models: int = 256
    design: str = "halves"
    queries: int = 1
    attacks: tuple[str, ...] = tuple(ATTACKS)
    seed: int = 0
    keep_weights: bool = False

    def __post_init__(self) -> None:
        if self.models < 4:
            raise InputError(
                f"models is {self.models}: give at least 4, so that a target has references on both sides."
            )
        check_seed(self.seed)
        lookup(self.attacks)
        Queries.counting(self.queries)
        design(self.design)


class Findings(NamedTuple):
    """What an audit found.

    Attributes:
        values: plain values for JSON; `jaxattack.report` documents the keys.
        pictures: record -> its image, for the most vulnerable records, where they are images.
    """

    values: dict[str, Any]
    pictures: dict[int, np.ndarray]


def membership(
    out: Path,
    *,
    victim: Victim = Victim(),
    recipe: Recipe = Recipe(),
    audit: MembershipAudit = MembershipAudit(),
    dataset: Dataset | None = None,
    placement: Placement = Placement(),
    progress: Progress | None = None,
) -> Findings:
    """Train the models that the run folder lacks, and attack every model.

    Args:
        out: the run folder; given again, it goes on where it stopped.
        victim: what every model is, and the records.
        recipe: how every model is trained.
        audit: how many models, who is in, what is asked and which attacks.
        dataset: the records, where they are not to be loaded by name.
        placement: how the work is cut; it does not change the results.
        progress: called as work is done.

    Raises:
        InputError: bad input, a foreign or damaged folder, or a full disk; what was finished is kept.
    """
    begin = time.perf_counter()
    whole = dataset if dataset is not None else load(victim.data)
    records = choose_records(whole, victim.records, audit.seed)
    chosen = design(audit.design)
    member = chosen(audit.models, len(records), audit.seed)
    if member.all(axis=1).any():
        raise InputError(
            f"design {audit.design} trains model {member.all(axis=1).argmax()} on all {len(records)} records: leave some "
            "out, or there is nothing to tell apart."
        )
    model = architecture(victim, records)
    queries = Queries.counting(audit.queries)
    check_views(recipe, queries, records)
    sweep = Sweep(model=model, recipe=recipe, queries=queries, signals=signals_for(audit.attacks), seed=audit.seed)
    identity = _identity(victim, recipe, audit, records, chosen) | {"signals": list(sweep.signals)}
    folder = RunFolder.open(out, identity, records.y)
    _train_missing(folder, sweep, records, member, chosen.slots(member), audit.keep_weights, placement, progress)
    values = _findings(folder, audit.models, audit.attacks, begin, progress)
    return Findings(values, _pictures(values, records))


def _identity(
    victim: Victim, recipe: Recipe, audit: MembershipAudit, records: Dataset, chosen: Design
) -> dict[str, Any]:
    """What decides the observations of model i: not how many models there are, nor which attacks read them."""
    return {
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "victim": {"model": victim.model, "activation": victim.activation, "dropout": victim.dropout},
        "recipe": asdict(recipe),
        "design": chosen.describe if chosen.extendable else f"{chosen.describe} of {audit.models}",
        "queries": audit.queries,
        "seed": audit.seed,
    }


def _train_missing(folder, sweep, dataset, member, slots, keep_weights, placement, progress) -> None:
    """Train and keep every model that the folder lacks, and add to its account of what that cost."""
    finished = folder.finished(weights=keep_weights)
    missing = [model for model in range(len(member)) if model not in finished]
    if not missing:
        return
    done = len(member) - len(missing)
    if progress:
        progress("models", done, len(member))  # before compiling, which takes a while too
    engine = Engine(sweep, dataset, models=len(missing), slots=slots, placement=placement)
    account = defaultdict(float, _account(folder.path))
    account["compile"] += engine.compile_seconds
    for chunk in engine.run_all(missing, member):
        rows = member[chunk.models]
        folder.write(chunk.models, rows, chunk.signals, chunk.variables if keep_weights else None)
        account["models"] += len(rows)
        account["gradient_steps"] += len(rows) * sweep.recipe.steps(slots)
        account["train"] += chunk.train_seconds
        account["observe"] += chunk.observe_seconds
        write_json(folder.path / "account.json", account)
        done += len(rows)
        if progress:
            progress("models", done, len(member))


def _account(folder: Path) -> dict[str, Any]:
    """What the folder's models cost so far: how many were counted, their gradient steps, and seconds by phase."""
    file = folder / "account.json"
    return read_json(file) if file.exists() else {}


def rescore(folder: Path, attacks: tuple[str, ...] = tuple(ATTACKS), *, progress: Progress | None = None) -> Findings:
    """Attack the models of a run folder again; nothing is trained.

    Args:
        folder: of a run; one that was stopped is scored as far as it went.
        attacks: which attacks.
        progress: called as work is done.

    Raises:
        InputError: no run, a damaged one, or fewer than 4 models.
    """
    begin = time.perf_counter()
    run = RunFolder.existing(folder)
    finished = run.finished()
    models = next(count for count in range(len(finished) + 1) if count not in finished)
    values = _findings(run, models, attacks, begin, progress)
    return Findings(values, _pictures(values, _records_of(run)))


def _records_of(run: RunFolder) -> Dataset | None:
    """The records of a run, where they can be loaded still and are the same."""
    data = run.identity["data"]
    try:
        records = choose_records(load(data["name"]), data["records"], run.identity["seed"])
    except InputError:
        return None
    return records if fingerprint(records) == data["sha256"] else None


def _pictures(values: dict[str, Any], dataset: Dataset | None) -> dict[int, np.ndarray]:
    """The most vulnerable records, where they are images."""
    if dataset is None or not dataset.images:
        return {}
    return {entry["record"]: dataset.x[entry["record"]] for entry in values["vulnerable"]["records"]}


def _findings(
    folder: RunFolder, models: int, attacks: tuple[str, ...], begin: float, progress: Progress | None
) -> dict[str, Any]:
    """The findings on the first models of a run folder, with what they cost."""
    if models < 4:
        raise InputError(f"{folder.path} holds {models} models: train at least 4.")
    start = time.perf_counter()
    observations = folder.observations(models)
    evaluated = evaluate(observations, lookup(attacks), progress=progress)
    scored = time.perf_counter() - start
    run = folder.identity
    # The account is of all models of the folder, less those whose account a kill cut off: scaled to the ones attacked.
    account = _account(folder.path)
    share = models / account["models"] if account.get("models") else 0.0
    seconds = {"compile": account.get("compile", 0.0)}
    seconds |= {phase: share * account.get(phase, 0.0) for phase in ("train", "observe")}
    return {
        "format": 1,
        "kind": "membership",
        "title": f"{run['data']['name']} · {run['victim']['model']} · {models} models",
        **evaluated,
        "cost": {
            "models": models,
            "gradient_steps": round(share * account.get("gradient_steps", 0)),
            "queries": models * observations.records * run["queries"],
            "seconds": {**seconds, "score": scored, "total": time.perf_counter() - begin},
            "memory_bytes": peak_memory(),
            "device": device(),
        },
        "config": {**run, "models": models, "attacks": list(attacks)},
        "environment": environment(),
    }
