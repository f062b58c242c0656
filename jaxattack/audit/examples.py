"""Make adversarial examples of a victim: on its weights, by its answers, or on a model that is stolen first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.evasion import Transfer, ensemble
from jaxattack.audit.reconstructions import white_box
from jaxattack.audit.session import Session
from jaxattack.audit.victim import Victim
from jaxattack.oracle import budgeted
from jaxattack.types import (
    Evasion,
    EvasionAttack,
    Extraction,
    ExtractionAttack,
    InputError,
    Ledger,
    Oracle,
    Progress,
    WhiteBox,
)


class Records(NamedTuple):
    """What is to be changed.

    Attributes:
        x: records, as the victim takes them.
        y: their labels.
    """

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]


class Examples(NamedTuple):
    """Examples, and what came before them.

    Attributes:
        evasion: the examples.
        cost: all that was asked.
        seconds: by phase.
        stolen: the model that was stolen first; of several the first.
        prepaid: queries that an earlier start had paid for.
        warnings: what is odd about the answers.
    """

    evasion: Evasion
    cost: Ledger
    seconds: Mapping[str, float]
    stolen: Extraction | None = None
    prepaid: int = 0
    warnings: tuple[str, ...] = ()


def from_weights(attack: EvasionAttack, victim: Victim, own: Records, seed: int, progress: Progress | None) -> Examples:
    """Examples made on the victim's own weights."""
    begin = time.perf_counter()
    evasion = attack(victim.inside, *own, seed=seed, progress=progress)
    return Examples(evasion, evasion.cost, {"attack": time.perf_counter() - begin})


def from_answers(
    attack: EvasionAttack,
    victim: Victim,
    own: Records,
    session: Session,
    seed: int,
    extract: ExtractionAttack | None,
    copies: int,
    surrogate: WhiteBox | None,
    progress: Progress | None,
) -> Examples:
    """Examples made by the victim's answers, or on another model: one at hand, or one that is stolen first.

    Raises:
        InputError: what was stolen is no network, or an attack refuses.
    """
    before, begin, seconds, stolen = session.oracle.ledger, time.perf_counter(), {}, None
    if extract is not None:
        door = _shared(session.oracle, len(own.x), copies)
        thefts = [extract(door(), seed=seed + copy, pool=victim.pool, progress=progress) for copy in range(copies)]
        stolen, boxes = thefts[0], [white_box(theft, victim.oracle) for theft in thefts]
        surrogate = boxes[0] if copies == 1 else ensemble(boxes)
        seconds["extraction"] = time.perf_counter() - begin
        begin = time.perf_counter()
    evasion = attack(session.oracle, *own, seed=seed, surrogate=surrogate, progress=progress)
    seconds["attack"] = time.perf_counter() - begin
    cost = session.oracle.ledger - before
    return Examples(evasion, cost, seconds, stolen, session.prepaid, session.warnings)


def _shared(oracle: Oracle, records: int, copies: int) -> Callable[[], Oracle]:
    """What each theft is handed: an equal share of the budget, without the questions about the examples.

    A theft verifies on all that it may ask: without a share of its own the first would leave the others, and the examples,
    nothing.

    Raises:
        InputError: the budget holds no more than the examples.
    """
    left: int | None = getattr(oracle, "left", None)
    if left is None:
        return lambda: oracle
    needs = Transfer.queries * records + 1  # a record is asked again to see whether the victim is deterministic
    share = (left - needs) // copies
    if share < 1:
        raise InputError(
            f"the budget has {left:,} queries left, of which {records:,} records need {needs:,}, and each of {copies} thefts needs "
            "some: raise the budget, or change fewer records."
        )
    return lambda: budgeted(oracle, share)
