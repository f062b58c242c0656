"""Whether a reconstruction would pass for a record of its class to the eye, and how much of that is the generator's doing.

A model's verdict does not say so: noise that an independent model takes for a digit shows a person none. Measured is the
likeness of a picture with the nearest member of its class, by structural similarity (of what is no picture of at least
8 x 8, by correlation), against a scale: the likeness of each member with the member nearest to it. A reconstruction passes
where at most one member in twenty is less like another than it is; so would 19 of 20 further records of the class.

An attack with a generator has learnt from records of the attacker's own what records look like. Two controls say what the
victim adds: records that the generator makes without it, and the attacker's record that is nearest to the reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.audit.findings.inversion import AppearanceFindings, ControlFindings
from jaxattack.audit.victim import Victim
from jaxattack.metrics import correlation, nearest, ssim
from jaxattack.types import Inputs, Inversion

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
        passes: whether the reconstruction of each target would pass for a record of its class; False without two members.
    """

    findings: AppearanceFindings
    passes: Bool[np.ndarray, "target"]


def appearance(victim: Victim, inversion: Inversion, members: Callable[[int], Records]) -> Appearance | None:
    """How reconstructions look beside the members of their class; None where fewer than two members of each are at hand.

    Args:
        victim: whose reconstructions they are.
        inversion: the reconstructions, and what the attack's generator makes without the victim.
        members: those of a class.
    """
    inputs = victim.oracle.access.inputs
    extent = extent_of(inputs)
    pictures = len(inputs.shape) == 3 and min(inputs.shape[:2]) >= 8
    alike: Likeness = (lambda a, b: ssim(a, b, extent)) if pictures else correlation
    groups = {row: group for row, target in enumerate(inversion.target) if len(group := members(int(target))) > 1}
    if not groups:
        return None
    rows = np.array(sorted(groups))
    with_nearest = np.concatenate([_with_nearest(alike, inversion.x[row][None], groups[row]) for row in rows])
    scales = [_among(alike, groups[row]) for row in rows]
    passes = np.zeros(len(inversion.target), bool)
    passes[rows] = with_nearest >= [np.nanquantile(scale, LEAST) for scale in scales]
    return Appearance(
        AppearanceFindings(
            measure="ssim" if pictures else "correlation",
            nearest=float(np.nanmean(with_nearest)),
            members=float(np.mean([np.nanmedian(scale) for scale in scales])),
            share=float(passes[rows].mean()),
            control=_control(victim, inversion, alike, [groups[row] for row in rows]),
        ),
        passes,
    )


def extent_of(inputs: Inputs) -> float:
    """The width of the widest documented range of a feature."""
    return float((inputs.high - inputs.low).max())


def _control(victim: Victim, inversion: Inversion, alike: Likeness, groups: list[Records]) -> ControlFindings | None:
    """What the generator gives by itself; None for an attack without one."""
    if inversion.draws is None or victim.pool is None:
        return None
    of_class = np.stack([_with_nearest(alike, inversion.draws, group) for group in groups])
    apart = np.stack([nearest(inversion.draws, group).distance for group in groups])
    return ControlFindings(
        records=len(victim.pool),
        draws=len(inversion.draws),
        of_class=float(np.nanmean(of_class)),
        of_any=float(np.nanmean(of_class[apart.argmin(axis=0), np.arange(len(inversion.draws))])),
        own=float(np.nanmean(_with_nearest(alike, inversion.x, victim.pool))),
    )


def _with_nearest(alike: Likeness, x: Records, records: Records) -> Float[np.ndarray, "query"]:
    return alike(x, records[nearest(x, records).record])


def _among(alike: Likeness, members: Records) -> Float[np.ndarray, "member"]:
    """The likeness of members with the other member that is nearest to each."""
    some = np.unique(np.linspace(0, len(members) - 1, min(len(members), _COMPARED)).astype(int))
    return np.concatenate([_with_nearest(alike, members[at][None], np.delete(members, at, axis=0)) for at in some])
