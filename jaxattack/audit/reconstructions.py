"""Make records back from a victim: from its weights, its answers, a model stolen first, or what its users sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxattack.attacks.extraction.asking import ask_most
from jaxattack.attacks.inversion.gradient import GradientAttack, gradient_of, match_records
from jaxattack.audit.session import Session
from jaxattack.audit.victim import Victim
from jaxattack.types import (
    Answer,
    Extraction,
    ExtractionAttack,
    InputError,
    Inversion,
    InversionAttack,
    Ledger,
    Oracle,
    Progress,
    WhiteBox,
)

Targets = Int[np.ndarray, "target"]


class Labels(NamedTuple):
    """What the victim takes reconstructions for.

    Attributes:
        best: the best of each target.
        restarts: every one.
    """

    best: Int[np.ndarray, "target"]
    restarts: Int[np.ndarray, "target restart"]


class Reconstructions(NamedTuple):
    """Records that were made back, and what came before them.

    Attributes:
        inversion: the records.
        labels: what the victim takes them for; None where the budget left no queries to ask it.
        cost: all that was asked.
        seconds: by phase.
        stolen: the model that was stolen first.
        prepaid: queries that an earlier start had paid for.
        warnings: what is odd about the answers.
        truth: the very records that were to be made, where there are such.
        found: share of their labels that came with the reconstructions, each user's in no order; None elsewhere.
    """

    inversion: Inversion
    labels: Labels | None
    cost: Ledger
    seconds: Mapping[str, float]
    stolen: Extraction | None = None
    prepaid: int = 0
    warnings: tuple[str, ...] = ()
    truth: Shaped[np.ndarray, "target *feature"] | None = None
    found: float | None = None


def from_weights(
    attack: InversionAttack, victim: Victim, targets: Targets, seed: int, progress: Progress | None
) -> Reconstructions:
    """What the weights of a victim say of its classes.

    Raises:
        InputError: its weights are not at hand, or the attack refuses.
    """
    if victim.inside is None:
        raise InputError(
            f"{attack.name} needs the weights of {victim.name}: steal them first, with extract "
            "(--extract softmax, or extract=jaxattack.attacks.extraction.Softmax())."
        )
    begin = time.perf_counter()
    pool = victim.pool if attack.pool else None
    inversion = attack(victim.inside, targets, seed=seed, pool=pool, progress=progress)
    seconds = {"attack": time.perf_counter() - begin}
    return Reconstructions(inversion, _labels(victim.ask, inversion), inversion.cost, seconds)


def from_answers(
    attack: InversionAttack,
    victim: Victim,
    targets: Targets,
    session: Session,
    seed: int,
    extract: ExtractionAttack | None,
    progress: Progress | None,
) -> Reconstructions:
    """What the answers of a victim say of its classes, or what a model says that is stolen through them first.

    Raises:
        InputError: what was stolen is no network, or an attack refuses.
    """
    before, begin = session.oracle.ledger, time.perf_counter()
    stolen, seconds = None, {}
    target: Oracle | WhiteBox = session.oracle
    if extract is not None:
        stolen = extract(session.oracle, seed=seed, pool=victim.pool, progress=progress)
        target = white_box(stolen, victim.oracle)
        seconds["extraction"] = time.perf_counter() - begin
        begin = time.perf_counter()
    inversion = attack(target, targets, seed=seed, pool=victim.pool if attack.pool else None, progress=progress)
    seconds["attack"] = time.perf_counter() - begin
    labels = _labels(victim.twin or session.oracle, inversion)
    cost = session.oracle.ledger - before
    return Reconstructions(inversion, labels, cost, seconds, stolen, session.prepaid, session.warnings)


def from_gradients(
    attack: GradientAttack,
    victim: Victim,
    users: int,
    batch: int,
    trained: bool,
    seed: int,
    progress: Progress | None,
) -> Reconstructions:
    """What users' gradients say of the first members, each user with as many as the batch.

    Raises:
        InputError: no network with its members, or fewer members than the users hold.
    """
    if victim.inside is None or victim.dataset is None or victim.member is None:
        raise InputError(
            f"{attack.name} inverts what users of shared training send: give a network that is trained here."
        )
    records = held_by_users(victim.member, users, batch)
    x, y = victim.dataset.x[records].astype(np.float32), victim.dataset.y[records]
    target = victim.inside if trained else _untrained(victim.inside, seed)
    updates = gradient_of(target, x.reshape(users, batch, *x.shape[1:]), y.reshape(users, batch))
    begin = time.perf_counter()
    inversion = attack(target, updates, seed=seed, progress=progress)
    seconds = {"attack": time.perf_counter() - begin}
    # A batch's records come in no order: each reconstruction is beside the record that it is matched with.
    order = [
        user[np.argsort(match_records(inversion.x[user], x[user]))] for user in np.split(np.arange(len(records)), users)
    ]
    labels = _labels(victim.ask, inversion)
    found = labels_found(inversion.target.reshape(users, batch), y.reshape(users, batch))
    return Reconstructions(inversion, labels, inversion.cost, seconds, truth=x[np.concatenate(order)], found=found)


def labels_found(recovered: Int[np.ndarray, "user record"], y: Int[np.ndarray, "user record"]) -> float:
    """The share of users' labels that were recovered: a batch's come in no order, and one that occurs twice is to be found twice."""
    counts = (
        [np.bincount(row, minlength=max(recovered.max(), y.max()) + 1) for row in side] for side in (recovered, y)
    )
    return float(np.minimum(*map(np.array, counts)).sum() / y.size)


def held_by_users(member: Bool[np.ndarray, "record"], users: int, batch: int) -> Int[np.ndarray, "member"]:
    """The first members, as many as users hold.

    Raises:
        InputError: they hold more than there are.
    """
    records = np.flatnonzero(member)[: users * batch]
    if len(records) < users * batch:
        raise InputError(
            f"users times batch is {users * batch} and the victim has {len(records)} members: ask for fewer."
        )
    return records


def _untrained(network: WhiteBox, seed: int) -> WhiteBox:
    """The network at weights as they are drawn before training."""
    return replace(network, variables=network.model.init(jax.random.fold_in(jax.random.key(seed), 0)))


def _labels(ask: Callable[[np.ndarray], Answer], inversion: Inversion) -> Labels | None:
    count, restarts = inversion.score.shape
    shape = inversion.x.shape[1:]
    every = np.concatenate([inversion.x, inversion.restarts.reshape(-1, *shape)])
    answer, answers, _ = ask_most(ask, every)
    if answer is None or answers < len(every):
        return None
    return Labels(answer.label[:count], answer.label[count:].reshape(count, restarts))


def white_box(stolen: Extraction, oracle: Oracle) -> WhiteBox:
    """A stolen model, for attacks that need gradients.

    Raises:
        InputError: what was stolen is no network.
    """
    if stolen.model is None:
        raise InputError(f"what {stolen.attack} steals is no network and has no gradients: choose softmax or mlp.")
    access = oracle.access
    single: dict[str, Any] = {name: np.asarray(value, np.float32) for name, value in stolen.parameters.items()}
    variables = stolen.variables._replace(params=single)
    return WhiteBox(model=stolen.model, variables=variables, inputs=access.inputs, classes=access.classes)
