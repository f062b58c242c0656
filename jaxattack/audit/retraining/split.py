"""Who is trained on, whose records the attacker has, and who judges: three disjoint parts of the records."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxattack.audit.records import Standardise
from jaxattack.data import unscaled_columns
from jaxattack.types import Dataset, InputError


class Split(NamedTuple):
    """The parts of the records.

    Attributes:
        train: the clean training set.
        own: the attacker's own, on which it looks for poison; nothing is judged on them.
        held_out: what judges; nobody has seen them.
        notes: what was done to the records, in sentences.
    """

    train: Dataset
    own: Dataset
    held_out: Dataset
    notes: tuple[str, ...]


def split(dataset: Dataset, standardise: Standardise, seed: int) -> Split:
    """Half, a quarter and a quarter of the records at random, in their order.

    Columns far from one scale are put on that of the first part, which is clean, unless ``standardise`` is none.

    Raises:
        InputError: too few records for each part to have two classes.
    """
    # A spawn key of its own, so that parts, records and targets are chosen independently.
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5, 0))).permutation(len(dataset))
    parts = np.split(order, [len(order) // 2, 3 * len(order) // 4])
    if any(len(np.unique(dataset.y[rows])) < 2 for rows in parts):
        raise InputError(
            f"{dataset.name} has {len(dataset)} records, too few for a training set, the attacker's own and those that judge, each "
            "of two classes: give more."
        )
    columns, notes = np.array(unscaled_columns(dataset) if standardise == "members" else (), bool), ()
    if columns.any():
        train = dataset.x[parts[0]].astype(np.float64)
        spread = np.where(train.min(axis=0) < train.max(axis=0), train.std(axis=0), 0.0)  # no rounding for a constant
        centre, scale = train.mean(axis=0), np.where(spread > 0, spread, 1.0)
        scaled = np.where(columns, (dataset.x - centre) / scale, dataset.x).astype(np.float32)
        dataset = replace(dataset, x=scaled)
        notes = (
            f"{columns.sum()} columns were put on the scale that they have in the clean training set, before any poison.",
        )
    train, own, held_out = (dataset.take(np.sort(rows)) for rows in parts)
    return Split(train, own, held_out, notes)


def keep_classes(dataset: Dataset, classes: tuple[int, ...]) -> Dataset:
    """The records of some classes, renumbered from 0 in this order.

    Raises:
        InputError: fewer than two classes, one twice, or one that there is not.
    """
    if len({*classes}) < max(len(classes), 2):
        raise InputError(f"classes is {classes}: name at least two, each once, as 1 7.")
    for label in classes:
        if not 0 <= label < dataset.classes:
            raise InputError(f"classes has {label} and {dataset.name} has classes 0 to {dataset.classes - 1}.")
    rows = np.flatnonzero(np.isin(dataset.y, classes))
    number = np.zeros(dataset.classes, dataset.y.dtype)
    number[list(classes)] = np.arange(len(classes))
    names = tuple(dataset.names[label] for label in classes) if dataset.names else ()
    part = dataset.take(rows)
    words = "-".join(map(str, classes))
    return replace(part, y=number[part.y], classes=len(classes), names=names, name=f"{dataset.name} {words}")
