"""Make records back from a model and say how much they give away: a victim, an attack, an evaluation model, findings.

Whoever reads the evaluation should know that what is recognised is a class: that a record was a member is the question of
membership inference. The evaluation model has another architecture, and has learnt from the records that the victim has
not seen; the pictures beside a reconstruction are of the members, which the attack never saw.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.extraction import lookup as extraction_attack
from jaxattack.attacks.inversion import lookup
from jaxattack.audit.asked import asked, plain, settings, terms
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.extraction import described
from jaxattack.audit.opened import Opened
from jaxattack.audit.recognised import evaluation_model, gallery, recognised
from jaxattack.audit.sweep import Findings
from jaxattack.disk import make_folder, write_arrays
from jaxattack.training import check_seed
from jaxattack.types import Extraction, InputError, Inversion, Ledger, Oracle, Progress, WhiteBox


@dataclass(frozen=True, kw_only=True)
class InversionAudit:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as mi-face?restarts=16.
        targets: the classes whose records are made; all by default.
        extract: steal the model first, with this extraction attack, and invert what was stolen.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
        evaluation: the architecture of the evaluation model, as `jaxattack train` names it.

    Raises:
        InputError: an unknown attack, or a value out of range.
    """

    method: str | None = None
    targets: tuple[int, ...] = ()
    extract: str | None = None
    budget: int | None = None
    seed: int = 0
    evaluation: str = "mlp:256"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.method is not None:
            lookup(self.method)
        if self.extract is not None:
            extraction_attack(self.extract)
        if self.budget is not None and self.budget < 1:
            raise InputError(f"budget is {self.budget}: give at least 1 query.")


class Inverted(NamedTuple):
    """An inversion with its findings.

    Attributes:
        inversion: the records that were made.
        findings: plain values for the report, which `jaxattack.report.inversion` documents, and pictures for its gallery.
    """

    inversion: Inversion
    findings: Findings


class _Done(NamedTuple):
    """An inversion, and the theft before it."""

    inversion: Inversion
    stolen: Extraction | None
    cost: Ledger
    kept: int
    warnings: list[str]
    seconds: dict[str, float]


def invert(
    victim: Opened,
    *,
    audit: InversionAudit = InversionAudit(),
    oracle: Oracle | None = None,
    transport: str = "in this process",
    out: Path | None = None,
    progress: Progress | None = None,
) -> Inverted:
    """Make a record of each class and judge it.

    Args:
        victim: what is inverted, and the records that judge it.
        audit: how.
        oracle: what is asked, where that is not the victim's own: the same victim on other terms, or over HTTP.
        transport: how it is asked, in words.
        out: a folder that keeps every answer, and gets the reconstructions. Given again, answers that are there are not
            paid for again.
        progress: called as the attack goes on.

    Raises:
        InputError: bad input, a foreign folder, or a victim that cannot be believed or reached.
    """
    begin = time.perf_counter()
    name = audit.method or _method(victim, audit)
    classes = victim.oracle.access.classes
    targets = np.array(audit.targets or range(classes))
    done = _run(victim, name, audit, targets, oracle or victim.oracle, out, progress)
    started = time.perf_counter()
    model = evaluation_model(victim, audit.evaluation, audit.seed, progress)
    found = recognised(victim, done.inversion, model)
    shown, pictures = gallery(victim, done.inversion)
    values = {
        "format": 1,
        "kind": "inversion",
        "title": f"{victim.name} · {name.partition('?')[0]}" + (f" after {audit.extract}" if audit.extract else ""),
        "victim": described(victim, oracle or victim.oracle, transport) | _trained(victim),
        "attack": {
            "name": done.inversion.attack,
            "settings": settings(lookup(name)),
            "complete": done.inversion.complete,
            "reason": done.inversion.reason,
            "notes": {key: plain(value) for key, value in done.inversion.notes.items()},
            "white_box": lookup(name).white_box,
            "stolen": _stolen(done.stolen),
        },
        **found,
        "gallery": shown,
        "warnings": done.warnings,
        "cost": {
            "queries": done.cost.queries,
            "calls": done.cost.calls,
            "bytes": done.cost.bytes,
            "price": done.cost.price,
            "kept": min(done.kept, done.cost.queries),
            "gradients": done.inversion.gradients,
            "seconds": {**done.seconds, "evaluation": time.perf_counter() - started},
            "memory_bytes": peak_memory(),
            "device": device(),
        },
        "config": {"victim": victim.name, **asdict(audit), "method": name, "access": terms(oracle or victim.oracle)},
        "environment": environment(),
    }
    if out is not None:
        _keep(out, done.inversion)
    values["cost"]["seconds"]["total"] = time.perf_counter() - begin
    return Inverted(done.inversion, Findings(values, pictures))


