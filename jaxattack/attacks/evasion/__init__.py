"""Evasion attacks: configurations called with a victim and records, and their registry by name.

sign_steps      one step along the sign of the gradient, or several (Goodfellow et al. 2015, Kurakin et al. 2017)
projected       ascents within a ball: PGD, MI-FGSM, APGD (Madry et al. 2018, Dong et al. 2018, Croce and Hein 2020)
deepfool        the nearest boundary, linearised (Moosavi-Dezfooli et al. 2016)
fab             the nearest example in a norm, by projections (Croce and Hein 2020)
carlini_wagner  the nearest example in the 2-norm (Carlini and Wagner 2017)
saliency        few features (Papernot et al. 2016)
hop_skip_jump   the nearest boundary from labels alone (Chen et al. 2020)
boundary        a walk along it from labels alone (Brendel et al. 2018)
nes             signs of a gradient that is asked for (Ilyas et al. 2018)
spsa            Adam on such a gradient (Uesato et al. 2018)
zoo             the nearest boundary by differences along coordinates (Chen et al. 2017)
square          a random search over squares (Andriushchenko et al. 2020)
one_pixel       differential evolution over a place and a colour (Su et al. 2019)
worst           several attacks, each on what the ones before it left (Croce and Hein 2020)
doubts          why a victim that attacks find robust may not be (Croce and Hein 2020)
ensemble        several models as one surrogate, or each attacked at once with the others (Dong et al. 2018)
transfer        examples made on a model at hand and tried on the victim (Papernot et al. 2017)
questions       what every attack that only asks does around its search
shares          records as shares of each feature's range
white_box       what every attack on weights does around its formula
outcome         what every attack does before and after it

All are untargeted: an example is a success where the victim labels it otherwise than the record.
"""

from __future__ import annotations

from jaxattack.attacks.evasion.boundary import Boundary
from jaxattack.attacks.evasion.carlini_wagner import CarliniWagner
from jaxattack.attacks.evasion.deepfool import DeepFool
from jaxattack.attacks.evasion.ensemble import ensemble, side_by_side, transfer_matrix
from jaxattack.attacks.evasion.fab import FAB
from jaxattack.attacks.evasion.hop_skip_jump import HopSkipJump
from jaxattack.attacks.evasion.nes import NES
from jaxattack.attacks.evasion.one_pixel import OnePixel
from jaxattack.attacks.evasion.projected import APGD, MIFGSM, PGD
from jaxattack.attacks.evasion.saliency import JSMA
from jaxattack.attacks.evasion.sign_steps import BIM, FGSM, LeastLikely
from jaxattack.attacks.evasion.spsa import SPSA
from jaxattack.attacks.evasion.square import Square
from jaxattack.attacks.evasion.transfer import Transfer
from jaxattack.attacks.evasion.white_box import WhiteBoxAttack
from jaxattack.attacks.evasion.worst import AutoAttack, Worst, worst
from jaxattack.attacks.evasion.zoo import ZOO
from jaxattack.attacks.naming import named
from jaxattack.perturb.losses import DLR, CrossEntropy, Margin, Penalised
from jaxattack.types import EvasionAttack

_ON_WEIGHTS: tuple[WhiteBoxAttack, ...] = (
    FGSM(),
    BIM(),
    LeastLikely(),
    PGD(),
    MIFGSM(),
    APGD(),
    APGD(loss=DLR()),
    APGD(loss=DLR(), targets=3),
    FAB(),
    DeepFool(),
    CarliniWagner(),
    JSMA(),
    AutoAttack(),
)
_BY_ANSWERS: tuple[EvasionAttack, ...] = (
    HopSkipJump(),
    Boundary(),
    NES(),
    SPSA(),
    ZOO(),
    Square(),
    OnePixel(),
)
_DEFAULTS: tuple[EvasionAttack, ...] = (
    *_ON_WEIGHTS,
    *_BY_ANSWERS,
    *(Transfer(craft=attack) for attack in _ON_WEIGHTS),
)
ATTACKS: dict[str, EvasionAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> EvasionAttack:
    """One attack by name, which may set its fields as an address does: ``bim?steps=40``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("hopskipjump?queries=300").queries
        300
    """
    return named(name, ATTACKS, "evasion attack")


__all__ = [
    "APGD",
    "ATTACKS",
    "BIM",
    "DLR",
    "FAB",
    "FGSM",
    "JSMA",
    "MIFGSM",
    "NES",
    "PGD",
    "SPSA",
    "ZOO",
    "AutoAttack",
    "Boundary",
    "CarliniWagner",
    "CrossEntropy",
    "DeepFool",
    "HopSkipJump",
    "LeastLikely",
    "Margin",
    "OnePixel",
    "Penalised",
    "Square",
    "Transfer",
    "Worst",
    "ensemble",
    "lookup",
    "side_by_side",
    "transfer_matrix",
    "worst",
]
