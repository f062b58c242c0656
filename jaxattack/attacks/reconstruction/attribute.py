"""Attribute inference: all of a record is known but one attribute, and the model's answers give that away.

Every attack tries each value v of the attribute, with the known rest x_K and the label y of the record:

    map          argmax_v P(v) C[y, f(x_K, v)]                    Fredrikson et al. 2014; black-box rule of 2015
    tree-counts  argmax_v P(v) n(x_K, v) 1[label is y] / phi(v)   Fredrikson et al. 2015, white-box with counts
    csmia        the one value that gives y; of several the one with the largest confidence; where none gives y, the one
                 with the smallest confidence                     Mehnaz et al. 2022

C[y, y'] is the share of records of class y that the model puts into y'. n(x_K, v) is the share of the training set in
the leaf that the record reaches, and phi(v) the share in all leaves that a record with value v can reach. The paper
prints the sum over the paths consistent with x_K both above and below, where it cancels; below, it is taken over the
paths consistent with v alone, which makes the score P(v) times an estimate of P(x_K, y | v). Ties go to the value that
is likelier in the population, then to the first.

The black-box attacks ask an oracle once, for all records and values together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.attacks.reconstruction.knowledge import Knowledge, Partial, require
from jaxattack.attacks.reconstruction.secret import Secret
from jaxattack.types import (
    EVERY_LEVEL,
    NUMBERS,
    Answer,
    BudgetSpent,
    Goal,
    InputError,
    Ledger,
    Level,
    Need,
    Oracle,
    OracleError,
    Progress,
    Reconstruction,
    config,
)

Score = Callable[[Answer, np.ndarray], np.ndarray]
"""Answers and the labels of their records, Int["record value"], to Float["record value"]."""

BLOCK = 1024
"""Records that a tree is asked about at once."""


def confusion_matrix(
    label: Int[np.ndarray, "record"], predicted: Int[np.ndarray, "record"], classes: int
) -> Float[np.ndarray, "cls predicted"]:
    """C[y, y'], the share of the records of class y that the model puts into y'; 0 throughout for an absent class.

    Raises:
        InputError: labels outside the classes, or different lengths.
    """
    if label.shape != predicted.shape:
        raise InputError(
            f"there are {label.shape} labels and {predicted.shape} predictions: give one of each a record."
        )
    for name, labels in (("label", label), ("predicted", predicted)):
        _within(name, labels, classes)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (label, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@config
class MaximumPosterior:
    """The likeliest value of an attribute given the label, by the model's confusion matrix."""

    name = "map"
    paper = "Fredrikson et al. 2014 and 2015"
    goal: ClassVar[Goal] = "attribute"
    needs: ClassVar[tuple[Need, ...]] = ("answers", "confusion", "partial")
    levels: ClassVar[tuple[Level, ...]] = EVERY_LEVEL

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Guess the attribute of each record; the score is P(v) C[y, f(x_K, v)].

        Raises:
            InputError: something missing, no confusion matrix of the victim's classes, labels or records that do not
                fit, or a budget too small for a single record.
        """
        del seed, progress  # nothing is random, and all is one call
        oracle, confusion, partial = require(self, knowledge)
        _check_confusion(confusion, oracle.access.classes)

        def score(answer: Answer, y: Int[np.ndarray, "record value"]) -> np.ndarray:
            return partial.secret.prior * confusion[y, answer.label.reshape(y.shape)]

        return _ask(self.name, oracle, partial, score)


@config
class Confidence:
    """CSMIA: the value whose prediction is the record's label, and confidences where that does not decide."""

    name = "csmia"
    paper = "Mehnaz et al. 2022"
    goal: ClassVar[Goal] = "attribute"
    needs: ClassVar[tuple[Need, ...]] = ("answers", "partial")
    levels: ClassVar[tuple[Level, ...]] = NUMBERS

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Guess the attribute of each record.

        The score is the confidence of the predicted class where that is y, and less that confidence where it is not:
        its largest is at the one value that gives y, at the surest of several, and at the least sure of none.

        Raises:
            InputError: something missing, a level that it cannot work with, labels or records that do not fit, or a
                budget too small for a single record.
        """
        del seed, progress  # nothing is random, and all is one call
        oracle, partial = require(self, knowledge)

        def score(answer: Answer, y: Int[np.ndarray, "record value"]) -> np.ndarray:
            confidence = answer.probability if answer.probability is not None else softmax(answer.logit, axis=1)
            top = confidence[np.arange(len(confidence)), answer.label].reshape(y.shape)
            return np.where(answer.label.reshape(y.shape) == y, top, -top)

        return _ask(self.name, oracle, partial, score)


@config
class TreeCounts:
    """The likeliest value of an attribute by the training counts in the leaves of a tree that the attacker holds."""

    name = "tree-counts"
    paper = "Fredrikson et al. 2015"
    goal: ClassVar[Goal] = "attribute"
    needs: ClassVar[tuple[Need, ...]] = ("tree", "partial")
    levels: ClassVar[tuple[Level, ...]] = ()

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Guess the attribute of each record; the score is P(v) n(x_K, v) 1[label is y] / phi(v).

        Raises:
            InputError: something missing, or labels or records that do not fit.
        """
        del seed  # nothing is random
        tree, (x, y, secret) = require(self, knowledge)
        _check_records(x, y, tree.features, tree.classes)
        leaf, features = tree.feature < 0, np.ones(tree.features, bool)
        share = np.where(leaf, tree.count / tree.count[0], 0.0)
        only = np.isin(np.arange(tree.features), secret.columns)
        phi = tree.reachable(secret.candidates(np.zeros((1, tree.features)))[0], only) @ share
        parts = []
        for at in range(0, len(x), BLOCK):
            candidates = secret.candidates(x[at : at + BLOCK]).reshape(-1, tree.features)
            label = np.repeat(y[at : at + BLOCK], len(secret.prior))[:, np.newaxis]
            parts.append((tree.reachable(candidates, features) & leaf & (tree.label == label)) @ share)
            if progress:
                progress("records", min(at + BLOCK, len(x)), len(x))
        score = secret.prior * np.concatenate(parts).reshape(len(x), -1) / phi
        return Reconstruction(attack=self.name, goal=self.goal, value=_likeliest(score, secret), score=score)


def _ask(attack: str, oracle: Oracle, partial: Partial, score: Score) -> Reconstruction:
    """Ask about each record with each value in one call, or about as many records as the budget allows."""
    (x, y, secret), access = partial, oracle.access
    _check_records(x, y, int(np.prod(access.inputs.shape)), access.classes)
    before, values = oracle.ledger, len(secret.prior)
    queries = secret.candidates(x).reshape(-1, *access.inputs.shape)
    count, reason = len(x), ""
    try:
        answer = oracle(queries)
    except BudgetSpent as error:
        count = error.left // values
        reason = f"The budget allowed {count} of {len(x)} records: all of them take {len(queries):,} queries."
        if not count:
            raise InputError(f"{error} {attack} needs at least {values} queries for a single record.") from error
        answer = oracle(queries[: count * values])
    scores = np.full((len(x), values), np.nan)
    scores[:count] = score(answer, np.repeat(y[:count, np.newaxis], values, axis=1))
    if np.isnan(scores[:count]).any():
        raise OracleError("the victim answered NaN for a class that it predicts: its confidences cannot be believed.")
    cost: Ledger = oracle.ledger - before
    return Reconstruction(
        attack=attack,
        goal="attribute",
        value=_likeliest(scores, secret),
        score=scores,
        cost=cost,
        converged=not reason,
        complete=not reason,
        reason=reason,
    )


def _likeliest(score: Float[np.ndarray, "record value"], secret: Secret) -> Int[np.ndarray, "record"]:
    # Where rounding makes equal scores differ, the prior decides still.
    near = score >= score.max(axis=1, keepdims=True) - 1e-12
    unknown = np.isnan(score).any(axis=1, keepdims=True)
    return np.where(near | unknown, secret.prior, -1.0).argmax(axis=1)


def _check_confusion(confusion: Float[np.ndarray, "cls predicted"], classes: int) -> None:
    shape, sums = confusion.shape, confusion.sum(axis=-1)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise InputError(f"confusion has shape {shape}: give one row and one column for each class.")
    if not ((confusion >= 0).all() and (np.isclose(sums, 1) | (sums == 0)).all()):
        raise InputError("confusion is no matrix of shares: divide each row of counts by its sum.")
    if len(confusion) != classes:
        raise InputError(f"confusion is of {len(confusion)} classes and the victim has {classes}: give its own.")


def _within(name: str, label: Int[np.ndarray, "record"], classes: int) -> None:
    if not np.issubdtype(label.dtype, np.integer) or (len(label) and not 0 <= label.min() <= label.max() < classes):
        raise InputError(f"{name} holds other than whole numbers from 0 to {classes - 1}: give classes that exist.")


def _check_records(x: np.ndarray, y: np.ndarray, features: int, classes: int) -> None:
    if x.ndim != 2 or x.shape[1] != features or not len(x):
        raise InputError(f"x has shape {x.shape}: give at least one record, of {features} features.")
    if y.shape != (len(x),):
        raise InputError(f"y has shape {y.shape}: give one label for each of {len(x)} records.")
    if classes < 2:
        raise InputError("the victim is a regressor: attribute inference by labels needs a classifier.")
    _within("y", y, classes)
