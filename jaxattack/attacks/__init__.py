"""Families of attacks that do not know one another; the membership attacks are at the top.

membership       who was in the training set: Observations -> scores
extraction       what the weights are: an Oracle -> a stolen model
inversion        what the records of a class look like: an Oracle, weights or gradients -> records
evasion          the change of a record that makes a model answer otherwise
poisoning        records put into a training set that make what is trained on it err: a Dataset -> a Poison
ownership        whether a suspect was made from somebody's model or records: an Oracle or weights -> a proof
reconstruction   records, attributes and shares of the training set from what a model became
architecture     what a model is and how it was trained, from its answers

Each family has its registry `ATTACKS`, and `lookup` of a name; `naming` reads the names, and `catalogue` lists them all. A
family is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes

if TYPE_CHECKING:
    from jaxattack.attacks import architecture as architecture
    from jaxattack.attacks import evasion as evasion
    from jaxattack.attacks import extraction as extraction
    from jaxattack.attacks import inversion as inversion
    from jaxattack.attacks import membership as membership
    from jaxattack.attacks import ownership as ownership
    from jaxattack.attacks import poisoning as poisoning
    from jaxattack.attacks import reconstruction as reconstruction
    from jaxattack.attacks.membership import RMIA as RMIA
    from jaxattack.attacks.membership import AttackP as AttackP
    from jaxattack.attacks.membership import AttackR as AttackR
    from jaxattack.attacks.membership import Calibration as Calibration
    from jaxattack.attacks.membership import FewReferences as FewReferences
    from jaxattack.attacks.membership import Gap as Gap
    from jaxattack.attacks.membership import LiRA as LiRA
    from jaxattack.attacks.membership import Threshold as Threshold
    from jaxattack.attacks.methods import catalogue as catalogue

_HOMES = {
    "RMIA": "jaxattack.attacks.membership",
    "AttackP": "jaxattack.attacks.membership",
    "AttackR": "jaxattack.attacks.membership",
    "Calibration": "jaxattack.attacks.membership",
    "FewReferences": "jaxattack.attacks.membership",
    "Gap": "jaxattack.attacks.membership",
    "LiRA": "jaxattack.attacks.membership",
    "Threshold": "jaxattack.attacks.membership",
    "architecture": "jaxattack.attacks",
    "catalogue": "jaxattack.attacks.methods",
    "evasion": "jaxattack.attacks",
    "extraction": "jaxattack.attacks",
    "inversion": "jaxattack.attacks",
    "membership": "jaxattack.attacks",
    "ownership": "jaxattack.attacks",
    "poisoning": "jaxattack.attacks",
    "reconstruction": "jaxattack.attacks",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
