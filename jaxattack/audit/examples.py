"""Make adversarial examples of a victim: on its weights, by its answers, or on a model that is stolen first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.evasion import ensemble
from jaxattack.audit.reconstructions import white_box
from jaxattack.audit.session import Session
from jaxattack.audit.victim import Victim
from jaxattack.types import Evasion, EvasionAttack, Extraction, ExtractionAttack, Ledger, Progress, WhiteBox


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
        thefts = [
            extract(session.oracle, seed=seed + copy, pool=victim.pool, progress=progress) for copy in range(copies)
        ]
        stolen, boxes = thefts[0], [white_box(theft, victim.oracle) for theft in thefts]
        surrogate = boxes[0] if copies == 1 else ensemble(boxes)
        seconds["extraction"] = time.perf_counter() - begin
        begin = time.perf_counter()
    evasion = attack(session.oracle, *own, seed=seed, surrogate=surrogate, progress=progress)
    seconds["attack"] = time.perf_counter() - begin
    cost = session.oracle.ledger - before
    return Examples(evasion, cost, seconds, stolen, session.prepaid, session.warnings)
