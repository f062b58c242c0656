"""How like its victim a stolen model is: three scales, each on the queries that it is given.

- Agreement (Tramèr et al. 2016, section 4): 1 - R, where R is the share of queries with unequal labels. R_test is R on
  test records, R_unif on uniform queries.
- Total variation: half the sum over classes of |p - q|, the mean and the largest over queries.
- Function: the largest |f - f'| over queries and classes. Logits of several classes mean the same softmax when a
  number is added to all of them, so the mean over classes of f - f' is taken out of each query; a single output is
  compared as it is.

Parameters are compared in the gauge of zero mean over classes; heads of language models up to a change of basis of the
hidden states, by least squares.

What an answer withholds is not guessed:

    ==========================  =====================================================================================
    answer                      compared as
    ==========================  =====================================================================================
    labels only                 agreement alone; the other scales are None
    logits, no probabilities    probabilities are the softmax of the logits, where there are several classes
    NaN below the top k         the classes that both answers give, and for total variation one more class that holds
                                all others: a lower bound of the total variation
    NaN throughout a query      no answer to it: its total variation is 1, and the logit error None
    a regressor's               labels are 0 throughout and agree; read the logit error
    ==========================  =====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.types import Answer, InputError


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """A stolen model beside its victim, on the same queries.

    Attributes:
        queries: how many were compared.
        agreements: on how many the labels are equal.
        interval: Clopper-Pearson, 95%, of the agreement; it covers if the queries were drawn independently.
        variation_mean: total variation between the probabilities, 0..1, over queries; None where either withholds them.
        variation_max: the largest over queries.
        logit_error: the largest |f - f'|, without the shift shared by classes; None where either withholds logits, or
            gives none at all to a query.
        accuracy: of the stolen model; None where the truth was not given.
        victim_accuracy: of the victim; None where the truth was not given.
    """

    queries: int
    agreements: int
    interval: tuple[float, float]
    variation_mean: float | None = None
    variation_max: float | None = None
    logit_error: float | None = None
    accuracy: float | None = None
    victim_accuracy: float | None = None

    @property
    def agreement(self) -> float:
        """The share of equal labels, 0..1."""
        return self.agreements / self.queries

    @property
    def disagreement(self) -> float:
        """R, the share of unequal labels, 0..1."""
        return (self.queries - self.agreements) / self.queries


@dataclass(frozen=True, kw_only=True)
class LinearError:
    """How far the parameters of one linear model are from another's, both in the gauge of zero mean over classes.

    Attributes:
        largest: max |theta - theta'| over weights and biases.
        rms: root mean square over them.
    """

    largest: float
    rms: float


def fidelity(victim: Answer, stolen: Answer, label: Int[np.ndarray, "query"] | None = None) -> Fidelity:
    """Every scale that the two answers allow.

    Args:
        victim: the victim's answers.
        stolen: the stolen model's answers to the same queries.
        label: the truth, for accuracies.

    Raises:
        InputError: no queries, or answers of different shapes.
    """
    _same_queries(victim, stolen)
    queries, agreements = len(victim.label), int((victim.label == stolen.label).sum())
    low, high = clopper_pearson(agreements, queries)
    p, q = _probability(victim), _probability(stolen)
    variation = total_variation(p, q) if p is not None and q is not None else None
    return Fidelity(
        queries=queries,
        agreements=agreements,
        interval=(float(low), float(high)),
        variation_mean=None if variation is None else float(variation.mean()),
        variation_max=None if variation is None else float(variation.max()),
        logit_error=logit_error(victim, stolen),
        accuracy=None if label is None else accuracy(stolen, label),
        victim_accuracy=None if label is None else accuracy(victim, label),
    )


def agreement(victim: Answer, stolen: Answer) -> float:
    """The share of queries with equal labels, 0..1: 1 - R of Tramèr et al. 2016.

    Raises:
        InputError: no queries, or unequally many.
    """
    _same_queries(victim, stolen)
    return float((victim.label == stolen.label).mean())


def accuracy(answer: Answer, y: Int[np.ndarray, "query"]) -> float:
    """The share of answers that are right, 0..1.

    Raises:
        InputError: no queries, or not one label for each.
    """
    y = np.asarray(y)
    if y.shape != answer.label.shape or not len(y):
        raise InputError(f"labels have shape {y.shape} and the answers {answer.label.shape}: give one for each query.")
    return float((answer.label == y).mean())


def total_variation(p: Float[np.ndarray, "query cls"], q: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query"]:
    """The total variation between two distributions over classes, for each query.

    Args:
        p: probabilities; NaN where withheld.
        q: probabilities; NaN where withheld.

    Returns:
        Half the sum of |p - q|, 0..1. Where a class is withheld by either, all such classes count as one, and what is
        returned is a lower bound; where either gives no class at all, 1.

    Raises:
        InputError: unequal shapes.
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if p.shape != q.shape or p.ndim != 2:
        raise InputError(f"probabilities have shapes {p.shape} and {q.shape}: give both as [query, cls], of one shape.")
    finite = ~(np.isnan(p) | np.isnan(q))
    difference = np.where(finite, p - q, 0.0)
    # Probabilities sum to 1, so what the withheld classes differ by in all is what the known ones differ by.
    withheld = np.where(finite.all(axis=1), 0.0, np.abs(difference.sum(axis=1)))
    unanswered = np.isnan(p).all(axis=1) | np.isnan(q).all(axis=1)
    return np.where(unanswered, 1.0, (np.abs(difference).sum(axis=1) + withheld) / 2)


