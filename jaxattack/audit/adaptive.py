"""Attacks on weights against a victim whose defence decides what the model is asked, or what it labels: knowing it, or not.

The examples are made on the weights, and the victim, defence and all, is asked about each once: what is refused or labelled right
has failed. A defence that only moves labels is none that a gradient could be taken through, and nothing adapts to it. An attack that does not know the defence climbs the bare model. One that does climbs the model through its defence, and
what its detectors say is taken from the loss (`jaxattack.perturb.adaptive`).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxattack.attacks.evasion import Transfer
from jaxattack.attacks.evasion.adaptive import Adaptive
from jaxattack.attacks.evasion.white_box import WhiteBoxAttack
from jaxattack.audit.victim import Victim
from jaxattack.perturb.adaptive import Alarm, through
from jaxattack.types import AskingDefence, EvasionAttack, InputError, WhiteBox, any_detects, any_relabels

UNAWARE = (
    "The examples were made on {} without its defence ({}): an attacker who knows it is tried with adaptive "
    "(--adaptive), and a defence is worth what that one leaves."
)
RELABELLED = (
    "The examples were made on {} without its defence ({}), which changes labels, and tried behind it once: an attack that asks "
    "the victim, as hopskipjump, meets it."
)


class Plan(NamedTuple):
    """How examples are made and judged.

    Attributes:
        attack: asks the victim.
        surrogate: whose gradients it has.
    """

    attack: EvasionAttack
    surrogate: WhiteBox | None


def guarded(victim: Victim) -> bool:
    """Whether a defence decides what the victim's model is asked, or whether it is answered at all."""
    return any(isinstance(defence, AskingDefence) for defence, _ in victim.chain)


def judged_behind(victim: Victim) -> bool:
    """Whether what a victim labels records is not what its weights say, because of a defence."""
    return guarded(victim) or any_relabels(defence for defence, _ in victim.chain)


def check_adaptive(victim: Victim, attack: EvasionAttack, *, at_hand: bool) -> None:
    """Refuse to adapt where there is nothing to adapt to, or nothing that would.

    Args:
        victim: what is fooled.
        attack: how.
        at_hand: whether examples are made on another model.

    Raises:
        InputError: no such defence, no weights, a model that is stolen or given, an attack that asks the victim as it is, or one
            whose loss has no place for detectors.
    """
    if not guarded(victim):
        raise InputError(
            f"adaptive is given and no defence of {victim.name} decides what its model is asked: leave adaptive out, or "
            "put magnet or squeeze before it (--defend magnet)."
        )
    if at_hand:
        raise InputError("adaptive is given and so is another model, which has no defence: give one of the two.")
    if victim.inside is None:
        raise InputError(f"adaptive is given and needs the weights of {victim.name}: leave it out.")
    if not attack.white_box:
        raise InputError(
            f"adaptive is given and {attack.name} asks the victim as it is, defence and all: leave adaptive out."
        )
    if any_detects(defence for defence, _ in victim.chain) and not hasattr(attack, "loss"):
        raise InputError(
            f"{attack.name} has no loss from which the detectors could be taken: give pgd, mi-fgsm or apgd, or a defence "
            "without detectors."
        )


def plan_of(victim: Victim, attack: WhiteBoxAttack, *, adaptive: bool) -> Plan:
    """An attack on the weights of a victim that is judged behind its defences, and asked about each example once.

    Args:
        victim: with weights.
        attack: on weights.
        adaptive: whether it knows the defence.
    """
    assert victim.inside is not None
    if not adaptive:
        return Plan(Transfer(craft=attack), victim.inside)
    if any_detects(defence for defence, _ in victim.chain):
        alarm = Alarm(victim.inside.model, tuple(defence for defence, _ in victim.chain))
        attack = Adaptive(attack=attack, penalty=alarm)
    return Plan(Transfer(craft=attack), through(victim.inside, victim.chain))


def unaware(victim: Victim) -> str:
    """The sentence of a report whose attack did not know the defence."""
    if not guarded(victim):
        return RELABELLED.format(victim.name, ", ".join(repr(defence) for defence, _ in victim.chain))
    defences = ", ".join(repr(defence) for defence, _ in victim.chain if isinstance(defence, AskingDefence))
    return UNAWARE.format(victim.name, defences)
