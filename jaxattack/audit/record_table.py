"""Every record of an audit: how surely it is given away, what the claimed attack says of it, and how hard it is.

Records are ranked as `jaxattack.audit.per_record.Exposure.order` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.reference import loss_of
from jaxattack.audit.per_record import Exposure, mean_over
from jaxattack.types import Observations, ids_at

RATES = ("0.001", "0.01")
"""The false-positive rates, pooled over records, at whose thresholds records are counted."""


class Detections(NamedTuple):
    """How often an attack calls each record a member at a threshold; NaN where there is no such model.

    Attributes:
        tpr: the share of the models that were trained on it.
        fpr: the share of the others.
    """

    tpr: Float[np.ndarray, "record"]
    fpr: Float[np.ndarray, "record"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordTable:
    """All records that were scored, in the order of the data.

    Attributes:
        attack: the claimed one, whose detections they are.
        exposure: what the models say of each record, and how surely that gives it away.
        label: its class.
        names: of the classes; empty where they are numbered alone.
        ids: what each record is called where it comes from; empty where they are numbered alone.
        interval: of the vulnerability at 95%, for new models.
        rank: from 1, the most vulnerable.
        detections: by false-positive rate.
        mean_in: the mean of what is shown, phi in nats, over the models that were trained on it; where labels alone are
            answered, the share that are right.
        mean_out: over the others.
        difficulty: the mean loss of the others, in nats; where labels alone are answered, the share that are wrong.
        scores: of the claimed attack, or of all, under every model as the target; what they are of is `exposure`.
    """

    attack: str
    exposure: Exposure
    label: Int[np.ndarray, "record"]
    names: tuple[str, ...]
    ids: tuple[str, ...]
    interval: Float[np.ndarray, "bound record"]
    rank: Int[np.ndarray, "record"]
    detections: Mapping[str, Detections]
    mean_in: Float[np.ndarray, "record"]
    mean_out: Float[np.ndarray, "record"]
    difficulty: Float[np.ndarray, "record"]
    scores: Mapping[str, Float[np.ndarray, "target record"]]

    @cached_property
    def record_names(self) -> tuple[str, ...]:
        """What to call each record: its id, or its number in the data."""
        return self.ids or tuple(map(str, self.exposure.number.tolist()))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """What to call the class of each record: its name, or its number."""
        return tuple(self.names[one] if self.names else str(one) for one in self.label.tolist())


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
        rate: Detections(
            *(mean_over(scores, side, partial(np.less_equal, thresholds[rate])) for side in (member, ~member))
        )
        for rate in RATES
    }


def record_table(
    exposure: Exposure,
    observations: Observations,
    attack: str,
    detections: Mapping[str, Detections],
    scores: Mapping[str, Float[np.ndarray, "target record"]],
) -> RecordTable:
    """The table of what is known already.

    Args:
        exposure: of each record that was scored.
        observations: of all records, those that were not scored too.
        attack: the claimed one.
        detections: its own.
        scores: by attack, of the records that were scored.
    """
    phi, member = exposure.phi, exposure.member
    rank = np.empty(len(exposure.number), int)
    rank[exposure.order] = np.arange(1, len(rank) + 1)
    return RecordTable(
        attack=attack,
        exposure=exposure,
        label=observations.label[exposure.number],
        names=observations.names,
        ids=ids_at(observations.ids, exposure.number),
        interval=exposure.interval,
        rank=rank,
        detections=detections,
        mean_in=mean_over(phi, member),
        mean_out=mean_over(phi, ~member),
        difficulty=mean_over(phi, ~member, partial(np.subtract, 1.0) if exposure.labels_alone else loss_of),
        scores=scores,
    )
