"""Steal a model and say how alike the stolen one is: an oracle, an attack, findings."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack.attacks.extraction import lookup, uniform
from jaxattack.audit.compare import compare
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings import values
from jaxattack.audit.session import open_session, settings, terms
from jaxattack.audit.sweep import Findings
from jaxattack.audit.victim import Victim
from jaxattack.oracle import label_only, limited, noisy, rounded, tempered, top_k
from jaxattack.training import check_seed
from jaxattack.types import (
    Extraction,
    InputError,
    Level,
    Oracle,
    Precision,
    Progress,
    Verdict,
    Verification,
    at_least,
    config,
)

FREE, PAID = 10_000, 100
"""Random inputs to compare on, with the victim at hand and where comparing costs queries."""


@config
class Terms:
    """On which terms a victim answers.

    Attributes:
        level: label, probability or logit; as much as its kind usually answers by default.
        top: only the so many most likely classes; 0 for all.
        decimals: round confidences to so many decimals.
        temperature: confidences of the logits divided by this.
        noise: standard deviation of normal noise on confidences or logits.
        rate: queries a second, at most.
        precision: the arithmetic of a network of this package: float64, float32 or bfloat16; float64 by default.
    """

    level: Level | None = None
    top: int = 0
    decimals: int | None = None
    temperature: float = 1.0
    noise: float = 0.0
    rate: float | None = None
    precision: Precision | None = None


def on_terms(oracle: Oracle, terms: Terms, seed: int = 0) -> Oracle:
    """A victim behind the defences that its terms name, in the order in which a service applies them.

    Raises:
        InputError: a value out of range, or a defence that the victim's answers do not allow.
    """
    for name, chosen in (("level", terms.level), ("precision", terms.precision)):
        if chosen not in (None, "label", getattr(oracle.access, name)):
            raise InputError(
                f"{name} is {chosen!r} and the victim answers with {getattr(oracle.access, name)}: open it with {name}={chosen!r}."
            )
    if terms.temperature != 1:
        oracle = tempered(oracle, terms.temperature)
    if terms.noise:
        oracle = noisy(oracle, terms.noise, seed)
    if terms.top:
        oracle = top_k(oracle, terms.top)
    if terms.decimals is not None:
        oracle = rounded(oracle, terms.decimals)
    if terms.level == "label" and oracle.access.level != "label":
        oracle = label_only(oracle)
    return limited(oracle, terms.rate) if terms.rate is not None else oracle


@config
class ExtractionAudit:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as softmax?queries=200.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
        compare: random inputs on which the stolen model is compared with the victim, beside all records held out: 10,000
            by default. A prediction API counts them: there they are inputs in all, 100 by default, half of them records
            held out where there are some, within the budget and asked when the attack and its verification have ended.
        trials: inputs on which the stolen model is verified, `jaxattack.types.Verification`; they are paid for by the
            attacker, within the budget. 0 for none, and then nothing is complete.

    Raises:
        InputError: an unknown attack, or a value out of range.
    """

    method: str | None = None
    budget: int | None = None
    seed: int = 0
    compare: int | None = None
    trials: int = 500

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.method is not None:
            lookup(self.method)
        at_least(1, budget=self.budget, compare=self.compare)
        at_least(0, trials=self.trials)


class Stolen(NamedTuple):
    """An extraction with its findings.

    Attributes:
        extraction: the stolen model.
        findings: plain values for the report; `jaxattack.report.extraction` documents the keys.
    """

    extraction: Extraction
    findings: Findings


def extract(
    victim: Victim,
    *,
    audit: ExtractionAudit = ExtractionAudit(),
    oracle: Oracle | None = None,
    transport: str = "in this process",
    out: Path | None = None,
    progress: Progress | None = None,
) -> Stolen:
    """Steal a model and compare it with its victim.

    Args:
        victim: what is stolen, and what judges it.
        audit: how.
        oracle: what the attack asks, where that is not the victim's own: the same victim on other terms, or over HTTP.
        transport: how it is asked, in words.
        out: a folder that keeps every answer. Given again, answers that are there are not paid for again.
        progress: called as queries are answered.

    Raises:
        InputError: bad input, a foreign folder, or a victim that cannot be believed or reached.
    """
    begin = time.perf_counter()
    name = audit.method or victim.method
    attack = lookup(name)
    questions = {"method": name, "seed": audit.seed, "trials": audit.trials}
    identity = ({} if out is None else victim.identity) | questions
    whole = oracle or victim.oracle
    with open_session(whole, kind="extraction", identity=identity, out=out, budget=audit.budget) as handed:
        started, before = time.perf_counter(), handed.oracle.ledger
        extraction = attack(
            handed.oracle,
            seed=audit.seed,
            pool=victim.pool,
            progress=progress,
            verification=Verification(trials=audit.trials),
        )
        spent = time.perf_counter() - started
        stolen_at = handed.oracle.ledger
        count = audit.compare or (PAID if victim.remote else FREE)
        alikeness = compare(
            victim,
            extraction,
            uniform(whole.access.inputs, count, _fresh(audit.seed)),
            paid=handed.oracle if victim.remote else None,
        )
        cost, comparison = handed.oracle.ledger - before, handed.oracle.ledger - stolen_at
    findings = {
        "format": 1,
        "kind": "extraction",
        "title": f"{victim.name} · {attack.name}",
        "victim": described(victim, whole, transport),
        "attack": {
            "name": attack.name,
            "settings": settings(attack),
            "converged": extraction.converged,
            "complete": extraction.complete,
            "reason": extraction.reason,
            "verification": verification(extraction.verdict),
            "notes": values(extraction.notes),
        },
        **alikeness,
        "warnings": handed.warnings,
        "notes": list(victim.notes),
        "cost": {
            "queries": cost.queries,
            "attack": extraction.attack_cost.queries,
            "verification": extraction.verdict.cost.queries,
            "comparison": comparison.queries if victim.remote else None,
            "calls": cost.calls,
            "bytes": cost.bytes,
            "price": cost.price,
            "kept": min(handed.kept, cost.queries),
            "unknowns": sum(np.size(value) for value in extraction.parameters.values()) or None,
            "seconds": {"victim": cost.seconds, "attack": max(spent - (cost - comparison).seconds, 0.0)},
            "memory_bytes": peak_memory(),
            "device": device(),
        },
        "config": {"victim": victim.name, "method": name, **asdict(audit), "access": terms(whole)},
        "environment": environment(),
    }
    findings["cost"]["seconds"]["total"] = time.perf_counter() - begin
    return Stolen(extraction, Findings(findings, {}))


def _fresh(seed: int) -> np.random.Generator:
    """Inputs to compare on that no attack of the same seed has asked."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, 0)))


def verification(verdict: Verdict) -> dict[str, Any]:
    """What comparing on fresh inputs gave, as plain values."""
    return {
        "trials": verdict.trials,
        "disagreements": verdict.disagreements,
        "bound": verdict.bound,
        "places": {place: values(tally) for place, tally in verdict.tallies.items()},
    }


def described(victim: Victim, oracle: Oracle, transport: str) -> dict[str, Any]:
    """A victim and its terms, as plain values."""
    access = oracle.access
    return {
        "name": victim.name,
        "level": access.level,
        "classes": access.classes,
        "features": int(np.prod(access.inputs.shape)),
        "top": access.top,
        "decimals": access.decimals,
        "precision": access.precision,
        "transport": transport,
    }
