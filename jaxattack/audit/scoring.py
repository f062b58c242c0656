"""The models of a run folder, trained already, to findings: what every attack gets of them, and what that cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.audit.answerable import answerable
from jaxattack.audit.asking import of_plan
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.plan import Plan
from jaxattack.audit.records import choose_records
from jaxattack.audit.views import strange_views
from jaxattack.data import fingerprint, load_from_description
from jaxattack.store import RunFolder
from jaxattack.training import Queries
from jaxattack.types import Dataset, InputError, MembershipAttack, Observations, Progress


class Findings(NamedTuple):
    """What an audit found.

    Attributes:
        values: plain values for JSON; `jaxattack.report` documents the keys.
        pictures: record -> its image, for the most vulnerable records, where they are images.
    """

    values: dict[str, Any]
    pictures: dict[int, np.ndarray]


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