def logit_error(victim: Answer, stolen: Answer) -> float | None:
    """The largest |f - f'| over queries and classes, as the module says; None where either withholds those of a query.

    Raises:
        InputError: unequal shapes.
    """
    if victim.logit is None or stolen.logit is None:
        return None
    if victim.logit.shape != stolen.logit.shape:
        raise InputError(
            f"logits have shapes {victim.logit.shape} and {stolen.logit.shape}: compare models with the same classes."
        )
    if (np.isnan(victim.logit).all(axis=1) | np.isnan(stolen.logit).all(axis=1)).any():
        return None
    difference = np.asarray(stolen.logit, np.float64) - np.asarray(victim.logit, np.float64)
    finite = ~np.isnan(difference)
    if difference.shape[1] > 1:
        shift = difference.sum(axis=1, where=finite) / np.maximum(finite.sum(axis=1), 1)
        difference = difference - shift[:, np.newaxis]
    return float(np.abs(difference).max(initial=0.0, where=finite))


def gauge(
    weight: Float[np.ndarray, "feature cls"], bias: Float[np.ndarray, "cls"]
) -> tuple[Float[np.ndarray, "feature cls"], Float[np.ndarray, "cls"]]:
    """The parameters of the same softmax regression that have zero mean over classes; a single output's as they are."""
    weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    if bias.shape[-1] == 1:
        return weight, bias
    return weight - weight.mean(axis=-1, keepdims=True), bias - bias.mean()


def linear_error(
    stolen: tuple[Float[np.ndarray, "feature cls"], Float[np.ndarray, "cls"]],
    truth: tuple[Float[np.ndarray, "feature cls"], Float[np.ndarray, "cls"]],
) -> LinearError:
    """How far stolen weights and biases are from the true ones, after `gauge`.

    Args:
        stolen: weight and bias.
        truth: weight and bias.

    Raises:
        InputError: unequal shapes.
    """
    shapes = [(np.shape(weight), np.shape(bias)) for weight, bias in (stolen, truth)]
    if shapes[0] != shapes[1]:
        raise InputError(f"parameters have shapes {shapes[0]} and {shapes[1]}: compare models of one shape.")
    difference = np.concatenate([(a - b).ravel() for a, b in zip(gauge(*stolen), gauge(*truth), strict=True)])
    return LinearError(largest=float(np.abs(difference).max()), rms=float(np.sqrt(np.mean(difference**2))))


def align_rms(stolen: Float[np.ndarray, "cls found"], truth: Float[np.ndarray, "cls hidden"]) -> float:
    """The error of a stolen output projection under the change of basis of the hidden states that suits it best.

    logits = W g is the same function of the prompt for W A and A^-1 g, so a projection is known up to A (Carlini et al.
    2024, section 4.2). A is found by least squares.

    Args:
        stolen: the projection found; its hidden size may be wrong.
        truth: the victim's.

    Returns:
        The root mean square over the entries of ``stolen A - truth``, in the units of `truth`.

    Raises:
        InputError: unequally many classes, or NaN for some of them.
    """
    stolen, truth = np.asarray(stolen, np.float64), np.asarray(truth, np.float64)
    if stolen.ndim != 2 or truth.ndim != 2 or len(stolen) != len(truth):
        raise InputError(
            f"projections have shapes {stolen.shape} and {truth.shape}: give both as [cls, hidden], of the same classes."
        )
    if not (np.isfinite(stolen).all() and np.isfinite(truth).all()):
        raise InputError("a projection holds NaN or infinity: give the classes that are known of both.")
    change = np.linalg.lstsq(stolen, truth, rcond=None)[0]
    return float(np.sqrt(np.mean((stolen @ change - truth) ** 2)))


def _same_queries(victim: Answer, stolen: Answer) -> None:
    if victim.label.shape != stolen.label.shape or not len(victim.label):
        raise InputError(
            f"labels have shapes {victim.label.shape} and {stolen.label.shape}: answer the same queries, at least one."
        )


def _probability(answer: Answer) -> Float[np.ndarray, "query cls"] | None:
    if answer.probability is not None:
        return answer.probability
    if answer.logit is None or answer.logit.shape[1] == 1 or np.isnan(answer.logit).any():
        return None
    return softmax(np.asarray(answer.logit, np.float64), axis=1)
