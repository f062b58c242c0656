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

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.attacks.reconstruction.secret import Attributes, Secret
from jaxattack.attacks.reconstruction.tree import CountedTree
from jaxattack.types import EVERY_LEVEL, NUMBERS, Answer, BudgetSpent, InputError, Ledger, Oracle, OracleError, config

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
    for name, given in (("label", label), ("predicted", predicted)):
        _within(name, given, classes)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (label, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaximumPosterior:
    """The most likely value given the label, by the model's published confusion matrix.

    Attributes:
        confusion: C[y, y'], rows that sum to 1 (or to 0 for a class that nobody counted).

    Raises:
        InputError: no square matrix of such rows.
    """

    confusion: Float[np.ndarray, "cls predicted"]

    name = "map"
    levels = EVERY_LEVEL

    def __post_init__(self) -> None:
        shape, sums = self.confusion.shape, self.confusion.sum(axis=-1)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise InputError(f"confusion has shape {shape}: give one row and one column for each class.")
        if not ((self.confusion >= 0).all() and (np.isclose(sums, 1) | (sums == 0)).all()):
            raise InputError("confusion is no matrix of shares: divide each row of counts by its sum.")

    def __call__(
        self, oracle: Oracle, x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], secret: Secret
    ) -> Attributes:
        """Guess the attribute of each record; the score is P(v) C[y, f(x_K, v)].

        Args:
            oracle: the victim.
            x: records; the secret's columns are not read.
            y: their true labels.
            secret: the attribute.

        Raises:
            InputError: a confusion matrix of other classes, a level that it cannot work with, labels or records that do
                not fit, or a budget too small for a single record.
        """
        if len(self.confusion) != oracle.access.classes:
            raise InputError(
                f"confusion is of {len(self.confusion)} classes and the victim has {oracle.access.classes}: give its own."
            )

        def score(answer: Answer, y: Int[np.ndarray, "record value"]) -> np.ndarray:
            return secret.prior * self.confusion[y, answer.label.reshape(y.shape)]

        return _asked(self, oracle, x, y, secret, score)


@config
class Confidence:
    """CSMIA: the value whose prediction is the record's label, and confidences where that does not decide."""

    name = "csmia"
    levels = NUMBERS

    def __call__(
        self, oracle: Oracle, x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], secret: Secret
    ) -> Attributes:
        """Guess the attribute of each record.

        The score is the confidence of the predicted class where that is y, and less that confidence where it is not:
        its largest is at the one value that gives y, at the surest of several, and at the least sure of none.

        Args:
            oracle: the victim.
            x: records; the secret's columns are not read.
            y: their true labels.
            secret: the attribute.

        Raises:
            InputError: a level that it cannot work with, labels or records that do not fit, or a budget too small for a
                single record.
        """

        def score(answer: Answer, y: Int[np.ndarray, "record value"]) -> np.ndarray:
            given = answer.probability if answer.probability is not None else softmax(answer.logit, axis=1)
            sure = given[np.arange(len(given)), answer.label].reshape(y.shape)
            return np.where(answer.label.reshape(y.shape) == y, sure, -sure)

        return _asked(self, oracle, x, y, secret, score)


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeCounts:
    """The most likely value by the training counts in the leaves of a tree that the attacker holds.

    Attributes:
        tree: the victim.
    """

    tree: CountedTree

    name = "tree-counts"

    def __call__(
        self, x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], secret: Secret
    ) -> Attributes:
        """Guess the attribute of each record; the score is P(v) n(x_K, v) 1[label is y] / phi(v).

        Args:
            x: records; the secret's columns are not read.
            y: their true labels.
            secret: the attribute.

        Raises:
            InputError: labels or records that do not fit.
        """
        tree = self.tree
        _fits(x, y, tree.features, tree.classes)
        leaf = tree.feature < 0
        known = np.ones(tree.features, bool)
        only = np.isin(np.arange(tree.features), secret.columns)
        share = np.where(leaf, tree.count / tree.count[0], 0.0)
        alone = tree.reached(secret.tried(np.zeros((1, tree.features)))[0], only)
        phi = alone @ share
        parts = []
        for at in range(0, len(x), BLOCK):
            tried = secret.tried(x[at : at + BLOCK])
            reached = tree.reached(tried.reshape(-1, tree.features), known) & leaf
            gives = tree.label == np.repeat(y[at : at + BLOCK], len(secret.prior))[:, np.newaxis]
            parts.append((reached & gives) @ share)
        score = secret.prior * np.concatenate(parts).reshape(len(x), -1) / phi
        return Attributes(attack=self.name, value=_best(score, secret), score=score)


def _asked(attack, oracle: Oracle, x, y, secret: Secret, score) -> Attributes:
    """Ask about each record with each value in one call, or about as many records as the budget allows."""
    access = oracle.access
    if access.level not in attack.levels:
        raise InputError(f"{attack.name} cannot work with {access.level} answers: it needs confidences.")
    _fits(x, y, int(np.prod(access.inputs.shape)), access.classes)
    before, values = oracle.ledger, len(secret.prior)
    tried = secret.tried(x).reshape(-1, x.shape[1])
    asked, reason = len(x), ""
    try:
        answer = oracle(tried)
    except BudgetSpent as error:
        asked = error.left // values
        reason = f"The budget allowed {asked} of {len(x)} records: all of them take {len(tried):,} queries."
        if not asked:
            raise InputError(f"{error} {attack.name} needs at least {values} queries for a single record.") from error
        answer = oracle(tried[: asked * values])
    scores = np.full((len(x), values), np.nan)
    scores[:asked] = score(answer, np.repeat(y[:asked, np.newaxis], values, axis=1))
    if np.isnan(scores[:asked]).any():
        raise OracleError("the victim answered NaN for a class that it predicts: its confidences cannot be believed.")
    cost: Ledger = oracle.ledger - before
    return Attributes(
        attack=attack.name,
        value=_best(scores, secret),
        score=scores,
        cost=cost,
        complete=not reason,
        reason=reason,
    )


def _best(score: Float[np.ndarray, "record value"], secret: Secret) -> Int[np.ndarray, "record"]:
    # Where rounding makes equal scores differ, the prior decides still.
    near = score >= score.max(axis=1, keepdims=True) - 1e-12
    unasked = np.isnan(score).any(axis=1, keepdims=True)
    return np.where(near | unasked, secret.prior, -1.0).argmax(axis=1)


def _within(name: str, label: Int[np.ndarray, "record"], classes: int) -> None:
    if not np.issubdtype(label.dtype, np.integer) or (len(label) and not 0 <= label.min() <= label.max() < classes):
        raise InputError(f"{name} holds other than whole numbers from 0 to {classes - 1}: give classes that exist.")


def _fits(x, y, features: int, classes: int) -> None:
    if x.ndim != 2 or x.shape[1] != features or not len(x):
        raise InputError(f"x has shape {x.shape}: give at least one record, of {features} features.")
    if y.shape != (len(x),):
        raise InputError(f"y has shape {y.shape}: give one label for each of {len(x)} records.")
    if classes < 2:
        raise InputError("the victim is a regressor: attribute inference by labels needs a classifier.")
    _within("y", y, classes)
