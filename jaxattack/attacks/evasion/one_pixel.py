"""One pixel: differential evolution over a place and a colour, by confidences (Su, Vargas and Sakurai 2019)."""

from __future__ import annotations

from jaxattack.attacks.evasion.questions import RoundsAttack
from jaxattack.perturb.one_pixel import Evolution
from jaxattack.types import config


@config
class OnePixel(RoundsAttack, Evolution):
    """A change of one pixel, or of so many, as `jaxattack.perturb.one_pixel` tells it; its fields are those there.

    A record is asked about once for itself, and once a candidate of each generation until an example is met.
    """

    name = "one-pixel"
    paper = "Su et al. 2019, arXiv 1710.08864"
