"""How often models are right about their members and about other records, with its uncertainty over records and models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from jaxattack.metrics.clusters import model_clusters
from jaxattack.metrics.inputs import read_clusters
from jaxattack.metrics.uncertainty import Influences, Levels, records_by_side, sums_of
from jaxattack.types import InputError


def accuracy_influences(
    right: Bool[np.ndarray, "model record"],
    member: Bool[np.ndarray, "model record"],
    clusters: ArrayLike | None = None,
) -> Influences:
    """The influence of every answer on the training accuracy and on the test accuracy, all models together.

    Args:
        right: whether each model labels each record right.
        member: whether it was trained on it.
        clusters: a label for each model, from 0. By default `jaxattack.metrics.model_clusters`.

    Returns:
        Of two figures: the share right among members, and among the others.

    Raises:
        InputError: only members, or only others; or not one label for each model.
    """
    clusters = read_clusters(model_clusters(member) if clusters is None else clusters, len(member))
    code = (right + 2 * member).astype(np.uint8)
    wrong_other, right_other, wrong_member, right_member = np.bincount(code.ravel(), minlength=4).tolist()
    members, others = wrong_member + right_member, wrong_other + right_other
    if not members or not others:
        raise InputError(f"accuracy on {members} members and {others} others is unknown: give some of both.")
    train, test = right_member / members, right_other / others
    influence = np.zeros((4, 2))
    influence[2:, 0] = np.array([-train, 1 - train]) / members
    influence[:2, 1] = np.array([-test, 1 - test]) / others
    trials = np.array(records_by_side(code, 2)[::-1])
    levels = Levels(code, 2, influence, np.array([train, test]), np.full(2, np.inf), trials)
    record, cluster = sums_of(levels, clusters)
    return Influences(fprs=(), clusters=clusters, levels=levels, by_record=record, by_cluster=cluster)
