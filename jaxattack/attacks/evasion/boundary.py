"""The boundary attack: a walk along the boundary, by labels (Brendel, Rauber and Bethge 2018)."""

from __future__ import annotations

from jaxattack.attacks.evasion.questions import QuestionAttack
from jaxattack.perturb.boundary import Walk
from jaxattack.types import EVERY_LEVEL, config


@config
class Boundary(QuestionAttack, Walk):
    """The nearest example in the 2-norm, as `jaxattack.perturb.boundary` tells it; its fields are those there.

    Where noise does not lead out of a record's class, the walk starts at the nearest of the other records that the victim labels
    otherwise.
    """

    name = "boundary"
    paper = "Brendel et al. 2018, arXiv 1712.04248"
    levels = EVERY_LEVEL