def _method(victim: Opened, audit: InversionAudit) -> str:
    """White-box where there are weights, or will be; else what the answers allow."""
    return "mi-face" if victim.inside is not None or audit.extract is not None else "numeric"


def _run(
    victim: Opened,
    name: str,
    audit: InversionAudit,
    targets: np.ndarray,
    oracle: Oracle,
    out: Path | None,
    progress: Progress | None,
) -> _Done:
    attack = lookup(name)
    pool = victim.pool if attack.pool else None
    if attack.white_box and audit.extract is None:
        if victim.inside is None:
            raise InputError(
                f"{attack.name} needs the weights of {victim.name}: steal them first, with extract=softmax."
            )
        started = time.perf_counter()
        made = attack(victim.inside, targets, seed=audit.seed, pool=pool, progress=progress)
        return _Done(made, None, made.cost, 0, [], {"attack": time.perf_counter() - started})
    identity = {"victim": victim.name, "method": name, "extract": audit.extract, "seed": audit.seed}
    with asked(oracle, kind="inversion", identity=identity, out=out, budget=audit.budget) as handed:
        started, stolen, seconds = time.perf_counter(), None, {}
        target: Any = handed.oracle
        if audit.extract is not None:
            stolen = _steal(audit, victim, handed.oracle, progress)
            target = white_box(stolen, oracle) if attack.white_box else target
            seconds["extraction"] = time.perf_counter() - started
            started = time.perf_counter()
        made = attack(target, targets, seed=audit.seed, pool=pool, progress=progress)
        seconds["attack"] = time.perf_counter() - started
    cost = made.cost + stolen.cost if stolen else made.cost
    return _Done(made, stolen, cost, handed.kept, list(handed.warnings.values()), seconds)


def _steal(audit: InversionAudit, victim: Opened, oracle: Oracle, progress: Progress | None) -> Extraction:
    attack = extraction_attack(audit.extract or "")
    return attack(oracle, seed=audit.seed, pool=victim.pool if attack.pool else None, progress=progress)


def white_box(stolen: Extraction, oracle: Oracle) -> WhiteBox:
    """A stolen model, for attacks that need gradients.

    Raises:
        InputError: what was stolen is no network.
    """
    if stolen.model is None:
        raise InputError(f"what {stolen.attack} steals is no network and has no gradients: choose softmax or mlp.")
    access = oracle.access
    single = {name: np.asarray(value, np.float32) for name, value in stolen.parameters.items()}
    variables = stolen.variables._replace(params=single)
    return WhiteBox(model=stolen.model, variables=variables, inputs=access.inputs, classes=access.classes)


def _stolen(stolen: Extraction | None) -> dict[str, Any] | None:
    if stolen is None:
        return None
    return {
        "attack": stolen.attack,
        "complete": stolen.complete,
        "reason": stolen.reason,
        "queries": stolen.cost.queries,
        "price": stolen.cost.price,
    }


def _trained(victim: Opened) -> dict[str, Any]:
    """How many members the victim has, and how often it is right about them and about others."""
    if victim.dataset is None or victim.member is None:
        return {"members": None, "accuracy": None}
    dataset, member = victim.dataset, victim.member
    shape = victim.oracle.access.inputs.shape
    sides = {"members": member, "others": ~member}

    def right(side: np.ndarray) -> float | None:
        x = dataset.x[side].reshape(-1, *shape).astype(np.float64)
        return float((victim.twin(x).label == dataset.y[side]).mean()) if side.any() else None

    return {"members": int(member.sum()), "accuracy": {name: right(side) for name, side in sides.items()}}


def _keep(out: Path, made: Inversion) -> None:
    arrays: dict[str, Shaped[np.ndarray, "..."] | Float[np.ndarray, "..."]] = {
        "target": made.target,
        "x": made.x,
        "restarts": made.restarts,
        "score": made.score,
        "steps": made.steps,
    }
    make_folder(out)
    write_arrays(out / "reconstructions.npz", arrays)
