"""One target beside its references as a sweep, the target first, for attacks that take references from a sweep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from jaxattack.attacks.membership.complements import complement_groups, equal_counts
from jaxattack.types import InputError, Observations


def hidden_row(member: Bool[np.ndarray, "model record"]) -> Bool[np.ndarray, "1 record"]:
    """A row of the member matrix for a target that drew its members by itself: it tells nothing of them.

    An attack reads from that row whom to leave out among the references. This one, drawn at random, leaves out none: it is no
    reference's members, nor exactly those that one lacks, and not every record is in the same number of models.
    """
    for seed in range(64):
        row = np.random.default_rng((seed, 1)).random((1, member.shape[1])) < 0.5
        together = np.vstack([row, member])
        if (complement_groups(together)[0][1:] != 0).all() and not equal_counts(together):
            return row
    return row


def stacked(target: Observations, references: Observations, row: Bool[np.ndarray, "1 record"]) -> Observations:
    """Target and references as one, the target first, of the signals that the references have.

    Args:
        target: one model.
        references: others, asked about the same records.
        row: what stands in the member matrix for the target (`hidden_row`).

    Raises:
        InputError: they were asked about other records or views, or answer with another number of classes.
    """
    if not np.array_equal(target.label, references.label):
        raise InputError(
            "the references were asked about other records than the target: ask them about the same, in one order."
        )
    signals = {}
    for name, theirs in references.signals.items():
        own = target.signal(name)
        if own.shape[1:] != theirs.shape[1:]:
            raise InputError(
                f"{name} of the target has shape {own.shape[1:]} and of the references {theirs.shape[1:]}: ask both about the same "
                "views of a record, with the same classes."
            )
        signals[name] = np.concatenate([own, theirs])
    return replace(references, signals=signals, member=np.vstack([row, references.member]), unknown=None, ask=None)
