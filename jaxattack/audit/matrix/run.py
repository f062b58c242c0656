"""Every attack against every defence, with what each costs: data x defences (columns) x attacks (rows) x access.

    OUT/sweeps/...    the models of the columns (`jaxattack.audit.matrix.columns`)
    OUT/cells/...     what was measured (`jaxattack.audit.matrix.cells`)

Both are named by what decides them: a matrix that was killed goes on, and one more column or attack costs its own cells alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jaxattack.attacks.extraction import ATTACKS as EXTRACTIONS
from jaxattack.attacks.inversion import ATTACKS as INVERSIONS
from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.attacks.naming import label
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.matrix import CostFindings, MatrixFindings, Seconds
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.matrix.cells import CellFolder, require_matrix
from jaxattack.audit.matrix.columns import ColumnRun, check_column, open_column
from jaxattack.audit.matrix.findings import ColumnResult, findings_of
from jaxattack.audit.matrix.membership import cells_of, measure
from jaxattack.audit.matrix.plan import Column, MatrixAudit
from jaxattack.audit.matrix.victims import Judge, invert_classes, steal
from jaxattack.audit.records import Standardise
from jaxattack.audit.scorable import scorable
from jaxattack.audit.sweep import folder_or_none
from jaxattack.data.designs import Design, Halves
from jaxattack.models.source import ModelSource
from jaxattack.models.source import label as model_label
from jaxattack.training import Placement
from jaxattack.training.learners import Standard
from jaxattack.types import (
    Dataset,
    ExtractionAttack,
    InversionAttack,
    Learner,
    MembershipAttack,
    Progress,
    check_arguments,
)

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, kw_only=True, repr=False)
class MatrixResult(Reportable):
    """A matrix.

    Attributes:
        findings: every cell and every column, for `jaxattack.report`.
    """

    findings: MatrixFindings


@check_arguments("placement", "cluster", "progress")
def matrix(
    out: str | Path | None = None,
    *,
    model: ModelSource,
    dataset: Dataset,
    columns: tuple[Column, ...] = (),
    attacks: tuple[MembershipAttack, ...] = tuple(ATTACKS.values()),
    extractions: tuple[ExtractionAttack, ...] = (),
    inversions: tuple[InversionAttack, ...] = (),
    learner: Learner = Standard(),
    design: Design = Halves(),
    models: int = 32,
    targets: int = 16,
    repetitions: int = 16,
    budget: int | None = None,
    seed: int = 0,
    records: int | None = None,
    standardise: Standardise = "members",
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> MatrixResult:
    """Attack every column with every attack; arguments up to ``standardise`` as of `jaxattack.audit.MatrixAudit`.

    Args:
        out: a folder; given again, with more columns or attacks too, only what it lacks is trained and measured. Nothing stays
            on the disk without one.
        model: what every model is.
        dataset: the records.
        columns: the defences, beside none.
        attacks: on membership, beside the gap attack.
        extractions: attacks that steal.
        inversions: attacks that make records.
        learner: how a model learns where its column does not say.
        design: who is in.
        models: of each column. At least 4.
        targets: how many of them are attacked.
        repetitions: answers that are averaged where they are random.
        budget: queries of an extraction, at most.
        seed: decides everything random.
        records: use this many of them.
        standardise: columns of a table: "members" or "none".
        placement: how the work is cut.
        cluster: a Ray cluster to train on, as `jaxattack.audit.cluster` has it; the models are asked and attacked here.
        progress: called as work is done.

    Raises:
        InputError: bad input, a foreign or damaged folder, a cluster that cannot be reached, or a full disk; what was
            finished is kept.

    Example:
        >>> crossed = ja.matrix(
        ...     model=ja.models.Architecture(name="softmax"),
        ...     dataset=ja.load("iris"),
        ...     columns=(ja.audit.Column(name="label", defences=(ja.defences.LabelOnly(),)),),
        ...     learner=ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...     attacks=(ja.attacks.Gap(),),
        ...     extractions=(),
        ...     inversions=(),
        ...     models=4,
        ...     targets=2,
        ... )
        >>> [column.name for column in crossed.findings.columns]
        ['none', 'label']
    """
    audit = MatrixAudit(
        model=model, dataset=dataset, columns=columns, attacks=attacks, extractions=extractions, inversions=inversions,
        learner=learner, design=design, models=models, targets=targets, repetitions=repetitions, budget=budget,
        seed=seed, records=records, standardise=standardise,
    )  # fmt: skip
    with folder_or_none(out) as folder:
        return run_matrix(folder, audit, placement=placement, cluster=cluster, progress=progress)


def run_matrix(
    out: Path,
    audit: MatrixAudit,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> MatrixResult:
    """As `matrix`, its arguments as one value."""
    begin = time.perf_counter()
    for column in audit.columns:
        check_column(audit, column)
    require_matrix(out)
    folder = CellFolder(out / "cells")
    runs: list[ColumnRun] = []
    for column in audit.columns:
        runs.append(open_column(out, audit, column, placement=placement, cluster=cluster, progress=progress))
        if progress:
            progress("columns", len(runs), len(audit.columns))
    parts = [scorable(run.plan.member[:, : run.scored], by_label(audit.attacks)) for run in runs]
    cells = [tuple(cells_of(run, runs[0], audit, part)) for run, part in zip(runs, parts, strict=True)]
    done = _counted(progress, sum(map(len, cells)) + len(runs) * len((*audit.extractions, *audit.inversions)))
    judge = Judge(audit)
    results = [
        ColumnResult(
            run,
            part,
            tuple((cell, done(measure(cell, run, runs[0], audit, part, folder))) for cell in of_column),
            tuple((attack, done(steal(attack, run, audit, folder))) for attack in audit.extractions),
            tuple((attack, done(invert_classes(attack, run, audit, judge, folder))) for attack in audit.inversions),
        )
        for run, part, of_column in zip(runs, parts, cells, strict=True)
    ]
    return MatrixResult(findings=_findings(results, audit, folder.new_cells, begin))


def _counted(progress: Progress | None, total: int) -> Callable[[Outcome], Outcome]:
    """Hand on what was measured in a cell, and tell how many cells are done."""
    count = itertools.count(1)

    def done(outcome: Outcome) -> Outcome:
        if progress:
            progress("cells", next(count), total)
        return outcome

    return done


def _findings(results: list[ColumnResult], audit: MatrixAudit, new_cells: int, begin: float) -> MatrixFindings:
    runs = [result.run for result in results]
    columns, cells = zip(*(findings_of(result, runs[0], audit.repetitions) for result in results), strict=True)
    every = tuple(cell for of_column in cells for cell in of_column)
    trained = {run.training.folder.path: run.training_cost for run in runs}.values()
    data = runs[0].plan.records
    return MatrixFindings(
        title=f"{data.name} · {model_label(audit.model)} · {len(columns)} columns of {audit.models} models",
        columns=columns,
        cells=every,
        records=len(results[0].part.records),
        notes=tuple(dict.fromkeys(note for result in results for note in result.part.notes)),
        cost=CostFindings(
            models=audit.models * len(trained),
            gradient_steps=sum(cost.gradient_steps for cost in trained),
            new_cells=new_cells,
            seconds=Seconds(
                train=sum(cost.train + cost.compile for cost in trained),
                observe=sum(column.observe_seconds for column in columns),
                attack=sum(cell.seconds or 0.0 for cell in every),
                total=time.perf_counter() - begin,
            ),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config=_config(audit, runs),
        environment=environment(),
    )


def _config(audit: MatrixAudit, runs: list[ColumnRun]) -> dict[str, Any]:
    """What was asked for, as plain values."""
    return {
        **{name: value for name, value in runs[0].identity.items() if name != "format"},
        "models": audit.models,
        "targets": min(audit.targets, audit.models),
        "repetitions": audit.repetitions,
        "budget": audit.budget,
        "columns": [column.name for column in audit.columns],
        "attacks": [*by_label(audit.attacks)],
        "extractions": [label(attack, EXTRACTIONS) for attack in audit.extractions],
        "inversions": [label(attack, INVERSIONS) for attack in audit.inversions],
    }
