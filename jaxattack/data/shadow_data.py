"""Records that a shadow may learn where nothing like the target's own are at hand (Shokri et al. 2017, section V-C).

    noisy(dataset, share=.1)             real records of which a share of the values is wrong
    marginals(dataset, records=1000)     every feature by itself, of all records or of a class's
    label_by(victim, x)                  labels that the target gives

Records synthesised from the target's answers alone: `jaxattack.attacks.membership.synthesis`. With ten and twenty per cent of
noise the paper's precision on Location falls from .678 to .666 and .613; marginals take .795 of .935 on Purchase.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Shaped

from jaxattack.types import Dataset, InputError, Oracle, at_least


def noisy(dataset: Dataset, *, share: float = 0.1, seed: int = 0) -> Dataset:
    """The records with values that are wrong: a feature of zeros and ones is flipped, any other takes a value of its own again.

    Args:
        dataset: the records.
        share: the probability that a value is replaced, 0 to 1.
        seed: of the draw, at least 0.

    Raises:
        InputError: a number out of range.
    """
    at_least(0, seed=seed)
    if not 0 <= share <= 1:
        raise InputError(f"share is {share}: give the share of the values that are replaced, 0 to 1.")
    rng = np.random.default_rng(seed)
    x = dataset.x.reshape(len(dataset), -1)
    binary = ((x == 0) | (x == 1)).all(axis=0)
    other = np.where(binary, 1 - x, _from_columns(x, len(x), rng))
    wrong = np.where(rng.random(x.shape) < share, other, x)
    return replace(dataset, x=wrong.astype(x.dtype).reshape(dataset.x.shape), name=f"{dataset.name}?noise={share:g}")


def marginals(dataset: Dataset, *, records: int, by_class: bool = True, seed: int = 0) -> Dataset:
    """Records whose every feature is drawn by itself from those of the data set.

    Args:
        dataset: whose values are drawn.
        records: how many to make, at least 1.
        by_class: whether a record's label is drawn first, as frequent as in the data set, and its values from records of that
            label. Without, values are of all records, and so is the label, which then says nothing: see `label_by`.
        seed: of the draw, at least 0.

    Raises:
        InputError: a number out of range.
    """
    at_least(1, records=records)
    at_least(0, seed=seed)
    rng = np.random.default_rng(seed)
    source = dataset.x.reshape(len(dataset), -1)
    y = rng.choice(dataset.y, records)
    x = np.empty((records, source.shape[1]), source.dtype)
    for rows, values in _pools(dataset.y, y, by_class):
        x[rows] = _from_columns(source[values], int(rows.sum()), rng)
    return replace(dataset, x=x.reshape(records, *dataset.shape), y=y, ids=(), name=f"{dataset.name}?marginals")


def label_by(victim: Oracle, x: Shaped[np.ndarray, "record *feature"], *, name: str = "labelled") -> Dataset:
    """Records with the labels that a target gives them, a query each.

    Raises:
        InputError: records that the target does not take.
        BudgetSpent: more records than the target has queries left.
    """
    return Dataset(x=x, y=np.asarray(victim(x).label).astype(np.int64), classes=victim.access.classes, name=name)


def _pools(source, drawn, by_class):
    """The rows that are to be made, and the records whose values they take."""
    if not by_class:
        return [(np.ones(len(drawn), bool), np.ones(len(source), bool))]
    return [(drawn == label, source == label) for label in np.unique(drawn)]


def _from_columns(
    x: Shaped[np.ndarray, "record feature"], records: int, rng: np.random.Generator
) -> Shaped[np.ndarray, "drawn feature"]:
    """Records of which each value is one of its column's."""
    return np.take_along_axis(x, rng.integers(0, len(x), (records, x.shape[1])), axis=0)
