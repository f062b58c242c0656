"""NES: projected gradient descent with a gradient that is asked for, by confidences (Ilyas et al. 2018)."""

from __future__ import annotations

from jaxattack.attacks.evasion.questions import RoundsAttack
from jaxattack.perturb.nes import NormalDifferences
from jaxattack.types import config


@config
class NES(RoundsAttack, NormalDifferences):
    """Signs of a gradient from pairs of normal steps, as `jaxattack.perturb.nes` tells it; its fields are those there.

    A record is asked about once for itself, and twice a pair and step until an example is met.
    """

    name = "nes"
    paper = "Ilyas et al. 2018"
