"""Inversion attacks: configurations called with a victim and classes, and their registry by name.

mi_face        gradient descent on the record itself (Fredrikson et al. 2015)
numeric        the same with gradients from differences of confidences
generator      GAN and VAE, and descent in their latent space (GMI, PPA)
boundary       away from the class's boundary, from labels alone (BREP-MI)
network        a decoder from confidences to records
gradient       records from the gradients that users of federated learning send, with a registry of its own
federation     collaborative learning, and a participant's GAN attack in it (federated; Hitaj et al. 2017)
objective      what they lessen, and priors
process        what is done to a record between steps
descent        the loop that moves all classes and restarts at once
target         what every attack does around its formula
"""

from __future__ import annotations

from jaxattack.attacks.inversion.boundary import Boundary
from jaxattack.attacks.inversion.federated import CollaborativeGan
from jaxattack.attacks.inversion.federation import Federation, deal
from jaxattack.attacks.inversion.generator.gmi import Gmi
from jaxattack.attacks.inversion.generator.ppa import Ppa
from jaxattack.attacks.inversion.mi_face import MiFace
from jaxattack.attacks.inversion.network import Network
from jaxattack.attacks.inversion.numeric import Numeric
from jaxattack.attacks.naming import named
from jaxattack.training.generators.learn import Prior
from jaxattack.training.generators.prior import LEAST
from jaxattack.types import InversionAttack

_DEFAULTS: tuple[InversionAttack, ...] = (MiFace(), Numeric(), Gmi(), Ppa(), Boundary(), Network())
ATTACKS: dict[str, InversionAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> InversionAttack:
    """One attack by name, which may set its fields as an address does: ``mi-face?restarts=16``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("mi-face?restarts=2").restarts
        2
    """
    return named(name, ATTACKS, "inversion attack")


__all__ = [
    "ATTACKS",
    "LEAST",
    "Boundary",
    "CollaborativeGan",
    "Federation",
    "Gmi",
    "MiFace",
    "Network",
    "Numeric",
    "Ppa",
    "Prior",
    "deal",
    "lookup",
]
