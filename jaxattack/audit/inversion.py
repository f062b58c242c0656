"""Make records back from a model and say how much they give away: a victim, an attack, an evaluation model, findings.

Whoever reads the evaluation should know that what is recognised is a class: that a record was a member is the question of
membership inference. The evaluation model has another architecture, and has learnt from the records that the victim has
not seen; the pictures beside a reconstruction are of the members, which the attack never saw.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.extraction import lookup as extraction_attack
from jaxattack.attacks.inversion import lookup
from jaxattack.attacks.inversion.gradient import ATTACKS as GRADIENT_ATTACKS
from jaxattack.attacks.inversion.gradient import gradient_of, match_records
from jaxattack.attacks.inversion.gradient import lookup as gradient_attack
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.extraction import described, verification
from jaxattack.audit.findings import values
from jaxattack.audit.judge import evaluation_model, gallery, judge
from jaxattack.audit.session import claim, open_session, settings, terms
from jaxattack.audit.sweep import Findings
from jaxattack.audit.victim import Victim
from jaxattack.disk import make_folder, write_arrays
from jaxattack.training import check_seed
from jaxattack.types import Extraction, InputError, Inversion, Ledger, Oracle, Progress, WhiteBox, at_least, config


@config
class InversionAudit:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as mi-face?restarts=16.
        targets: the classes whose records are made; all by default. Gradient inversion makes its users' records instead.
        extract: steal the model first, with this extraction attack, and invert what was stolen.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
        evaluation: the architecture of the evaluation model, as `jaxattack train` names it.
        users: how many send the gradient of their records, for gradient inversion.
        batch: records of each user.
        trained: whether they send it at the trained weights, and not at fresh ones as in the first round of training.

    Raises:
        InputError: an unknown attack, or a value out of range.
    """

    method: str | None = None
    targets: tuple[int, ...] = ()
    extract: str | None = None
    budget: int | None = None
    seed: int = 0
    evaluation: str = "mlp:256"
    users: int = 8
    batch: int = 1
    trained: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.method is not None and not by_gradient(self.method):
            lookup(self.method)
        at_least(1, users=self.users, batch=self.batch, budget=self.budget)
        if self.extract is not None:
            extraction_attack(self.extract)


def by_gradient(method: str) -> bool:
    """Whether a method inverts gradients.

    Raises:
        InputError: it does, and sets a field to what it does not take.
    """
    gradient = method.partition("?")[0] in GRADIENT_ATTACKS
    if gradient:
        gradient_attack(method)
    return gradient


def untrained(audit: InversionAudit) -> bool:
    """Whether an audit asks for nothing but a network's first weights."""
    return audit.method is not None and by_gradient(audit.method) and not audit.trained


class Inverted(NamedTuple):
    """An inversion with its findings.

    Attributes:
        inversion: the records that were made.
        findings: plain values for the report, which `jaxattack.report.inversion` documents, and pictures for its gallery.
    """

    inversion: Inversion
    findings: Findings


class _Done(NamedTuple):
    """An inversion, what was stolen or sent before it, and the very records that it was to make."""

    inversion: Inversion
    stolen: Extraction | None
    cost: Ledger
    kept: int
    warnings: list[str]
    seconds: dict[str, float]
    truth: Shaped[np.ndarray, "target *feature"] | None = None


