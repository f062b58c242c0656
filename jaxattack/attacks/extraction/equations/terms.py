"""What an answer with confidences says as equations, and how exactly it says it.

Of probabilities, ln p_i - ln p_j are differences of the victim's logits; the mean over classes stays unknown, and the
equations are the products of ln p with an orthonormal basis of the vectors that sum to zero. Of logits every one is an
equation.

How exactly: a probability is off by its rounding, so ln p by that over p. Where one confidence may be 1 less the other
(two classes) the rounding is that of numbers near 1 whatever p is; of several classes each is taken to be computed on
its own, and ln p is off by relative rounding alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import helmert

from jaxattack.attacks.extraction.asking import log_probability
from jaxattack.attacks.extraction.verification import TINY
from jaxattack.types import EPSILON, Access, Answer, OracleError

ROUNDING = {precision: epsilon / 2 for precision, epsilon in EPSILON.items()}
"""Half the distance from 1 to the next number, of each precision."""

FITS = 5.0
"""A fit is as exact as the answers where its residual is at most so many times their noise. Of the 24 regressions of `ovr` all are complete
from 1 to 100, of 12 smooth networks 10 with half and twice, with twice .2 of a digit less."""


def equations(access: Access) -> Float[np.ndarray, "cls equation"]:
    """What scores are multiplied with: of probabilities orthonormal columns that sum to zero, of logits the identity."""
    return np.eye(access.classes) if access.level == "logit" else helmert(access.classes).T


def scores(access: Access, answer: Answer) -> Float[np.ndarray, "query cls"]:
    """Logits, or ln p of every class, -inf where a confidence is 0; an `OracleError` where they are not answered."""
    if access.level == "logit":
        if answer.logit is None:
            raise OracleError("the victim documents logits and answers none: check its access level.")
        return np.asarray(answer.logit, np.float64)
    return log_probability(answer)


def resolution(access: Access) -> float:
    """Half of the smallest step between two confidences near 1, or between two rounded logits; 0 for other logits."""
    if access.decimals is not None:
        return 0.5 * 10.0**-access.decimals
    return 0.0 if access.level == "logit" else ROUNDING[access.precision]


def floor(access: Access) -> float:
    """The smallest confidence that still tells its logarithm.

    Of rounded answers any but 0; of two classes the one whose logarithm is known to resolution^0.6, which in float64 is
    4e-10 at a log-odds of 15; of more classes any that is no underflow. Of 24 regressions 0.7 takes 6% more queries, 0.5 as many.
    """
    if access.decimals is not None:
        return resolution(access)
    return resolution(access) ** 0.4 if access.classes == 2 else TINY[access.precision]


def usable(access: Access, answer: Answer) -> Bool[np.ndarray, "query"]:
    """Which answers are equations in every class: no confidence is below the floor."""
    if access.level == "logit":
        return np.asarray(np.isfinite(scores(access, answer)).all(axis=1))
    return np.asarray(scores(access, answer).min(axis=1) >= np.log(floor(access)))


def noise(access: Access, score: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query"]:
    """How far off the scores of each usable answer may be: relative rounding of their arithmetic, and of the answer."""
    off = 2 * ROUNDING[access.precision] * (1 + np.abs(score).max(axis=1))
    if access.level == "logit":
        return off + resolution(access)
    absolute = access.decimals is not None or access.classes == 2
    return off + (resolution(access) * np.exp(-score.min(axis=1)) if absolute else 0.0)


def exact(access: Access) -> bool:
    """Whether answers carry enough digits for differences between near queries."""
    return access.decimals is None and access.precision != "bfloat16"
