"""Whose the records are: the owner's, those held out, and those of the public.

All are put into the units of the network at once: pictures of bytes to -1..1, and columns of a table that are far from one
scale to mean 0 and variance 1 over the records of the public, which tell nothing of the owner's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.records import choose_records
from jaxattack.audit.victim import input_ranges
from jaxattack.data import unscaled_columns
from jaxattack.training.images import check_images
from jaxattack.types import Dataset, InputError, Inputs


class Split(NamedTuple):
    """The records of an audit of ownership.

    Attributes:
        members: the owner's.
        held_out: nobody is trained on them.
        public: of everybody else.
        inputs: what a service that takes such records documents.
    """

    members: Dataset
    held_out: Dataset
    public: Dataset
    inputs: Inputs

    @property
    def every(self) -> Dataset:
        """All records: the owner's, those held out, those of the public."""
        parts = self.members, self.held_out, self.public
        x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y"))
        return replace(self.public, x=x, y=y, ids=())


def split(audit: OwnershipAudit) -> Split:
    """Deal the records out, at random by the audit's seed.

    Raises:
        InputError: too few records for the public to train on as many as the owner has.
    """
    check_images(audit.dataset)
    dataset = choose_records(audit.dataset, audit.records, audit.seed)
    count = len(dataset)
    members = count // 4 if audit.members is None else audit.members
    held_out = count // 5 if audit.held_out is None else audit.held_out
    left = count - members - held_out
    if members < 2 or held_out < 2 or left < members:
        raise InputError(
            f"of {count} records {members} are the owner's and {held_out} held out, which leaves {max(left, 0)} for others: "
            "leave them at least as many as the owner has, and everybody at least 2; give fewer members, or more records."
        )
    # A spawn key of its own, so that the choice of records and whose they are are independent.
    order = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(5, 0))).permutation(count)
    places = np.split(order, [members, members + held_out])
    for whose, part in zip(("the owner's", "held out", "the public's"), places, strict=True):
        if len(np.unique(dataset.y[part])) < 2:
            raise InputError(
                f"of {count} records those {whose} would all have the label {dataset.y[part][0]}, and every part needs two classes: "
                "give more records, or another seed."
            )
    scaled = _in_units(dataset, places[2])
    own, nobody, public = (scaled.take(np.sort(part)) for part in places)
    inputs = Inputs.box(-1, 1, dataset.shape) if dataset.images else input_ranges(scaled.x)
    return Split(own, nobody, public, inputs)


def _in_units(dataset: Dataset, public: np.ndarray) -> Dataset:
    """The records in the units of the network, scaled by those of the public."""
    if dataset.images:
        return replace(dataset, x=dataset.x.astype(np.float32) / 127.5 - 1)
    x = dataset.x.astype(np.float32)
    if columns := unscaled_columns(dataset):
        mean, spread = x[public].mean(axis=0, dtype=np.float64), x[public].std(axis=0, dtype=np.float64)
        spread = np.where(x[public].min(axis=0) < x[public].max(axis=0), spread, 0.0)  # no rounding for a constant
        x = np.where(columns, (x - mean) / np.where(spread > 0, spread, 1), x).astype(np.float32)
    return replace(dataset, x=x)
