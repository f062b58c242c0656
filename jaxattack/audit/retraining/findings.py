"""From what the victims say to accuracy and success against the share of poison, with intervals over seeds.

A targeted attack is judged on the targets that most clean victims label right: a target that was wrong before is no success.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from jaxattack.audit.findings.poisoning import (
    AttackFindings,
    CleanFindings,
    GalleryEntry,
    PointFindings,
    ShareFindings,
    TargetFindings,
)
from jaxattack.audit.retraining.cells import Cell, Layout
from jaxattack.audit.retraining.crafting import Attacker, Craft
from jaxattack.audit.retraining.intervals import difference, share_of_victims, share_over_seeds
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.types import Dataset

SHOWN = 8
"""Poison records in the gallery, at most, of all attacks together."""


class Sweep(NamedTuple):
    """A sweep and what its victims say.

    Attributes:
        audit: what was asked for.
        layout: where what is in its records.
        cells: its training sets.
        crafts: its poison.
        attacker: the targets.
        right: Bool["cell seed record"].
    """

    audit: PoisonAudit
    layout: Layout
    cells: tuple[Cell, ...]
    crafts: tuple[Craft, ...]
    attacker: Attacker
    right: np.ndarray

    def cell(self, craft: int | None, sanitise: int | None) -> int:
        """The place of a training set."""
        return next(place for place, cell in enumerate(self.cells) if (cell.craft, cell.sanitise) == (craft, sanitise))

    @property
    def filters(self) -> tuple[int | None, ...]:
        """The places of the filters, none first."""
        return (None, *range(len(self.audit.sanitise)))


def clean_findings(sweep: Sweep) -> tuple[CleanFindings, ...]:
    """Victims without poison, of each filter."""
    return tuple(
        CleanFindings(
            sanitise=_filter_name(sweep, place),
            records=int(sweep.cells[sweep.cell(None, place)].member.sum()),
            accuracy=_accuracy(sweep, [sweep.cell(None, place)]),
        )
        for place in sweep.filters
    )


def attack_findings(sweep: Sweep) -> tuple[AttackFindings, ...]:
    """Every attack."""
    return tuple(_attack(sweep, place) for place in range(len(sweep.audit.attacks)))


def _attack(sweep: Sweep, place: int) -> AttackFindings:
    attack, shares = sweep.audit.attacks[place], sorted({*sweep.audit.shares})
    crafts = [number for number, craft in enumerate(sweep.crafts) if craft.attack == place]
    largest = [sweep.crafts[number].poison.notes for number in crafts if sweep.crafts[number].share == shares[-1]]
    return AttackFindings(
        name=sweep.audit.names[place],
        goal=attack.goal,
        paper=getattr(attack, "paper", "an attack of your own"),
        surrogates=attack.surrogates,
        points=tuple(_point(sweep, place, share, filtering) for filtering in sweep.filters for share in shares),
        notes={name: float(np.mean([notes[name] for notes in largest])) for name in largest[0]},
    )


def _point(sweep: Sweep, place: int, share: float, filtering: int | None) -> PointFindings:
    goal = sweep.audit.attacks[place].goal
    crafts = [number for number, craft in enumerate(sweep.crafts) if (craft.attack, craft.share) == (place, share)]
    cells = [sweep.cell(number, filtering) for number in crafts]
    accuracy = _accuracy(sweep, cells)
    clean = sweep.cell(None, filtering)
    success, without = None, None
    if goal == "backdoor":
        stamped = sweep.layout.stamped[place]
        success, without = (share_over_seeds(sweep.right[cell, :, stamped]) for cell in (cells[0], clean))
    elif goal == "targeted":
        counted = [number for number in crafts if _counted(sweep)[sweep.crafts[number].target]]
        if counted:
            hits = [_taken(sweep, sweep.cell(number, filtering), sweep.crafts[number].target) for number in counted]
            before = [_taken(sweep, clean, sweep.crafts[number].target) for number in counted]
            success, without = share_of_victims(np.stack(hits)), share_of_victims(np.stack(before))
    return PointFindings(
        share=share,
        poison=max(len(sweep.crafts[number].poison) for number in crafts),
        sanitise=_filter_name(sweep, filtering),
        left=float(np.mean([sweep.cells[cell].left for cell in cells])),
        accuracy=accuracy,
        drop=difference(_accuracy(sweep, [clean]), accuracy),
        success=success,
        without=without,
    )


def target_findings(sweep: Sweep) -> tuple[TargetFindings, ...]:
    """Every target, and what each attack does to it without a filter."""
    counted = _counted(sweep)
    return tuple(
        TargetFindings(
            record=sweep.attacker.places[number],
            label=target.label,
            wanted=target.wanted,
            right=float(_clean_right(sweep)[:, number].mean()),
            counted=bool(counted[number]),
            success=_success_of(sweep, number),
        )
        for number, target in enumerate(sweep.attacker.targets)
    )


def _success_of(sweep: Sweep, target: int) -> dict[str, dict[str, float]]:
    success: dict[str, dict[str, float]] = {}
    for number, craft in enumerate(sweep.crafts):
        if craft.target == target:
            share = float(_taken(sweep, sweep.cell(number, None), target).mean())
            success.setdefault(sweep.audit.names[craft.attack], {})[f"{craft.share:g}"] = share
    return success


def _accuracy(sweep: Sweep, cells: list[int]) -> ShareFindings:
    """On the records that judge, over the seeds; of several training sets at once, each seed's mean over them."""
    right = sweep.right[cells][:, :, sweep.layout.held_out]
    return share_over_seeds(np.moveaxis(right, 0, 1).reshape(right.shape[1], -1))


def _taken(sweep: Sweep, cell: int, target: int | None) -> Bool[np.ndarray, "seed"]:
    """Which victims take a target for the wanted class."""
    assert target is not None
    return sweep.right[cell, :, sweep.layout.targets.start + target]


def _clean_right(sweep: Sweep) -> Bool[np.ndarray, "seed target"]:
    """Which clean victims label each target right."""
    places = sweep.layout.held_out.start + np.array(sweep.attacker.places, int)
    return sweep.right[sweep.cell(None, None)][:, places]


def _counted(sweep: Sweep) -> Bool[np.ndarray, "target"]:
    return _clean_right(sweep).mean(axis=0) > 0.5


def _filter_name(sweep: Sweep, place: int | None) -> str | None:
    return None if place is None else sweep.audit.sanitise[place].name


def gallery(sweep: Sweep, train: Dataset) -> tuple[tuple[GalleryEntry, ...], dict[int, UInt8[np.ndarray, "*pixel"]]]:
    """The first poison records of each attack at the largest share, and their pictures by number."""
    entries: list[GalleryEntry] = []
    pictures: dict[int, np.ndarray] = {}
    for place in range(len(sweep.audit.attacks) if train.images else 0):
        poison = next(craft.poison for craft in reversed(sweep.crafts) if craft.attack == place)
        for row in range(min(max(SHOWN // len(sweep.audit.attacks), 1), len(poison))):
            pictures[len(pictures)] = poison.x[row]
            number, source = len(pictures) - 1, None
            if poison.source[row] >= 0:
                source = len(pictures)
                pictures[source] = train.x[poison.source[row]]
            label = int(poison.y[row])
            entries.append(
                GalleryEntry(
                    attack=sweep.audit.names[place],
                    label=train.names[label] if train.names else f"{label}",
                    source=source,
                    poison=number,
                )
            )
    return tuple(entries), pictures
