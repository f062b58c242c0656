"""Which records an audit is about, and on what scale its models take them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from jaxattack.data import unscaled_columns
from jaxattack.training import learners
from jaxattack.types import Dataset, InputError, Learner

Standardise = Literal["members", "none"]
"""members: each model takes off its own members' mean and divides by their standard deviation, in columns of a table that
are far from one scale. none: columns as they are."""


COPIES = 0.02
"""The largest share of records that are equal to another which is not worth a word."""


def choose_records(dataset: Dataset, records: int | None, seed: int) -> Dataset:
    """So many records at random, in the order of the data set; all of them for None.

    Raises:
        InputError: there are fewer, or fewer than 4 are asked for.
    """
    if records is None or records == len(dataset):
        return dataset
    if records < 4:
        raise InputError(f"records is {records}: give at least 4.")
    if records > len(dataset):
        raise InputError(f"records is {records} and {dataset.name} has {len(dataset)}: ask for at most that many.")
    # A spawn key of its own, so that the choice of records and the choice of members are independent.
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0))).permutation(len(dataset))
    return dataset.take(np.sort(order[:records]))


def set_aside(records: Dataset, reserve: int, seed: int) -> Dataset:
    """The same records with so many, chosen at random, behind the others; both parts stay in their order.

    Args:
        records: all of them.
        reserve: how many are the defender's, below their number; 0 moves none.
        seed: decides which.
    """
    if not reserve:
        return records
    # A spawn key of its own, so that members and reserve are chosen independently.
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 1))).permutation(len(records))
    return records.take(np.concatenate([np.sort(order[reserve:]), np.sort(order[:reserve])]))


def unscored(identity: Mapping[str, Any]) -> int:
    """How many of the last records of a run are not scored: the background, which is in every model, and the reserve, in none."""
    return identity.get("background", 0) + identity.get("reserve", 0)


def notes_on_copies(records: Dataset) -> tuple[str, ...]:
    """A sentence where more than `COPIES` of the records are equal to another, in every feature and in the label."""
    pairs = zip(records.x, records.y.tolist(), strict=True)
    number = Counter((hashlib.blake2b(row.tobytes(), digest_size=16).digest(), label) for row, label in pairs)
    copies = sum(count for count in number.values() if count > 1)
    if copies <= COPIES * len(records):
        return ()
    return (
        f"{copies:,} of {len(records):,} records are equal to another. Where one of them is a member and the other is not, both look "
        "like members: attacks are scored down, and records count as more than there are. Remove copies first.",
    )


def scaled_columns(standardise: Standardise, records: Dataset, learner: Learner) -> tuple[bool, ...]:
    """Which columns each model puts on the scale of its members.

    Raises:
        InputError: the learner's privacy does not cover what the scale tells of the members.
    """
    columns = unscaled_columns(records) if standardise == "members" else ()
    kinds = {learners.PATE: "pate", learners.DPSGD: "dp-sgd"}
    private = [name for kind, name in kinds.items() if isinstance(getattr(learner, "gradient", learner), kind)]
    if columns and private:
        raise InputError(
            f"{sum(columns)} columns of {records.name} are far from one scale, and {private[0]} does not cover a scale found on "
            "the members: scale the table by figures that are public, or give standardise none."
        )
    return columns
