"""Tests of ownership held against copies and against independent models: models, evidence, proofs, findings.

A test that must be trained in has an owner's model of its own, with its marks, and thieves copy that one; independent models
are the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxattack.attacks.ownership import ATTACKS
from jaxattack.audit.findings.ownership import (
    CellFindings,
    OwnershipFindings,
    TestFindings,
)
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.ownership.findings import Case, findings_of, identity_of
from jaxattack.audit.ownership.folder import OwnershipFolder
from jaxattack.audit.ownership.judgement import cell, is_null, rate, scores_of
from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.split import Split, split
from jaxattack.audit.ownership.suspects import (
    PLAIN,
    Field,
    Suspects,
    answering,
    steal,
    surrogates_of,
    train_field,
    train_marked,
)
from jaxattack.audit.session import settings
from jaxattack.audit.sweep import folder_or_none
from jaxattack.models.source import ModelSource
from jaxattack.training.copies import COPIES, Copy
from jaxattack.training.learners import Standard
from jaxattack.types import (
    Dataset,
    FolderError,
    InputError,
    Learner,
    Ledger,
    MarkingTest,
    Owner,
    OwnershipTest,
    Progress,
    Proof,
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


@dataclass(kw_only=True)
class _Clock:
    """Seconds of this call, by what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def run_ownership(out: Path, audit: OwnershipAudit, *, progress: Progress | None = None) -> OwnershipResult:
    """As `own`, its arguments as one value."""
    begin, clock = time.perf_counter(), _Clock()
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
        about, row, asked = _test(audit, parts, crowd, case, name, test, folder, clock, progress)
        tests.append(about)
        cells += row
        cost += asked
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


def _test(
    audit: OwnershipAudit,
    parts: Split,
    crowd: Field,
    case: Case,
    name: str,
    test: OwnershipTest,
    folder: OwnershipFolder,
    clock: _Clock,
    progress: Progress | None,
) -> tuple[TestFindings, list[CellFindings], Ledger]:
    """One test: its evidence, what it says of every suspect, whom of the independent it accuses, and what it asked of all."""
    about = {
        "name": name, "paper": test.paper, "settings": settings(test), "victim": case.name,
        "sees": "weights" if test.white_box else test.levels[0],
    }  # fmt: skip

    def prepare() -> tuple[Any, float]:
        begin = time.perf_counter()
        surrogates = surrogates_of(audit, parts, case.victim, folder) if test.surrogates else None
        owner = Owner(
            victim=next(case.victim.boxes(parts)), members=parts.members, held_out=parts.held_out, public=parts.public,
            references=crowd.references, surrogates=surrogates,
        )  # fmt: skip
        return test.prepare(owner, seed=audit.seed, progress=_of(name, progress)), time.perf_counter() - begin

    try:
        with clock.phase("evidence"):
            evidence, seconds = folder.evidence(name, (test, case.victim.decides), prepare)
    except FolderError:
        raise  # of the disk, and no finding
    except InputError as error:
        none = {"false": None, "rank_false": None, "normal_false": None, "gradients": 0, "seconds": 0.0, "notes": {}}
        return TestFindings(**about, **none, reason=str(error)), [], Ledger()

    def proofs_of(suspects: Suspects) -> Callable[[], tuple[list[Proof], float]]:
        def ask() -> tuple[list[Proof], float]:
            begin = time.perf_counter()
            doors = (box if test.white_box else answering(box, test.levels[0]) for box in suspects.boxes(parts))
            with folder.holding(name, (test, case.victim.decides)):
                proofs = [test(door, evidence, seed=audit.seed) for door in doors]
            return proofs, (time.perf_counter() - begin) / len(proofs)

        return ask

    said: list[tuple[Suspects, Sequence[Proof], float]] = []
    everybody = (case.victim, *case.copies, *crowd.independents)
    with clock.phase("proofs"):
        for suspects in everybody:
            file = f"{name} {suspects.kind}"
            said.append((suspects, *folder.proofs(file, (test, suspects.decides), len(suspects), proofs_of(suspects))))
            if progress:
                progress(name, len(said), len(everybody))
    null = scores_of(next(proofs for suspects, proofs, _ in said if is_null(suspects)))
    cells = [cell(name, case.name, suspects, proofs, null, each) for suspects, proofs, each in said]
    own = next(one for one in cells if one.kind == "independent")
    return (
        TestFindings(
            **about,
            false=rate(own.accused, own.models),
            rank_false=rate(own.rank_accused, own.models),
            normal_false=rate(own.normal_accused, own.models),
            gradients=evidence.gradients,
            seconds=seconds,
            notes=evidence.notes,
            reason="",
        ),
        cells,
        sum((proof.cost for _, proofs, _ in said for proof in proofs), Ledger()),
    )


def _of(name: str, progress: Progress | None) -> Progress | None:
    """Progress of what a test prepares, under its name."""
    return None if progress is None else lambda what, count, total: progress(f"{name}, {what}", count, total)
