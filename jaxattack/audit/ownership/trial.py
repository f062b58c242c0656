"""One test of ownership: its evidence, what it says of every suspect, whom of the independent it accuses, and what it asked of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxattack.audit.findings.ownership import CellFindings, TestFindings
from jaxattack.audit.ownership.findings import Case
from jaxattack.audit.ownership.folder import OwnershipFolder
from jaxattack.audit.ownership.judgement import cell, is_null, rate, scores_of
from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.split import Split
from jaxattack.audit.ownership.suspects import Field, Suspects, answering, surrogates_of
from jaxattack.audit.session import settings
from jaxattack.types import Evidence, FolderError, InputError, Ledger, Owner, OwnershipTest, Progress, Proof


@dataclass(kw_only=True)
class Clock:
    """Seconds of this call, by what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to those of its name."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


class _Statement(NamedTuple):
    """What a test says of suspects of one kind.

    Attributes:
        suspects: asked.
        proofs: one of each.
        seconds: a proof took.
    """

    suspects: Suspects
    proofs: Sequence[Proof]
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A test with all that it is held against.

    Attributes:
        audit: its settings.
        parts: the records.
        crowd: the independent models, and the owner's references.
        case: the owner's model, and its copies.
        name: of the test.
        test: of ownership.
        folder: where evidence and proofs are kept.
        clock: for "evidence" and "proofs".
        progress: called as work is done.
    """

    audit: OwnershipAudit
    parts: Split
    crowd: Field
    case: Case
    name: str
    test: OwnershipTest
    folder: OwnershipFolder
    clock: Clock
    progress: Progress | None

    def run(self) -> tuple[TestFindings, list[CellFindings], Ledger]:
        """Findings of the test, those of each kind of suspect, and the cost; a test that cannot be run says why."""
        about = {
            "name": self.name, "paper": self.test.paper, "settings": settings(self.test), "victim": self.case.name,
            "sees": "weights" if self.test.white_box else self.test.levels[0],
        }  # fmt: skip
        try:
            with self.clock.phase("evidence"):
                evidence, seconds = self.folder.evidence(self.name, self._decides, self._prepare)
        except FolderError:
            raise  # of the disk, and no finding
        except InputError as error:
            none = {
                "false": None,
                "rank_false": None,
                "normal_false": None,
                "gradients": 0,
                "seconds": 0.0,
                "notes": {},
            }
            return TestFindings(**about, **none, reason=str(error)), [], Ledger()
        with self.clock.phase("proofs"):
            statements = self._statements(evidence)
        null = scores_of(next(one.proofs for one in statements if is_null(one.suspects)))
        cells = [cell(self.name, self.case.name, one.suspects, one.proofs, null, one.seconds) for one in statements]
        own = next(one for one in cells if one.kind == "independent")
        findings = TestFindings(
            **about,
            false=rate(own.accused, own.models),
            rank_false=rate(own.rank_accused, own.models),
            normal_false=rate(own.normal_accused, own.models),
            gradients=evidence.gradients,
            seconds=seconds,
            notes=evidence.notes,
            reason="",
        )
        return findings, cells, sum((proof.cost for one in statements for proof in one.proofs), Ledger())

    @property
    def _decides(self) -> tuple[Any, ...]:
        return self.test, self.case.victim.decides

    def _prepare(self) -> tuple[Evidence, float]:
        """The evidence of the owner, and the seconds that it took."""
        begin, parts, victim = time.perf_counter(), self.parts, self.case.victim
        surrogates = surrogates_of(self.audit, parts, victim, self.folder) if self.test.surrogates else None
        owner = Owner(
            victim=next(victim.boxes(parts)), members=parts.members, held_out=parts.held_out, public=parts.public,
            references=self.crowd.references, surrogates=surrogates,
        )  # fmt: skip
        evidence = self.test.prepare(owner, seed=self.audit.seed, progress=self._preparing)
        return evidence, time.perf_counter() - begin

    @property
    def _preparing(self) -> Progress | None:
        """Progress of what the test prepares, under its name."""
        progress, name = self.progress, self.name
        return None if progress is None else lambda what, count, total: progress(f"{name}, {what}", count, total)

    def _statements(self, evidence: Evidence) -> list[_Statement]:
        """The owner's own model first, then its copies, then the independent models."""
        statements: list[_Statement] = []
        everybody = (self.case.victim, *self.case.copies, *self.crowd.independents)
        for suspects in everybody:
            file, decides = f"{self.name} {suspects.kind}", (self.test, suspects.decides)
            proofs, seconds = self.folder.proofs(file, decides, len(suspects), self._ask(suspects, evidence))
            statements.append(_Statement(suspects, proofs, seconds))
            if self.progress:
                self.progress(self.name, len(statements), len(everybody))
        return statements

    def _ask(self, suspects: Suspects, evidence: Evidence) -> Callable[[], tuple[list[Proof], float]]:
        """What holds the evidence against suspects: a proof of each, and the seconds that one took."""

        def ask() -> tuple[list[Proof], float]:
            begin, test = time.perf_counter(), self.test
            doors = (box if test.white_box else answering(box, test.levels[0]) for box in suspects.boxes(self.parts))
            with self.folder.holding(self.name, self._decides):
                proofs = [test(door, evidence, seed=self.audit.seed) for door in doors]
            return proofs, (time.perf_counter() - begin) / len(proofs)

        return ask
