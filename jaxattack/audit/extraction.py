"""Steal a model and say how alike the stolen one is: a victim, an attack, findings."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxattack.attacks.extraction import ATTACKS, uniform
from jaxattack.attacks.naming import label
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.cost import query_cost
from jaxattack.audit.findings.extraction import (
    AttackFindings,
    CostFindings,
    ExtractionFindings,
    Seconds,
)
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import StolenFindings, TargetFindings, VerificationFindings
from jaxattack.audit.likeness import compare as compare_models
from jaxattack.audit.session import open_session, settings, terms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.audit.watch import watch_findings
from jaxattack.oracle import DETECTORS, PRADA
from jaxattack.training import check_seed
from jaxattack.types import (
    Extraction,
    ExtractionAttack,
    Oracle,
    Progress,
    Verdict,
    Verification,
    WhiteBox,
    at_least,
    check_arguments,
    config,
)

FREE, PAID = 10_000, 100
"""Random inputs to compare on, with the victim at hand, as Tramèr et al. 2016, and where comparing costs queries, which bound the
disagreement by 3%."""


@config
class ExtractionAudit:
    """What is tried on a victim.

    Attributes:
        attack: None for the one that fits the victim.
        budget: queries, at most; None for what the attack asks by itself.
        seed: decides everything random.
        compare: random inputs on which the stolen model is compared with the victim, beside all records held out; None for
            10,000. Where comparing costs queries they are inputs in all, 100 by default, half of them records held out
            where there are some, within the budget and asked when the attack and its verification have ended.
        trials: inputs on which the stolen model is verified, `jaxattack.types.Verification`; they are paid for by the
            attacker, within the budget. 0 for none, and then nothing is complete.
        watch: what watches the questions for the owner; None for nothing. It changes no answer.

    Raises:
        InputError: a value out of range, or a word where an attack is due.
    """

    attack: ExtractionAttack | None = field(
        default=None, metadata={"example": "jaxattack.attacks.extraction.Softmax()"}
    )
    budget: int | None = None
    seed: int = 0
    compare: int | None = None
    trials: int = 500
    watch: PRADA | None = field(default=None, metadata={"example": "jaxattack.oracle.PRADA()"})

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(1, budget=self.budget, compare=self.compare)
        at_least(0, trials=self.trials)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExtractionResult(Reportable):
    """An extraction with its findings.

    Attributes:
        extraction: the stolen model.
        findings: how alike it is and what it cost, for `jaxattack.report`.
    """

    extraction: Extraction
    findings: ExtractionFindings


@check_arguments("out", "progress")
def extract(
    victim: Victim | Oracle | WhiteBox,
    attack: ExtractionAttack | None = None,
    *,
    budget: int | None = None,
    seed: int = 0,
    compare: int | None = None,
    trials: int = 500,
    watch: PRADA | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> ExtractionResult:
    """Steal a model and compare it with its victim.

    Args:
        victim: what is stolen; beside a bare oracle nothing judges but its own answers, which are counted.
        attack: how; None for the attack that fits the victim.
        budget: queries, at most; as the next three see `ExtractionAudit`.
        seed: decides everything random.
        compare: inputs to compare on.
        trials: inputs to verify on.
        watch: what watches the questions for the owner; None for nothing.
        out: a folder that keeps every answer. Given again, answers that are there are not paid for again.
        progress: called as queries are answered.

    Raises:
        InputError: bad input, a foreign folder, or a victim that cannot be believed or reached.

    Example:
        >>> stolen = ja.extract(ja.open_victim("logistic", data="iris"), ja.attacks.extraction.Softmax())
        >>> stolen.extraction.complete
        True
    """
    out = None if out is None else Path(out)
    begin = time.perf_counter()
    audit = ExtractionAudit(attack=attack, budget=budget, seed=seed, compare=compare, trials=trials, watch=watch)
    target = as_victim(victim)
    method = audit.attack or target.usual_attack
    audit = replace(audit, attack=method)
    questions = {"method": label(method, ATTACKS), "seed": audit.seed, "trials": audit.trials}
    identity = {} if out is None else target.identity | questions
    with open_session(
        target.oracle, kind="extraction", identity=identity, out=out, budget=audit.budget, detector=watch
    ) as session:
        start, before = time.perf_counter(), session.oracle.ledger
        extraction = method(
            session.oracle,
            seed=audit.seed,
            pool=target.pool,
            progress=progress,
            verification=Verification(trials=audit.trials),
        )
        seconds, asked = time.perf_counter() - start, session.oracle.ledger - before
        seen = None if session.watched is None or watch is None else watch_findings(watch, session.watched.watch)
        # The stolen model beside its victim, on inputs that no attack of the same seed has asked.
        paid = session.oracle if target.twin is None else None
        fresh = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(1, 0)))
        inputs = uniform(target.oracle.access.inputs, audit.compare or (FREE if paid is None else PAID), fresh)
        comparison = compare_models(target, extraction, inputs, paid=paid)
        cost = session.oracle.ledger - before
    findings = ExtractionFindings(
        title=f"{target.name} · {method.name}",
        victim=target_findings(target),
        attack=_attack_findings(method, extraction),
        **vars(comparison),
        warnings=session.warnings,
        notes=target.notes,
        cost=CostFindings(
            **query_cost(cost, session.prepaid),
            attack=extraction.attack_cost.queries,
            verification=extraction.verdict.cost.queries,
            comparison=None if paid is None else (cost - asked).queries,
            unknowns=sum(np.size(value) for value in extraction.parameters.values()) or None,
            seconds=Seconds(
                victim=cost.seconds,
                attack=max(seconds - asked.seconds, 0.0),
                total=time.perf_counter() - begin,
            ),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        watch=seen,
        config=_config(target, audit),
        environment=environment(),
    )
    return ExtractionResult(extraction=extraction, findings=findings)


def _config(victim: Victim, audit: ExtractionAudit) -> dict[str, Any]:
    plain = asdict(replace(audit, attack=None, watch=None)) | {"access": terms(victim.oracle)}
    del plain["attack"]
    plain["watch"] = None if audit.watch is None else label(audit.watch, DETECTORS)
    return {"victim": victim.name, "method": label(audit.attack, ATTACKS), **plain}


def _attack_findings(attack: ExtractionAttack, extraction: Extraction) -> AttackFindings:
    return AttackFindings(
        name=attack.name,
        settings=settings(attack),
        converged=extraction.converged,
        exact=extraction.exact,
        complete=extraction.complete,
        reason=extraction.reason,
        verification=verification_findings(extraction.verdict),
        notes=extraction.notes,
    )


def verification_findings(verdict: Verdict) -> VerificationFindings:
    """What comparing on fresh inputs gave."""
    return VerificationFindings(
        trials=verdict.trials, disagreements=verdict.disagreements, bound=verdict.bound, places=verdict.tallies
    )


def stolen_findings(stolen: Extraction) -> StolenFindings:
    """A model that was stolen so that an attack could go on with it."""
    return StolenFindings(
        attack=stolen.attack,
        converged=stolen.converged,
        complete=stolen.complete,
        reason=stolen.reason,
        verification=verification_findings(stolen.verdict),
        queries=stolen.cost.queries,
        price=stolen.cost.price,
    )


def target_findings(victim: Victim) -> TargetFindings:
    """A victim and its terms."""
    access = victim.oracle.access
    return TargetFindings(
        name=victim.name,
        level=access.level,
        classes=access.classes,
        features=int(np.prod(access.inputs.shape)),
        top=access.top,
        decimals=access.decimals,
        precision=access.precision,
        transport=victim.transport,
    )
