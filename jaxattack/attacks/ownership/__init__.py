"""Tests of ownership: configurations that prepare evidence once and hold it against suspects, and their registry by name.

rank                how a suspect fits the owner's records, ranked among models trained without them
dataset_inference   surer of the owner's records than of others, with weights or by labels (Maini et al. 2021)
min_gd              the distances to the boundary that it takes with weights
blind_walk          those that it takes by labels
regressor           what learns to tell members by them
two_samples         Welch's t-test, and p-values together
ipguard             points just over the boundary of the owner's model (Cao et al. 2021)
conferrable         adversarial for copies of it and not for others (Lukas et al. 2021)
watermark           keys trained into it: plain (Adi et al. 2018), entangled (Jia et al. 2021)
fingerprint         what tests of points and their labels have in common
suspects            what a test asks of a suspect
"""

from __future__ import annotations

from jaxattack.attacks.naming import named
from jaxattack.attacks.ownership.conferrable import Conferrable
from jaxattack.attacks.ownership.dataset_inference import BlindWalk, MinGD
from jaxattack.attacks.ownership.ipguard import IPGuard
from jaxattack.attacks.ownership.rank import Rank
from jaxattack.attacks.ownership.watermark import EntangledWatermark, Watermark
from jaxattack.types import OwnershipTest

_DEFAULTS: tuple[OwnershipTest, ...] = (
    Rank(statistic="lira"),
    Rank(statistic="loss"),
    Rank(statistic="label"),
    MinGD(),
    BlindWalk(),
    IPGuard(),
    Conferrable(),
    Watermark(),
    EntangledWatermark(),
)
ATTACKS: dict[str, OwnershipTest] = {test.name: test for test in _DEFAULTS}


def lookup(name: str) -> OwnershipTest:
    """One test by name, which may set its fields as an address does: ``rank-lira?records=200``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("blind-walk?records=20").records
        20
    """
    return named(name, ATTACKS, "ownership test")


__all__ = [
    "ATTACKS",
    "BlindWalk",
    "Conferrable",
    "EntangledWatermark",
    "IPGuard",
    "MinGD",
    "Rank",
    "Watermark",
    "lookup",
]