def invert(
    victim: Victim,
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
    asked_ = oracle or victim.oracle
    if asked_.access.classes < 2:
        raise InputError(f"{victim.name} answers a number and no class: inverting a class needs a classifier.")
    audit = replace(audit, method=audit.method or _method(victim, audit, asked_))
    if out is not None:
        claim(out, "inversion", _identity(victim, audit, asked_), asked_)
    done = _run(victim, audit, asked_, out, progress)
    started = time.perf_counter()
    # What is recognised in a user's own record is the record itself: there is nothing to judge.
    model = None if done.truth is not None else evaluation_model(victim, audit.evaluation, audit.seed, progress)
    found = judge(victim, done.inversion, model, done.truth)
    shown, pictures = gallery(victim, done.inversion, done.truth)
    judged = time.perf_counter() - started
    if out is not None:
        _keep(out, done.inversion)
    return Inverted(
        done.inversion,
        Findings(
            {
                "format": 1,
                "kind": "inversion",
                "title": f"{victim.name} · {done.inversion.attack}"
                + (f" after {audit.extract}" if audit.extract else ""),
                "victim": described(victim, asked_, transport)
                | (_NOT_TRAINED if untrained(audit) else _trained(victim)),
                "attack": _tried(audit, done),
                **found,
                "gallery": shown,
                "warnings": done.warnings,
                "notes": list(victim.notes),
                "cost": _cost(done, judged, time.perf_counter() - begin),
                "config": {"victim": victim.name, **asdict(audit), "access": terms(asked_)},
                "environment": environment(),
            },
            pictures,
        ),
    )


def _tried(audit: InversionAudit, done: _Done) -> dict[str, Any]:
    """The attack, as the report has it."""
    method = audit.method or ""
    gradient = by_gradient(method)
    attack = gradient_attack(method) if gradient else lookup(method)
    return {
        "name": done.inversion.attack,
        "settings": settings(attack),
        "complete": done.inversion.complete,
        "reason": done.inversion.reason,
        "notes": values(done.inversion.notes),
        "white_box": gradient or lookup(method).white_box,
        "updates": {"users": audit.users, "batch": audit.batch, "trained": audit.trained} if gradient else None,
        "stolen": _stolen(done.stolen),
    }


def _cost(done: _Done, judged: float, total: float) -> dict[str, Any]:
    return {
        "queries": done.cost.queries,
        "calls": done.cost.calls,
        "bytes": done.cost.bytes,
        "price": done.cost.price,
        "kept": min(done.kept, done.cost.queries),
        "gradients": done.inversion.gradients,
        "seconds": {**done.seconds, "evaluation": judged, "total": total},
        "memory_bytes": peak_memory(),
        "device": device(),
    }


def _identity(victim: Victim, audit: InversionAudit, oracle: Oracle) -> dict[str, Any]:
    """What decides the reconstructions: the victim, and the attack without the model that judges them."""
    attack = asdict(audit)
    for name in ("evaluation", "budget"):
        del attack[name]
    return victim.identity | attack | {"targets": _targets(audit, oracle).tolist()}


def _targets(audit: InversionAudit, oracle: Oracle) -> np.ndarray:
    return np.array(audit.targets or range(oracle.access.classes))


def _method(victim: Victim, audit: InversionAudit, oracle: Oracle) -> str:
    """White-box where there are weights, or will be; else what the answers allow."""
    if victim.inside is not None or audit.extract is not None:
        return "mi-face"
    return "boundary" if oracle.access.level == "label" else "numeric"


def _run(victim: Victim, audit: InversionAudit, oracle: Oracle, out: Path | None, progress: Progress | None) -> _Done:
    name = audit.method or ""
    if by_gradient(name):
        return _from_gradients(victim, name, audit, progress)
    attack, targets = lookup(name), _targets(audit, oracle)
    if audit.extract is not None and not attack.white_box:
        raise InputError(
            f"{attack.name} asks the victim itself and has no use for a stolen model: leave extract out, or give mi-face."
        )
    pool = victim.pool if attack.pool else None
    if attack.white_box and audit.extract is None:
        if victim.inside is None:
            raise InputError(
                f"{attack.name} needs the weights of {victim.name}: steal them first, with extract=softmax."
            )
        started = time.perf_counter()
        made = attack(victim.inside, targets, seed=audit.seed, pool=pool, progress=progress)
        return _Done(made, None, made.cost, 0, [], {"attack": time.perf_counter() - started})
    identity = {} if out is None else _identity(victim, audit, oracle)
    with open_session(oracle, kind="inversion", identity=identity, out=out, budget=audit.budget) as handed:
        started, stolen, seconds = time.perf_counter(), None, {}
        target: Any = handed.oracle
        if audit.extract is not None:
            stolen = _steal(audit, victim, handed.oracle, progress)
            target = white_box(stolen, oracle)
            seconds["extraction"] = time.perf_counter() - started
            started = time.perf_counter()
        made = attack(target, targets, seed=audit.seed, pool=pool, progress=progress)
        seconds["attack"] = time.perf_counter() - started
    cost = made.cost + stolen.cost if stolen else made.cost
    return _Done(made, stolen, cost, handed.kept, handed.warnings, seconds)


def _from_gradients(victim: Victim, name: str, audit: InversionAudit, progress: Progress | None) -> _Done:
    """What users' gradients say of the first members, each user with as many as the batch."""
    if victim.inside is None or victim.dataset is None or victim.member is None or audit.extract is not None:
        raise InputError(f"{name} inverts what users of shared training send: give a network that is trained here.")
    shared, wanted = victim.inside, audit.users * audit.batch
    chosen = np.flatnonzero(victim.member)[:wanted]
    if len(chosen) < wanted:
        raise InputError(f"users times batch is {wanted} and the victim has {len(chosen)} members: ask for fewer.")
    if not audit.trained:
        fresh = shared.model.init(jax.random.fold_in(jax.random.key(audit.seed), 0))
        shared = replace(shared, variables=fresh)
    x, y = victim.dataset.x[chosen].astype(np.float32), victim.dataset.y[chosen]
    updates = gradient_of(
        shared, x.reshape(audit.users, audit.batch, *x.shape[1:]), y.reshape(audit.users, audit.batch)
    )
    started = time.perf_counter()
    made = gradient_attack(name)(shared, updates, seed=audit.seed, progress=progress)
    seconds = {"attack": time.perf_counter() - started}
    users = np.split(np.arange(wanted), audit.users)
    # A batch's records come in no order: each reconstruction is beside the record that it is matched with.
    order = np.concatenate([user[np.argsort(match_records(made.x[user], x[user]))] for user in users])
    return _Done(made, None, made.cost, 0, [], seconds, x[order])


def _steal(audit: InversionAudit, victim: Victim, oracle: Oracle, progress: Progress | None) -> Extraction:
    attack = extraction_attack(audit.extract or "")
    return attack(oracle, seed=audit.seed, pool=victim.pool, progress=progress)


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
        "converged": stolen.converged,
        "complete": stolen.complete,
        "reason": stolen.reason,
        "verification": verification(stolen.verdict),
        "queries": stolen.cost.queries,
        "price": stolen.cost.price,
    }


_NOT_TRAINED = {"members": None, "accuracy": None}


def _trained(victim: Victim) -> dict[str, Any]:
    """How many members the victim has, and how often it is right about them and about others."""
    if victim.dataset is None or victim.member is None:
        return _NOT_TRAINED
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
