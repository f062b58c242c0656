"""SPSA: Adam with a gradient that is asked for, by confidences (Uesato et al. 2018)."""

from __future__ import annotations

from jaxattack.attacks.evasion.questions import RoundsAttack
from jaxattack.perturb.spsa import SignDifferences
from jaxattack.types import config


@config
class SPSA(RoundsAttack, SignDifferences):
    """Adam on a gradient from pairs of steps of random signs, as `jaxattack.perturb.spsa` tells it; its fields are those there.

    A record is asked about once for itself, and twice a pair and step until an example is met.
    """

    name = "spsa"
    paper = "Uesato et al. 2018"
