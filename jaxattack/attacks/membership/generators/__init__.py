"""Membership attacks on generators: evidence -> scores["target record"], higher for "more likely a member".

logan           the discriminator, the target's own or a local GAN's (Hayes et al. 2019)
monte_carlo     samples that fall near a record (Hilprecht et al. 2019)
reconstruction  what an autoencoder makes of a record's code (Hilprecht et al. 2019)
gan_leaks       how near a generator comes to a record (Chen et al. 2020)

evidence        what an attacker has; distances, powell   of records to samples, and over latent points
"""

from __future__ import annotations

from jaxattack.attacks.membership.generators.evidence import (
    SIGHTS,
    Evidence,
    GeneratorAttack,
    GeneratorScores,
    GeneratorView,
    select_attacks,
)
from jaxattack.attacks.membership.generators.gan_leaks import GanLeaks
from jaxattack.attacks.membership.generators.logan import Logan
from jaxattack.attacks.membership.generators.monte_carlo import MonteCarlo
from jaxattack.attacks.membership.generators.reconstruction import Reconstruction
from jaxattack.attacks.naming import named

_NAMED: tuple[GeneratorAttack, ...] = (
    Logan(access="weights"),
    Logan(access="samples"),
    MonteCarlo(),
    MonteCarlo(weighted=True),
    MonteCarlo(radius="percentile"),
    MonteCarlo(space="histogram"),
    Reconstruction(),
    GanLeaks(access="samples", calibrated=False),
    GanLeaks(access="samples"),
    GanLeaks(access="latent", calibrated=False),
    GanLeaks(access="latent"),
    GanLeaks(access="weights", calibrated=False),
    GanLeaks(access="weights"),
)
ATTACKS: dict[str, GeneratorAttack] = {attack.name: attack for attack in _NAMED}
DEFAULTS: tuple[GeneratorAttack, ...] = tuple(attack for attack in _NAMED if attack != Logan(access="samples"))
"""All but the one that trains a GAN for every target, which takes longer than all others and the targets' own training together."""


def lookup(name: str) -> GeneratorAttack:
    """The attack of a name, which may set its fields as an address does: ``gan-leaks-full?samples=1000``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("gan-leaks-full?samples=1000").samples
        1000
    """
    return named(name, ATTACKS, "attack on generators")


__all__ = [
    "ATTACKS",
    "DEFAULTS",
    "SIGHTS",
    "Evidence",
    "GanLeaks",
    "GeneratorAttack",
    "GeneratorScores",
    "GeneratorView",
    "Logan",
    "MonteCarlo",
    "Reconstruction",
    "lookup",
    "select_attacks",
]
