"""Every cell of the sweep as rows of one member matrix over one set of records.

    records    the training set | every poison | those that judge | each backdoor's: those of other classes with its trigger, its label |
               the targets, with the label that they shall have
    cell       the training set less what is replaced, and one poison, less what a filter leaves out; as many rows as seeds

A cell is a pattern of members: all are trained by one program, and every victim is asked about every record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.audit.retraining.crafting import Attacker, Craft
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import Split
from jaxattack.data.sanitise import Sanitise
from jaxattack.types import BackdoorAttack, Dataset


class Cell(NamedTuple):
    """One training set.

    Attributes:
        craft: place of its poison; None for the clean one.
        sanitise: place of its filter; None without.
        member: Bool["record"], its records.
        left: the share of the poison that the filter leaves in; 1 without poison.
    """

    craft: int | None
    sanitise: int | None
    member: np.ndarray
    left: float


class Layout(NamedTuple):
    """Where what is in the records of the sweep.

    Attributes:
        records: all of them.
        held_out: those that judge.
        triggers: the records that bear one, of each attack that is a backdoor, by its place.
        targets: each target with the label that it shall have.
    """

    records: Dataset
    held_out: slice
    triggers: dict[int, slice]
    targets: slice


def lay_out(
    audit: PoisonAudit, parts: Split, attacker: Attacker, crafts: tuple[Craft, ...]
) -> tuple[Layout, tuple[Cell, ...]]:
    """The records of the sweep and its cells: the clean ones first, of each filter."""
    x, y = [parts.train.x], [parts.train.y]

    def append(more_x: np.ndarray, more_y: np.ndarray) -> slice:
        first = sum(map(len, y))
        x.append(more_x.astype(parts.train.x.dtype))
        y.append(more_y.astype(parts.train.y.dtype))
        return slice(first, first + len(more_y))

    places = [append(craft.poison.x, craft.poison.y) for craft in crafts]
    held_out = append(parts.held_out.x, parts.held_out.y)
    triggers = {}
    for place, attack in enumerate(audit.attacks):
        if isinstance(attack, BackdoorAttack):
            others = parts.held_out.x[parts.held_out.y != attack.wanted]
            triggers[place] = append(attack.stamp(others), np.full(len(others), attack.wanted))
    targets = append(
        np.stack([target.x for target in attacker.targets]) if attacker.targets else parts.train.x[:0],
        np.array([target.wanted for target in attacker.targets], int),
    )
    records = replace(parts.train, x=np.concatenate(x), y=np.concatenate(y), ids=())
    clean = np.zeros(len(records), bool)
    clean[: len(parts.train)] = True
    cells = []
    for number, craft in enumerate((None, *crafts)):
        member, poisoned = clean.copy(), None
        if craft is not None:
            poisoned = places[number - 1]
            member[craft.poison.replaces[craft.poison.replaces >= 0]] = False
            member[poisoned] = True
        for filtering, sanitise in enumerate((None, *audit.sanitise)):
            stays = member if sanitise is None else sanitise_members(records, member, sanitise)
            cells.append(
                Cell(
                    craft=None if craft is None else number - 1,
                    sanitise=None if sanitise is None else filtering - 1,
                    member=stays,
                    left=1.0 if poisoned is None else float(stays[poisoned].mean()),
                )
            )
    return Layout(records, held_out, triggers, targets), tuple(cells)


def sanitise_members(
    records: Dataset, member: Bool[np.ndarray, "record"], sanitise: Sanitise
) -> Bool[np.ndarray, "record"]:
    """The members that a filter leaves in, which sees the members alone."""
    rows: Int[np.ndarray, "member"] = np.flatnonzero(member)
    stays = member.copy()
    stays[rows] = sanitise(records.x[rows], records.y[rows])
    return stays
