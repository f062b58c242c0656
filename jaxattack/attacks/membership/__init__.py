"""Membership attacks: configurations called with observations, and their registry by name.

Scores are [target, record]; higher always means "more likely a member". A target's references are the models other
than itself, and an attack never reads a target's own row of the member matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.reference import AttackP, AttackR, Calibration
from jaxattack.attacks.membership.rmia import RMIA, dominance
from jaxattack.attacks.membership.threshold import Gap, Threshold
from jaxattack.types import InputError, MembershipAttack

_DEFAULTS: tuple[MembershipAttack, ...] = (
    LiRA(online=True),
    LiRA(online=False),
    LiRA(online=True, variance="bayes"),
    LiRA(online=True, formula="reference_code"),
    LiRA(online=False, formula="reference_code"),
    RMIA(online=True),
    RMIA(online=False),
    RMIA(online=True, counting=False),
    RMIA(online=False, counting=False),
    AttackR(),
    AttackP(),
    Calibration(),
    Calibration(online=True),
    Threshold(quantity="loss"),
    Threshold(quantity="confidence"),
    Threshold(quantity="entropy"),
    Threshold(quantity="modified-entropy"),
    Threshold(quantity="loss", classwise=True),
    Threshold(quantity="entropy", classwise=True),
    Threshold(quantity="modified-entropy", classwise=True),
    Gap(),
)
ATTACKS: dict[str, MembershipAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(names: Sequence[str]) -> list[MembershipAttack]:
    """The attacks of these names, in the order given.

    Raises:
        InputError: an unknown name.
    """
    for name in names:
        if name not in ATTACKS:
            raise InputError(f"there is no membership attack {name!r}: choose from {', '.join(ATTACKS)}.")
    return [ATTACKS[name] for name in names]


__all__ = [
    "ATTACKS",
    "RMIA",
    "AttackP",
    "AttackR",
    "Calibration",
    "Gap",
    "LiRA",
    "Threshold",
    "dominance",
    "lookup",
]
