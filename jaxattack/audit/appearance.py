"""Whether a reconstruction would pass for a record of its class to the eye, and how much of that is the generator's doing.

A model's verdict does not say so: noise that an independent model takes for a digit shows a person none. Measured is the
likeness of a picture with the nearest member of its class, by structural similarity (of what is no picture of at least
8 x 8, by correlation), against a scale: the likeness of each member with the member nearest to it. A reconstruction passes
where at most one member in twenty is less like another than it is; so would 19 of 20 further records of the class.

Features of a table are compared in units of their ranges: in their own, those of the widest range would decide alone, and two
wines of different classes have a correlation of .99.

An attack with a generator has learnt from records of the attacker's own what records look like. Two controls say what the
victim adds: records that the generator makes without it, and the attacker's record that is nearest to the reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.audit.findings.inversion import AppearanceFindings, ControlFindings
from jaxattack.audit.victim import Victim
from jaxattack.metrics import correlation, nearest, ssim
from jaxattack.types import Inversion

LEAST = 0.05
"""Share of the members that are less like another member than what passes for one."""
_COMPARED = 50
"""Members of a class that are compared with one another, at most: their median and LEAST move little with more."""

Likeness = Callable[[np.ndarray, np.ndarray], Float[np.ndarray, "record"]]
Records = Shaped[np.ndarray, "record *feature"]


class Appearance(NamedTuple):
    """How reconstructions look.

    Attributes:
        findings: over all targets.
        passes: whether the reconstruction of each target would pass for a record of its class; None without two members.
    """

    findings: AppearanceFindings
    passes: tuple[bool | None, ...]


class Units(NamedTuple):
    """In what records are compared: pictures as they are, features of a table in units of their ranges.

    Attributes:
        extent: of the widest feature in these units, which MSE and PSNR are to be read against.
        low: of each feature of a table; None for pictures.
        width: what each is divided by; infinite for one that is the same in all records.
    """

    extent: float
    low: Float[np.ndarray, "*feature"] | None = None
    width: Float[np.ndarray, "*feature"] | None = None

    def __call__(self, x: Records) -> Records:
        """Records in these units."""
        if self.low is None or self.width is None:
            return x
        return (x.astype(np.float64) - self.low) / self.width


def units_of(victim: Victim) -> Units:
    """The units in which a victim's records are compared."""
    inputs = victim.oracle.access.inputs
    if len(inputs.shape) == 3:
        return Units(float((inputs.high - inputs.low).max()))
    low, width = inputs.low, inputs.high - inputs.low
    if victim.dataset is not None:
        records = victim.dataset.x.reshape(-1, *inputs.shape).astype(np.float64)
        low, spread = records.min(axis=0), np.ptp(records, axis=0)
        width = np.where(spread > 0, spread, np.inf)
    return Units(1.0, low, width)


def appearance(victim: Victim, inversion: Inversion, members: Callable[[int], Records]) -> Appearance | None:
    """How reconstructions look beside the members of their class; None where fewer than two members of each are at hand.

    Args:
        victim: whose reconstructions they are.
        inversion: the reconstructions, and what the attack's generator makes without the victim.
        members: those of a class.
    """
    inputs, units = victim.oracle.access.inputs, units_of(victim)
    pictures = len(inputs.shape) == 3 and min(inputs.shape[:2]) >= 8
    alike: Likeness = (lambda a, b: ssim(a, b, units.extent)) if pictures else correlation
    groups = {
        row: units(group) for row, target in enumerate(inversion.target) if len(group := members(int(target))) > 1
    }
    if not groups:
        return None
    rows = np.array(sorted(groups))
    with_nearest = np.concatenate([_with_nearest(alike, units(inversion.x[row][None]), groups[row]) for row in rows])
    scales = [_among(alike, groups[row]) for row in rows]
    made = np.isfinite(inversion.score[rows]).any(axis=1)
    passes = made & (with_nearest >= [np.nanquantile(scale, LEAST) for scale in scales])
    measured = dict(zip(rows.tolist(), passes.tolist(), strict=True))
    return Appearance(
        AppearanceFindings(
            measure="ssim" if pictures else "correlation",
            nearest=float(np.nanmean(with_nearest)),
            members=float(np.mean([np.nanmedian(scale) for scale in scales])),
            share=float(passes.mean()),
            control=_control(victim, inversion, alike, units, [groups[row] for row in rows], members),
        ),
        tuple(measured.get(row) for row in range(len(inversion.target))),
    )


def _control(
    victim: Victim,
    inversion: Inversion,
    alike: Likeness,
    units: Units,
    groups: list[Records],
    members: Callable[[int], Records],
) -> ControlFindings | None:
    """What the generator gives by itself; None for an attack without one."""
    if inversion.draws is None or victim.pool is None:
        return None
    draws = units(inversion.draws)
    every = [units(group) for cls in range(victim.oracle.access.classes) if len(group := members(cls))]
    apart = np.stack([nearest(draws, group).distance for group in every])
    of_each = np.stack([_with_nearest(alike, draws, group) for group in every])
    return ControlFindings(
        records=len(victim.pool),
        draws=len(draws),
        of_class=float(np.nanmean([_with_nearest(alike, draws, group) for group in groups])),
        of_any=float(np.nanmean(of_each[apart.argmin(axis=0), np.arange(len(draws))])),
        own=float(np.nanmean(_with_nearest(alike, units(inversion.x), units(victim.pool)))),
    )


def _with_nearest(alike: Likeness, x: Records, records: Records) -> Float[np.ndarray, "query"]:
    return alike(x, records[nearest(x, records).record])


def _among(alike: Likeness, members: Records) -> Float[np.ndarray, "member"]:
    """The likeness of members with the other member that is nearest to each."""
    some = np.unique(np.linspace(0, len(members) - 1, min(len(members), _COMPARED)).astype(int))
    return np.concatenate([_with_nearest(alike, members[at][None], np.delete(members, at, axis=0)) for at in some])
