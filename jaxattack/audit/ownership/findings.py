"""What is told of an audit of ownership, from its models, its tests and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.ownership import (
    CellFindings,
    CostFindings,
    OwnershipFindings,
    Seconds,
    SplitFindings,
    SuspectFindings,
    TestFindings,
    VictimFindings,
)
from jaxattack.audit.model_source import identity as model_identity
from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.split import Split
from jaxattack.audit.ownership.suspects import PLAIN, SURROGATES, Field, Suspects, answering
from jaxattack.data import fingerprint
from jaxattack.metrics.fidelity import fidelity
from jaxattack.models.source import label as model_label
from jaxattack.training import learners
from jaxattack.training.source import model_for
from jaxattack.types import Ledger, MarkingTest


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One model of the owner, and what thieves made of it.

    Attributes:
        name: of the test whose marks it has; empty without.
        victim: the model.
        copies: of it, by kind.
    """

    name: str
    victim: Suspects
    copies: tuple[Suspects, ...]


def identity_of(audit: OwnershipAudit, parts: Split) -> dict[str, Any]:
    """All that decides what a folder keeps beside tests and copies."""
    fields = ("seeds", "independents", "others", "overlapping", "overlap", "other", "references", "surrogates", "seed")
    return {
        "data": {"name": audit.dataset.name, "records": len(parts.every), "sha256": fingerprint(audit.dataset)},
        "members": len(parts.members),
        "held_out": len(parts.held_out),
        "model": model_identity(audit.model, model_for(audit.model, parts.every), parts.every.shape),
        "recipe": asdict(audit.learner.recipe),
        **learners.identity(audit.learner, len(parts.members)),
        **{name: getattr(audit, name) for name in fields},
    }


def findings_of(
    audit: OwnershipAudit,
    parts: Split,
    crowd: Field,
    cases: Mapping[str, Case],
    tests: Sequence[TestFindings],
    cells: Sequence[CellFindings],
    cost: Ledger,
    seconds: Mapping[str, float],
) -> OwnershipFindings:
    """What is told of an audit of ownership.

    Args:
        audit: what was tried.
        parts: whose records are which.
        crowd: the references and the independent models.
        cases: the owner's models and their copies, by the mark that is trained into them.
        tests: each test on the owner's own model and on the independent ones.
        cells: each test on each kind of suspect.
        seconds: by phase.
    """
    suspects = [_suspect(parts, case, kind) for case in cases.values() for kind in (case.victim, *case.copies)] + [
        _suspect(parts, next(iter(cases.values())), kind) for kind in crowd.independents
    ]
    copied = {
        name if isinstance(test, MarkingTest) else PLAIN for name, test in audit.by_test.items() if test.surrogates
    }
    surrogates = len(SURROGATES) * audit.surrogates * len(copied)  # tests of one victim have the same
    return OwnershipFindings(
        title=f"{audit.dataset.name} · {model_label(audit.model)} · {len(parts.members):,} records of the owner",
        split=SplitFindings(
            members=len(parts.members),
            held_out=len(parts.held_out),
            public=len(parts.public),
            features=int(np.prod(parts.every.shape)),
            classes=parts.every.classes,
        ),
        victims=tuple(_victim(parts, case) for case in cases.values()),
        suspects=tuple(suspects),
        tests=tuple(tests),
        cells=tuple(cells),
        notes=_notes(audit, cases),
        cost=CostFindings(
            models=sum(one.models for one in suspects) + audit.references + surrogates,
            queries=cost.queries,
            price=cost.price,
            seconds=Seconds(**{name: seconds.get(name, 0.0) for name in ("models", "evidence", "proofs", "total")}),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={**identity_of(audit, parts), "tests": [*audit.by_test], "copies": [*audit.by_copy]},
        environment=environment(),
    )


def _victim(parts: Split, case: Case) -> VictimFindings:
    box = next(case.victim.boxes(parts))
    train, test = (
        float((np.asarray(_labels(box, records.x)) == records.y).mean()) for records in (parts.members, parts.held_out)
    )
    return VictimFindings(name=case.name, train_accuracy=train, test_accuracy=test)


def _labels(box: Any, x: np.ndarray) -> np.ndarray:
    return answering(box, "label")(x).label


def _suspect(parts: Split, case: Case, suspects: Suspects) -> SuspectFindings:
    """How good models of one kind are, how like the victim, and what each cost."""
    x, y = parts.held_out.x, parts.held_out.y
    victim = answering(next(case.victim.boxes(parts)), "logit")(x)
    compared = [fidelity(victim, answering(box, "logit")(x), y) for box in suspects.boxes(parts)]

    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in compared]))

    accuracy = mean("accuracy")
    return SuspectFindings(
        kind=suspects.kind,
        victim=case.name,
        relation=suspects.relation,
        access=suspects.access,
        paper=suspects.paper,
        models=len(suspects),
        accuracy=accuracy,
        accuracy_loss=mean("victim_accuracy") - accuracy,
        agreement=mean("agreement"),
        variation_mean=mean("variation_mean"),
        variation_max=mean("variation_max"),
        queries=int(suspects.cost["queries"]),
        steps=int(suspects.cost["steps"]),
        seconds=float(suspects.cost["seconds"]),
        price=float(suspects.cost["price"]),
    )


def _notes(audit: OwnershipAudit, cases: Mapping[str, Case]) -> tuple[str, ...]:
    """What must be known to read the findings, in sentences."""
    notes = [
        "All copies are of one model of the owner, so that figures say nothing of how they vary from owner to owner.",
        f"An independent model is held against the {audit.independents - 1} others: its rank accuses at most one in twenty by construction.",
    ]
    if marked := [name for name in cases if name]:
        notes.append(
            f"Thieves copied a model of its own for {' and '.join(marked)}, into which its marks were trained."
        )
    return tuple(notes)
