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
from jaxattack.metrics.comparison import CONFIDENCE, corrected
from jaxattack.types import Dataset, number_in_name

SHOWN = 8
"""Poison records in the gallery, at most, of all attacks together."""


class Outcome(NamedTuple):
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


def clean_findings(outcome: Outcome) -> tuple[CleanFindings, ...]:
    """Victims without poison, of each filter."""
    return tuple(
        CleanFindings(
            sanitise=_filter_name(outcome, place),
            records=int(outcome.cells[outcome.cell(None, place)].member.sum()),
            accuracy=_accuracy(outcome, [outcome.cell(None, place)]),
        )
        for place in outcome.filters
    )


def attack_findings(outcome: Outcome) -> tuple[AttackFindings, ...]:
    """Every attack."""
    return tuple(_attack(outcome, place) for place in range(len(outcome.audit.attacks)))


def _attack(outcome: Outcome, place: int) -> AttackFindings:
    attack, shares = outcome.audit.attacks[place], sorted({*outcome.audit.shares})
    crafts = [number for number, craft in enumerate(outcome.crafts) if craft.attack == place]
    largest = [outcome.crafts[number].poison.notes for number in crafts if outcome.crafts[number].share == shares[-1]]
    return AttackFindings(
        name=outcome.audit.names[place],
        goal=attack.goal,
        paper=getattr(attack, "paper", "an attack of your own"),
        surrogates=attack.surrogates,
        points=tuple(_point(outcome, place, share, filtering) for filtering in outcome.filters for share in shares),
        notes={name: float(np.mean([notes[name] for notes in largest])) for name in largest[0]},
    )


def _point(outcome: Outcome, place: int, share: float, filtering: int | None) -> PointFindings:
    goal = outcome.audit.attacks[place].goal
    crafts = [number for number, craft in enumerate(outcome.crafts) if (craft.attack, craft.share) == (place, share)]
    cells = [outcome.cell(number, filtering) for number in crafts]
    clean = outcome.cell(None, filtering)
    allowing = corrected(len(outcome.audit.attacks) * len({*outcome.audit.shares}))
    drop, widened_drop = (
        difference(_accuracy(outcome, [clean], level), _accuracy(outcome, cells, level))
        for level in (CONFIDENCE, allowing)
    )
    success, without, widened = None, None, widened_drop
    if goal == "backdoor":
        triggers = outcome.layout.triggers[place]
        hit, before = (outcome.right[cell, :, triggers] for cell in (cells[0], clean))
        success, without, widened = share_over_seeds(hit), share_over_seeds(before), share_over_seeds(hit, allowing)
    elif goal == "targeted":
        valid = [number for number in crafts if _valid(outcome)[outcome.crafts[number].target]]
        if valid:
            hit = _successes(outcome, valid, [outcome.cell(number, filtering) for number in valid])
            before = _successes(outcome, valid, [clean] * len(valid))
            poisoned = hit.reshape(-1, 1)  # each poison has victims of its own; without any they meet all targets
            success, without = share_of_victims(poisoned), share_of_victims(before.T)
            widened = share_of_victims(poisoned, allowing)
    return PointFindings(
        share=share,
        poison=max(len(outcome.crafts[number].poison) for number in crafts),
        sanitise=_filter_name(outcome, filtering),
        left=float(np.mean([outcome.cells[cell].left for cell in cells])),
        accuracy=_accuracy(outcome, cells),
        drop=drop,
        success=success,
        without=without,
        corrected=widened.interval,
    )


def _successes(outcome: Outcome, crafts: list[int], cells: list[int]) -> Bool[np.ndarray, "craft seed"]:
    """Which victims of a cell take the target of a poison for the wanted class, poison by poison."""
    targets = [outcome.crafts[number].target for number in crafts]
    return np.stack([_success(outcome, cell, target) for cell, target in zip(cells, targets, strict=True)])


def target_findings(outcome: Outcome) -> tuple[TargetFindings, ...]:
    """Every target, and what each attack does to it without a filter."""
    valid = _valid(outcome)
    return tuple(
        TargetFindings(
            record=outcome.attacker.places[number],
            label=target.label,
            wanted=target.wanted,
            right=float(_clean_right(outcome)[:, number].mean()),
            valid=bool(valid[number]),
            success=_success_of(outcome, number),
        )
        for number, target in enumerate(outcome.attacker.targets)
    )


def _success_of(outcome: Outcome, target: int) -> dict[str, dict[str, float]]:
    success: dict[str, dict[str, float]] = {}
    for number, craft in enumerate(outcome.crafts):
        if craft.target == target:
            share = float(_success(outcome, outcome.cell(number, None), target).mean())
            success.setdefault(outcome.audit.names[craft.attack], {})[number_in_name(craft.share)] = share
    return success


def _accuracy(outcome: Outcome, cells: list[int], confidence: float = CONFIDENCE) -> ShareFindings:
    """On the records that judge, over the seeds; of several training sets at once, each seed's mean over them."""
    right = outcome.right[cells][:, :, outcome.layout.held_out]
    return share_over_seeds(np.moveaxis(right, 0, 1).reshape(right.shape[1], -1), confidence)


def _success(outcome: Outcome, cell: int, target: int | None) -> Bool[np.ndarray, "seed"]:
    """Which victims take a target for the wanted class."""
    assert target is not None
    return outcome.right[cell, :, outcome.layout.targets.start + target]


def _clean_right(outcome: Outcome) -> Bool[np.ndarray, "seed target"]:
    """Which clean victims label each target right."""
    places = outcome.layout.held_out.start + np.array(outcome.attacker.places, int)
    return outcome.right[outcome.cell(None, None)][:, places]


def _valid(outcome: Outcome) -> Bool[np.ndarray, "target"]:
    return _clean_right(outcome).mean(axis=0) > 0.5


def _filter_name(outcome: Outcome, place: int | None) -> str | None:
    return None if place is None else outcome.audit.sanitise[place].name


def gallery(
    outcome: Outcome, train: Dataset
) -> tuple[tuple[GalleryEntry, ...], dict[int, UInt8[np.ndarray, "*pixel"]]]:
    """The first poison records of each attack at the largest share, and their pictures by number."""
    entries: list[GalleryEntry] = []
    pictures: dict[int, np.ndarray] = {}
    for place in range(len(outcome.audit.attacks) if train.images else 0):
        poison = next(craft.poison for craft in reversed(outcome.crafts) if craft.attack == place)
        for row in range(min(max(SHOWN // len(outcome.audit.attacks), 1), len(poison))):
            pictures[len(pictures)] = poison.x[row]
            number, source = len(pictures) - 1, None
            if poison.source[row] >= 0:
                source = len(pictures)
                pictures[source] = train.x[poison.source[row]]
            label = int(poison.y[row])
            entries.append(
                GalleryEntry(
                    attack=outcome.audit.names[place],
                    label=train.names[label] if train.names else f"{label}",
                    source=source,
                    poison=number,
                )
            )
    return tuple(entries), pictures
