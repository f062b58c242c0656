"""Membership attacks: configurations called with observations, and their registry by name.

Scores are [target, record]; higher always means "more likely a member". Whom a target's references are, which must not
know its members, `jaxattack.attacks.membership.references` decides for all attacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxattack.attacks.membership.few import FewReferences
from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.reference import AttackP, AttackR, Calibration
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol
from jaxattack.attacks.membership.rmia import RMIA, dominance
from jaxattack.attacks.membership.threshold import Gap, Threshold
from jaxattack.attacks.naming import named
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

ON_DEMAND: dict[str, MembershipAttack] = {
    name: Threshold(quantity=name) for name in ("gradient-norm", "input-gradient-norm", "noise-robustness", "merlin")
}
"""Attacks that ask a model more than once a record, or read its weights: run only where they are named."""


def lookup(names: Sequence[str]) -> dict[str, MembershipAttack]:
    """The attacks of these names, in the order given.

    A name may set the attack's fields, as an address does: ``rmia-offline?a=tuned&gamma=1.5`` or
    ``lira-online?variance=record``.

    Returns:
        Each attack under its name as given, of those registered and of those on demand.

    Raises:
        InputError: no names, an unknown name or field, or a value outside a field's range.
    """
    if not names:
        raise InputError(f"no attack is named: choose from {', '.join(ATTACKS)}.")
    return {name: named(name, ATTACKS | ON_DEMAND, "membership attack") for name in names}


def under_protocol(names: Sequence[str], protocol: str) -> tuple[str, ...]:
    """The names of the same attacks under a protocol, where they have references and do not name one themselves.

    ``lira-online`` becomes ``lira-online?protocol=leave-one-out``; under the default protocol names stay as they are.

    Raises:
        InputError: an unknown protocol, and what `lookup` raises.
    """
    check_protocol(protocol)
    attacks = lookup(names) if names else {}
    plain = protocol == PROTOCOLS[0]
    settled = [plain or not attack.references or "protocol=" in name for name, attack in attacks.items()]
    return tuple(
        name if stays else f"{name}{'&' if '?' in name else '?'}protocol={protocol}"
        for name, stays in zip(attacks, settled, strict=True)
    )


def signals_for(names: Sequence[str] = ()) -> tuple[str, ...]:
    """The signals that these attacks and every registered one read, in order.

    Raises:
        InputError: what `lookup` raises.
    """
    attacks = [*ATTACKS.values(), *(lookup(names).values() if names else ())]
    return tuple(sorted({signal for attack in attacks for signal in attack.signals}))


__all__ = [
    "ATTACKS",
    "ON_DEMAND",
    "PROTOCOLS",
    "RMIA",
    "AttackP",
    "AttackR",
    "Calibration",
    "FewReferences",
    "Gap",
    "LiRA",
    "Threshold",
    "dominance",
    "lookup",
    "signals_for",
    "under_protocol",
]
