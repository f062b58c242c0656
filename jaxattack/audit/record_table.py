"""Every record of an audit: how surely it is given away, what the claimed attack says of it, and how hard it is.

Records are ranked as `jaxattack.audit.per_record.Exposure.order` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.audit.per_record import Exposure, mean_over
from jaxattack.metrics import model_clusters, vulnerability_interval

RATES = ("0.001", "0.01")
"""The false-positive rates, pooled over records, at whose thresholds records are counted."""


class Detections(NamedTuple):
    """How often an attack calls each record a member at a threshold; NaN where there is no such model.

    Attributes:
        with_record: the share of the models that were trained on it.
        without_record: the share of the others.
    """

    with_record: Float[np.ndarray, "record"]
    without_record: Float[np.ndarray, "record"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordTable:
    """All records that were scored, in the order of the data.

    Attributes:
        attack: whose detections they are.
        number: of each in the data, from 0.
        label: its class: a name where classes have names.
        vulnerability: the AUC of what is shown over the models, as `jaxattack.metrics.vulnerability`.
        interval: of that at 95%, for new models.
        beyond_chance: as `jaxattack.audit.per_record.Exposure`.
        rank: from 1, the most vulnerable.
        detections: by false-positive rate.
        shown_with: the mean of phi, in nats, over the models that were trained on it; where labels alone are answered, the
            share that are right.
        shown_without: over the others.
        difficulty: the mean loss of the others, in nats; where labels alone are answered, the share that are wrong.
    """

    attack: str
    number: Int[np.ndarray, "record"]
    label: Sequence[int | str]
    vulnerability: Float[np.ndarray, "record"]
    interval: Float[np.ndarray, "bound record"]
    beyond_chance: Bool[np.ndarray, "record"]
    rank: Int[np.ndarray, "record"]
    detections: Mapping[str, Detections]
    shown_with: Float[np.ndarray, "record"]
    shown_without: Float[np.ndarray, "record"]
    difficulty: Float[np.ndarray, "record"]


def detections_at(
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    thresholds: Mapping[str, float],
) -> dict[str, Detections]:
    """How often an attack calls each record a member at the thresholds of `RATES`.

    Args:
        scores: higher means "more likely a member".
        member: the truth.
        thresholds: by rate; a score at one is called a member.
    """
    return {
        rate: Detections(*(mean_over(scores >= thresholds[rate], side) for side in (member, ~member))) for rate in RATES
    }


def record_table(
    exposure: Exposure, label: Sequence[int | str], attack: str, detections: Mapping[str, Detections]
) -> RecordTable:
    """The table of what is known already.

    Args:
        exposure: of each record.
        label: of each.
        attack: the claimed one.
        detections: its own.
    """
    phi, member = exposure.phi, exposure.member
    rank = np.empty(len(label), int)
    rank[exposure.order] = np.arange(1, len(label) + 1)
    loss = 1.0 - phi if exposure.labels_alone else np.logaddexp(0.0, -phi.astype(np.float64))
    return RecordTable(
        attack=attack,
        number=exposure.number,
        label=label,
        vulnerability=exposure.vulnerability,
        interval=vulnerability_interval(phi, member, model_clusters(member)),
        beyond_chance=exposure.beyond,
        rank=rank,
        detections=detections,
        shown_with=mean_over(phi, member),
        shown_without=mean_over(phi, ~member),
        difficulty=mean_over(loss, ~member),
    )
