"""ZOO: the objective of Carlini and Wagner, a few coordinates at a time, by confidences (Chen et al. 2017)."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from jaxattack.attacks.evasion.questions import RoundsAttack
from jaxattack.perturb.ask import Method
from jaxattack.perturb.zoo import CoordinateDifferences
from jaxattack.types import config


@config
class ZOO(RoundsAttack, CoordinateDifferences):
    """The nearest example in the 2-norm, as `jaxattack.perturb.zoo` tells it; its fields are those there.

    A record is asked about once for itself, and in each step of each search twice a coordinate; where it has fewer features
    than ``coordinates``, twice a feature.
    """

    name = "zoo"
    paper = "Chen et al. 2017, arXiv 1708.03999"

    def on_records(self, shape: tuple[int, ...]) -> Method:
        """No more coordinates than features."""
        return replace(self, coordinates=min(self.coordinates, prod(shape)))
