"""Attacks that infer a model's architecture and training from its answers, and their registry by name.

zoo          networks whose attributes are known
answers      scores, ranks and labels as numbers
classifier   a perceptron an attribute
kennen_o     records are asked, and a classifier reads the answers (Oh et al. 2018)
kennen_i     one crafted input an attribute, whose label tells the value
kennen_io    inputs and classifier learnt together

Each learns from a `Zoo`; what it learns has ``questions``, and reads the answers to them.
"""

from __future__ import annotations

from jaxattack.attacks.architecture.kennen_i import KennenI
from jaxattack.attacks.architecture.kennen_io import KennenIO
from jaxattack.attacks.architecture.kennen_o import KennenO
from jaxattack.attacks.architecture.zoo import Zoo
from jaxattack.attacks.naming import named
from jaxattack.types import ArchitectureAttack

_DEFAULTS: tuple[ArchitectureAttack, ...] = (KennenO(), KennenI(), KennenIO())
ATTACKS: dict[str, ArchitectureAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> ArchitectureAttack:
    """One attack by name, which may set its fields as an address does: ``kennen-o?output=label``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("kennen-o?questions=20").questions
        20
    """
    return named(name, ATTACKS, "architecture attack")


__all__ = ["ATTACKS", "KennenI", "KennenIO", "KennenO", "Zoo", "lookup"]
