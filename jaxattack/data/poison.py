"""Poison that raises what a membership attack finds: copies of a record with one wrong label (Tramèr et al., CCS 2022,
arXiv 2204.00032).

A model that is told `copies` times that x is of class y' learns y' there, unless it was trained on (x, y) too: what was a
member that looks like its neighbours becomes an outlier. The attacker put the poison there and so knows it: every
model is trained on it, the references as well as the target, and the poison itself is never attacked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.types import Dataset, InputError, at_least


class Poisoned(NamedTuple):
    """Records with poison behind them.

    Attributes:
        records: those of the data set in their order, then the poison, copy by copy.
        background: which are poison: in every model's training set, and not scored.
        targets: the records that are poisoned, ascending.
    """

    records: Dataset
    background: Bool[np.ndarray, "record"]
    targets: Int[np.ndarray, "target"]


def choose_targets(dataset: Dataset, count: int, seed: int) -> Int[np.ndarray, "target"]:
    """So many records at random, ascending.

    Raises:
        InputError: fewer than 1, or more than there are.
    """
    at_least(1, targets=count)
    if count > len(dataset):
        raise InputError(f"targets is {count} and {dataset.name} has {len(dataset)} records: give at most that many.")
    # A spawn key of its own, so that targets and members are chosen independently.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, 0)))
    return np.sort(rng.permutation(len(dataset))[:count])


def relabel_copies(dataset: Dataset, targets: Int[np.ndarray, "target"], copies: int, seed: int) -> Poisoned:
    """Append copies of each target with a wrong label, one for all copies of a target, drawn evenly from the others.

    More copies leave the label as it is, so that runs with several numbers of copies are comparable.

    Args:
        dataset: the clean records.
        targets: the records to poison, each once.
        copies: of each, at least 0; 0 appends nothing.
        seed: decides the labels.

    Raises:
        InputError: no such record, one named twice, or fewer than 0 copies.
    """
    targets = np.asarray(targets)
    if copies < 0:
        raise InputError(f"copies is {copies}: give 0 or more.")
    if targets.ndim != 1 or not len(targets) or not np.issubdtype(targets.dtype, np.integer):
        raise InputError("targets are not whole numbers: give the places of the records to poison, from 0.")
    if targets.min() < 0 or targets.max() >= len(dataset) or len(np.unique(targets)) < len(targets):
        raise InputError(
            f"targets run from {targets.min()} to {targets.max()} and {dataset.name} has {len(dataset)} records: name each "
            f"once, from 0 to {len(dataset) - 1}."
        )
    targets = np.sort(targets)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, 1)))
    shift = rng.integers(1, dataset.classes, len(dataset))[
        targets
    ]  # of every record, so that other targets change none
    wrong = (dataset.y[targets] + shift) % dataset.classes
    poison = np.tile(targets, copies)
    return Poisoned(
        records=dataset.extend(dataset.x[poison], np.tile(wrong, copies), kind="poison"),
        background=np.arange(len(dataset) + len(poison)) >= len(dataset),
        targets=targets,
    )
