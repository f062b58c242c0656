"""Tests of ownership held against copies and against independent models: models, evidence, proofs, findings.

A test that must be trained in has an owner's model of its own, with its marks, and thieves copy that one; independent models
are the same for all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from jaxattack.attacks.ownership import ATTACKS
from jaxattack.audit.findings.ownership import (
    CellFindings,
    OwnershipFindings,
    TestFindings,
)
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.ownership.findings import Case, findings_of, identity_of
from jaxattack.audit.ownership.folder import OwnershipFolder
from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.split import Split, split
from jaxattack.audit.ownership.suspects import (
    PLAIN,
    Field,
    Suspects,
    steal,
    train_field,
    train_marked,
)
from jaxattack.audit.ownership.trial import Clock, Trial
from jaxattack.audit.sweep import folder_or_none
from jaxattack.models.source import ModelSource
from jaxattack.training.copies import COPIES, Copy
from jaxattack.training.learners import Standard
from jaxattack.types import (
    Dataset,
    Learner,
    Ledger,
    MarkingTest,
    OwnershipTest,
    Progress,
    check_arguments,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class OwnershipResult(Reportable):
    """An audit of ownership.

    Attributes:
        findings: what every test says of every suspect, for `jaxattack.report`.
    """

    findings: OwnershipFindings


@check_arguments("progress")
def own(
    out: str | Path | None = None,
    *,
    model: ModelSource,
    dataset: Dataset,
    learner: Learner = Standard(),
    tests: tuple[OwnershipTest, ...] = tuple(ATTACKS.values()),
    copies: tuple[Copy, ...] = tuple(COPIES.values()),
    seeds: int = 3,
    independents: int = 30,
    others: int = 10,
    overlapping: int = 3,
    overlap: float = 0.5,
    other: str = "mlp:64-64",
    references: int = 39,
    surrogates: int = 4,
    members: int | None = None,
    held_out: int | None = None,
    records: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> OwnershipResult:
    """Copy a model as thieves do, and say which tests tell the copies from models of independent people.

    Arguments up to ``seed`` are those of `jaxattack.audit.OwnershipAudit`.

    Args:
        out: a folder; given again, with more tests or copies too, only what it lacks is made. Nothing stays on the disk
            without one.
        model: what the owner's model is.
        dataset: the records.
        learner: how it learns.
        tests: of ownership.
        copies: how thieves make theirs.
        seeds: copies of each kind.
        independents: models of independent people.
        others: of another architecture.
        overlapping: of people part of whose records are the owner's.
        overlap: that part.
        other: the other architecture.
        references: that the owner trains himself.
        surrogates: that he makes himself.
        members: records of the owner.
        held_out: records of nobody.
        records: use this many of the data set.
        seed: decides everything random.
        progress: called as work is done.

    Raises:
        InputError: bad input, too few records, a foreign or damaged folder, or a full disk; what was finished is kept.

    Example:
        >>> proof = ja.own(
        ...     model=ja.models.Architecture(name="softmax"),
        ...     dataset=ja.load("iris"),
        ...     learner=ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...     tests=(ja.attacks.ownership.Rank(statistic="label"),),
        ...     copies=(ja.training.copies.Quantised(),),
        ...     independents=2,
        ...     others=0,
        ...     overlapping=0,
        ...     references=19,
        ... )
        >>> [cell.kind for cell in proof.findings.cells]
        ['victim', 'int8', 'independent']
    """
    audit = OwnershipAudit(
        model=model, dataset=dataset, learner=learner, tests=tests, copies=copies, seeds=seeds, independents=independents,
        others=others, overlapping=overlapping, overlap=overlap, other=other, references=references, surrogates=surrogates,
        members=members, held_out=held_out, records=records, seed=seed,
    )  # fmt: skip
    with folder_or_none(out) as folder:
        return run_ownership(folder, audit, progress=progress)


def run_ownership(out: Path, audit: OwnershipAudit, *, progress: Progress | None = None) -> OwnershipResult:
    """As `own`, its arguments as one value."""
    begin, clock = time.perf_counter(), Clock()
    parts = split(audit)
    folder = OwnershipFolder(out, identity_of(audit, parts))
    with clock.phase("models"):
        crowd = train_field(audit, parts, folder)
        cases = _cases(audit, parts, crowd, folder, progress)
    tests: list[TestFindings] = []
    cells: list[CellFindings] = []
    cost = Ledger()
    for name, test in audit.by_test.items():
        case = cases[name if isinstance(test, MarkingTest) else PLAIN]
        trial = Trial(
            audit=audit, parts=parts, crowd=crowd, case=case, name=name, test=test, folder=folder, clock=clock, progress=progress
        )  # fmt: skip
        findings, row, queries = trial.run()
        tests.append(findings)
        cells += row
        cost += queries
        if progress:
            progress("tests", len(tests), len(audit.tests))
    return OwnershipResult(
        findings=findings_of(
            audit, parts, crowd, cases, tests, cells, cost, clock.seconds | {"total": time.perf_counter() - begin}
        )
    )


def _cases(
    audit: OwnershipAudit, parts: Split, crowd: Field, folder: OwnershipFolder, progress: Progress | None
) -> dict[str, Case]:
    """The owner's model without marks, and one for each test that has marks, with copies of each."""
    marking = {name: test for name, test in audit.by_test.items() if isinstance(test, MarkingTest)}
    victims: dict[str, tuple[Suspects, Dataset]] = {}
    if len(marking) < len(audit.tests):
        victims[PLAIN] = crowd.victim, parts.members
    for name, test in marking.items():
        victims[name] = train_marked(audit, parts, test, name, folder)
    cases, total = {}, len(victims) * len(audit.copies)
    for name, (victim, members) in victims.items():
        copies: list[Suspects] = []
        for kind, copy in audit.by_copy.items():
            copies.append(steal(audit, parts, victim, members, kind, copy, folder))
            if progress:
                progress("copies", len(cases) * len(audit.copies) + len(copies), total)
        cases[name] = Case(name=name, victim=victim, copies=tuple(copies))
    return cases
