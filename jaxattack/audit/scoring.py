"""The models of a run folder, trained already, to findings: what every attack gets of them, and what that cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.audit.answerable import answerable
from jaxattack.audit.asking import of_plan
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate_records
from jaxattack.audit.findings.membership import CostFindings, MembershipFindings, Seconds
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.labelled import labelled_of
from jaxattack.audit.plan import Plan
from jaxattack.audit.record_table import RecordTable
from jaxattack.audit.records import choose_records, notes_on_copies, set_aside, unscored
from jaxattack.audit.views import strange_views
from jaxattack.data import fingerprint, load_from_description
from jaxattack.store import Cost, RunFolder
from jaxattack.training import Queries
from jaxattack.types import Dataset, InputError, MembershipAttack, Observations, Progress, check_arguments


@dataclass(frozen=True, kw_only=True, repr=False)
class MembershipResult(Reportable):
    """The findings of a run, record by record too, and pictures.

    Attributes:
        findings: how much each attack gets, for `jaxattack.report`.
        records: what is known of each record.
        pictures: record -> its image, where records are images.
    """

    findings: MembershipFindings
    records: RecordTable
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)


@check_arguments("folder", "attacks", "all_scores", "progress")
def rescore(
    folder: str | Path,
    attacks: Sequence[MembershipAttack] = tuple(ATTACKS.values()),
    *,
    declare: MembershipAttack | None = None,
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """Attack the models of a run folder again; nothing is trained.

    Args:
        folder: of a run; one that was stopped is scored as far as it went.
        attacks: which attacks.
        declare: the one chosen beforehand, as for `membership`.
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
        progress: called as work is done.

    Raises:
        InputError: no run, a damaged one, or fewer than 4 models.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as run:
        ...     first = ja.membership(
        ...         run,
        ...         model=ja.models.Architecture(name="softmax"),
        ...         dataset=ja.load("iris"),
        ...         learner=ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...         attacks=(ja.attacks.Gap(),),
        ...         models=8,
        ...     )
        ...     again = ja.rescore(Path(run), (ja.attacks.LiRA(online=True),))
        >>> again.findings.attacks[0].name
        'lira-online'
    """
    folder = Path(folder)
    begin = time.perf_counter()
    run, models = open_run(folder)
    return run_result(run, models, attacks, declare, records_of(run), begin, progress, all_scores=all_scores)


def open_run(folder: Path) -> tuple[RunFolder, int]:
    """A run folder to read, and how many models it holds, as far as they follow one another.

    Raises:
        InputError: no run, a damaged one, or fewer than 4 models.
    """
    run = RunFolder.existing(folder)
    complete = run.complete_models()
    models = next(count for count in range(len(complete) + 1) if count not in complete)
    _require_enough(run, models)
    _check_description(run)
    return run, models


def scored_observations(folder: RunFolder, models: int, plan: Plan | None = None) -> Observations:
    """What the first models of a run say of the records that are scored: all but the background and the reserve.

    Args:
        folder: of the run.
        models: how many.
        plan: of the run; with it, the models can be asked for signals that were not observed.
    """
    observations = folder.observations(models) if plan is None else of_plan(plan)
    last = unscored(folder.identity)
    return observations.take_records(np.arange(observations.records - last)) if last else observations


def _require_enough(run: RunFolder, models: int) -> None:
    if models < 4:
        raise InputError(f"{run.path} holds {models} models: train at least 4.")


def _check_description(run: RunFolder) -> None:
    """Refuse a description that lacks what is reported of a run, or has something else in its place."""
    try:
        data, victim = run.identity["data"], run.identity["victim"]
        texts = {"data.name": data["name"], "data.sha256": data["sha256"], "victim.model": victim["model"]}
        counts = {"data.records": data["records"], "queries": run.identity["queries"], "seed": run.identity["seed"]}
        counts |= {name: run.identity.get(name, 0) for name in ("background", "reserve")}
        wrong = [name for name, value in texts.items() if not (isinstance(value, str) and value.isprintable())]
        counts["recipe.crop"] = run.identity["recipe"]["crop"]
        wrong += [name for name, value in counts.items() if not (type(value) is int and 0 <= value < 2**53)]
        wrong += [] if type(run.identity["recipe"]["flip"]) is bool else ["recipe.flip"]
    except (KeyError, TypeError) as error:
        wrong = [str(error)]
    if wrong:
        raise InputError(f"{run.path / 'run.json'} has no {wrong[0]:.80} as a run has it: give another folder.")


def records_of(run: RunFolder) -> Dataset | None:
    """The records of a run, where they can be loaded still and are the same."""
    data = run.identity["data"]
    try:
        records = choose_records(load_from_description(data["name"]), data["records"], run.identity["seed"])
        records = set_aside(records, run.identity.get("reserve", 0), run.identity["seed"])
    except InputError:
        return None
    return records if fingerprint(records) == data["sha256"] else None


def _record_pictures(table: RecordTable, dataset: Dataset | None) -> dict[int, np.ndarray]:
    """The records that were scored, where they are images; views that take no memory."""
    if dataset is None or not dataset.images:
        return {}
    return {record: dataset.x[record] for record in table.exposure.number.tolist()}


def run_result(
    folder: RunFolder,
    models: int,
    attacks: Sequence[MembershipAttack],
    declare: MembershipAttack | None,
    records: Dataset | None,
    begin: float,
    progress: Progress | None,
    plan: Plan | None = None,
    *,
    all_scores: bool = False,
) -> MembershipResult:
    """What is found of the first models of a run folder, with what they cost."""
    _require_enough(folder, models)
    start = time.perf_counter()
    run = folder.identity
    observations = scored_observations(folder, models, plan)
    if records is not None:
        observations = replace(observations, names=records.names, ids=records.ids[: observations.records])
    visible = run["signals"] if plan is None else plan.visible
    able = answerable(by_label(attacks), visible, run.get("defences", ()))
    queries = Queries.counting(run["queries"])
    evaluation, table = evaluate_records(
        observations,
        tuple(able.attacks.values()),
        declare=declare,
        queries=queries,
        all_scores=all_scores,
        labelled=labelled_of(run, observations.records),
        progress=progress,
    )
    strange = strange_views(queries, flip=run["recipe"]["flip"], crop=run["recipe"]["crop"])
    copies = () if records is None else notes_on_copies(records.take(slice(observations.records)))
    evaluation = replace(evaluation, notes=(*evaluation.notes, *able.notes, *strange, *copies))
    seconds = time.perf_counter() - start
    cost = _cost(folder, models, observations.records, seconds, time.perf_counter() - begin)
    findings = MembershipFindings(
        title=f"{run['data']['name']} · {run['victim']['model']} · {models} models",
        **vars(evaluation),
        cost=cost,
        config={**run, "models": models, "attacks": [*by_label(attacks)]},
        environment=environment(),
    )
    return MembershipResult(findings=findings, records=table, pictures=_record_pictures(table, records))


def _cost(folder: RunFolder, models: int, records: int, score: float, total: float) -> CostFindings:
    """What the first models cost, each asked about so many records, and the seconds of scoring and of all."""
    training = training_cost(folder, models)
    seconds = Seconds(
        compile=training.compile, train=training.train, observe=training.observe, score=score, total=total
    )
    return CostFindings(
        models=models,
        gradient_steps=training.gradient_steps,
        queries=models * records * folder.identity["queries"],
        seconds=seconds,
        memory_bytes=peak_memory(),
        device=training.device,
    )


def training_cost(folder: RunFolder, models: int) -> Cost:
    """What training the first models cost, from what every chunk of the folder did; seconds add up over processes."""
    costs = folder.costs()
    share = models / max(sum(count for count, _ in costs), 1)
    return Cost(
        gradient_steps=round(share * sum(cost.gradient_steps for _, cost in costs)),
        compile=sum(cost.compile for _, cost in costs),
        train=share * sum(cost.train for _, cost in costs),
        observe=share * sum(cost.observe for _, cost in costs),
        device="; ".join(sorted({cost.device for _, cost in costs})) or device(),
    )
