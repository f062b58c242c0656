"""Poisoning attacks: configurations called with a training set, and their registry by name.

label_flips     wrong labels at random, or where they hurt most (Xiao et al. 2012, Koh and Liang 2017)
minimax         what passes a filter by distance and hurts a linear model most (Steinhardt et al. 2017)
badnets         a trigger that stands for a class (Gu et al. 2017)
poison_frogs    right labels, features of the target (Shafahi et al. 2018)
witches_brew    right labels, the gradient of a wrong answer (Geiping et al. 2021)
influence       what flipping a label does to softmax regression
features        what the last layer of a network is given
units           records as networks take them

They make poison and judge nothing: whether it works is seen on victims trained from scratch
(`jaxattack.audit.retraining`). Poison that raises what membership attacks find is `jaxattack.data.poison`.
"""

from __future__ import annotations

from jaxattack.attacks.naming import named
from jaxattack.attacks.poisoning.badnets import BadNets
from jaxattack.attacks.poisoning.label_flips import InfluenceFlips, RandomFlips
from jaxattack.attacks.poisoning.minimax import Minimax
from jaxattack.attacks.poisoning.poison_frogs import PoisonFrogs
from jaxattack.attacks.poisoning.witches_brew import WitchesBrew
from jaxattack.types import PoisonAttack

_DEFAULTS: tuple[PoisonAttack, ...] = (
    RandomFlips(),
    InfluenceFlips(),
    Minimax(),
    BadNets(),
    PoisonFrogs(),
    PoisonFrogs(watermark=0.3),
    WitchesBrew(),
)
ATTACKS: dict[str, PoisonAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> PoisonAttack:
    """One attack by name, which may set its fields as an address does: ``badnets?size=3``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("badnets?size=3&wanted=7").wanted
        7
    """
    return named(name, ATTACKS, "poisoning attack")


__all__ = [
    "ATTACKS",
    "BadNets",
    "InfluenceFlips",
    "Minimax",
    "PoisonFrogs",
    "RandomFlips",
    "WitchesBrew",
    "lookup",
]
