"""Gradient inversion: records made back from what users of federated learning send; attacks and their registry by name.

update       what users send, and how they make it
local        how they train before they send: gradient descent with and without momentum, Adam
labels       what the last layer says of the labels
analytic     the first layer, if it is fully connected, holds the record
attack       searching for records with the same update: DLG, iDLG, Inverting Gradients
matching     what a search lessens
search       all restarts of all users in one program
"""

from __future__ import annotations

from jaxattack.attacks.inversion.gradient.analytic import Analytic
from jaxattack.attacks.inversion.gradient.attack import DLG, GradientAttack, InvertingGradients, match_records
from jaxattack.attacks.inversion.gradient.labels import recover_labels
from jaxattack.attacks.inversion.gradient.local import Adam, Local, Sgd
from jaxattack.attacks.inversion.gradient.update import Terms, Update, federated_update, gradient_of
from jaxattack.attacks.naming import named

_DEFAULTS: tuple[GradientAttack, ...] = (Analytic(), DLG(), DLG(recover=True), InvertingGradients())
ATTACKS: dict[str, GradientAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> GradientAttack:
    """One attack by name, which may set its fields as an address does: ``inverting-gradients?steps=8000``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    return named(name, ATTACKS, "gradient inversion")


__all__ = [
    "ATTACKS",
    "DLG",
    "Adam",
    "Analytic",
    "GradientAttack",
    "InvertingGradients",
    "Local",
    "Sgd",
    "Terms",
    "Update",
    "federated_update",
    "gradient_of",
    "lookup",
    "match_records",
    "recover_labels",
]
