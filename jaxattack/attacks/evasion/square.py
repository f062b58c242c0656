"""Square: a random search over squares, by confidences (Andriushchenko et al. 2020)."""

from __future__ import annotations

from jaxattack.attacks.evasion.questions import QuestionAttack
from jaxattack.perturb.square import SquareSearch
from jaxattack.types import config


@config
class Square(QuestionAttack, SquareSearch):
    """A random search at the corners of the max-norm ball, as `jaxattack.perturb.square` tells it; its fields are those there."""

    name = "square"
    paper = "Andriushchenko et al. 2020, arXiv 1912.00049"
