"""From scores and p-values of suspects to how well a test tells stolen models from independent ones, and whom it accuses.

A paper's p-value asks another question than the owner's: whether two sets of records differ for a suspect, say, and not whether
it differs from independent models. Held against models that are known to be independent every test is calibrated alike:

    rank      (1 + independent models whose score is at least the suspect's) / (1 + independent models). Valid where the
              suspect is as good as drawn from them, whatever the distribution; never below 1 / (n + 1)
    normal    of a prediction from their mean and deviation, as if scores were normal: smaller, and a claim
              (`jaxattack.metrics.p_values.predictive_p_values`). Where Shapiro and Wilk's test says that they are not, at 10%, it
              is the rank: of scores that are mostly 0, as matches of few points, it would accuse 11% at 5%

An independent model is held against the others. By its rank at most one in twenty is then accused by construction: that it
is so says nothing. What does are p-values of the test's own, those of the normal prediction, and independent models of another
architecture, by which nothing was calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import shapiro

from jaxattack.audit.findings.ownership import CellFindings, RateFindings
from jaxattack.audit.ownership.suspects import Suspects
from jaxattack.metrics.intervals import area_interval, clopper_pearson
from jaxattack.metrics.p_values import leave_one_out_p_values, predictive_p_values, rank_p_values
from jaxattack.types import Proof

LEVEL = 0.05
"""At which a model is accused."""

NORMAL = 0.1
"""Of Shapiro and Wilk's test: scores with a smaller p-value are not taken for normal. With 30 independent models suspects of the
same binomial (100 at .1), skewed (log-normal, .5) and mostly empty scores are then accused in 4.7, 4.0 and 2.4% at 5%; without it
in 5.6, 7.3 and 11.4%."""


class Judged(NamedTuple):
    """The p-values of models of one kind, calibrated on independent ones.

    Attributes:
        rank: by rank.
        normal: as if scores were normal; by rank where those of the independent models are not.
    """

    rank: Float[np.ndarray, "model"]
    normal: Float[np.ndarray, "model"]


def calibrated(scores: Float[np.ndarray, "model"], null: Float[np.ndarray, "independent"]) -> Judged:
    """Suspects held against independent models, which they are none of."""
    references, rank = np.repeat(null[:, None], len(scores), axis=1), rank_p_values(scores, null)
    normal = predictive_p_values(scores, references, np.ones(references.shape, bool)) if looks_normal(null) else rank
    return Judged(rank, normal)


def calibrated_among(null: Float[np.ndarray, "independent"]) -> Judged:
    """Each independent model held against the others."""
    references, rank = np.repeat(null[:, None], len(null), axis=1), leave_one_out_p_values(null)
    normal = predictive_p_values(null, references, ~np.eye(len(null), dtype=bool))
    believed = [looks_normal(np.delete(null, number)) for number in range(len(null))]
    return Judged(rank, np.where(believed, normal, rank))


def looks_normal(null: Float[np.ndarray, "independent"]) -> bool:
    """Whether nothing speaks against scores that are normal; of fewer than three, or where all are alike, nothing does."""
    return len(null) < 3 or not np.ptp(null) or float(shapiro(null).pvalue) >= NORMAL


def area(scores: Float[np.ndarray, "model"], null: Float[np.ndarray, "independent"]) -> float:
    """The share of pairs in which a suspect's score is the higher one, ties counting half."""
    return float(np.mean((scores[:, None] > null[None]) + 0.5 * (scores[:, None] == null[None])))


def cell(
    test: str,
    victim: str,
    suspects: Suspects,
    proofs: Sequence[Proof],
    null: Float[np.ndarray, "independent"],
    seconds: float,
) -> CellFindings:
    """What a test says of models of one kind.

    Args:
        test: what it is called.
        victim: the name of the owner's model that it is about.
        suspects: the models.
        proofs: of each.
        null: scores of the independent models of the owner's architecture; the models themselves where they are those.
        seconds: for each.
    """
    scores = scores_of(proofs)
    among = is_null(suspects)
    calibration = calibrated_among(null) if among else calibrated(scores, null)
    own = p_values_of(proofs)
    auc = None if among else area(scores, null)
    return CellFindings(
        test=test,
        kind=suspects.kind,
        victim=victim,
        relation=suspects.relation,
        models=len(proofs),
        auc=auc,
        auc_interval=None if auc is None else area_interval(auc, len(scores), len(null)),
        score=float(np.median(scores)),
        p_value=None if own is None else float(np.median(own)),
        accused=None if own is None else int((own <= LEVEL).sum()),
        rank_p_value=float(np.median(calibration.rank)),
        rank_accused=int((calibration.rank <= LEVEL).sum()),
        normal_p_value=float(np.median(calibration.normal)),
        normal_accused=int((calibration.normal <= LEVEL).sum()),
        queries=max(proof.cost.queries for proof in proofs),
        price=max(proof.cost.price for proof in proofs),
        gradients=max(proof.gradients for proof in proofs),
        seconds=seconds,
    )


def is_null(suspects: Suspects) -> bool:
    """Whether these are the independent models on which tests are calibrated."""
    return suspects.kind == "independent"


def scores_of(proofs: Sequence[Proof]) -> Float[np.ndarray, "model"]:
    """The score of each."""
    return np.asarray([proof.score for proof in proofs], np.float64)


def p_values_of(proofs: Sequence[Proof]) -> Float[np.ndarray, "model"] | None:
    """The test's own p-value of each; None where it has none."""
    p_values = [proof.p_value for proof in proofs]
    return None if None in p_values else np.asarray(p_values, np.float64)


def rate(accused: int | None, models: int) -> RateFindings | None:
    """A share of accused models with its interval; None where nothing accuses."""
    if accused is None:
        return None
    low, high = map(float, clopper_pearson(accused, models))
    return RateFindings(accused=accused, models=models, rate=accused / models, interval=(low, high))
