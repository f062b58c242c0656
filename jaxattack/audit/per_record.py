"""An audit record by record: whose false-positive rate the pooled one is, and which records are exposed at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import false_discovery_control

from jaxattack.attacks.membership.references import PROTOCOLS, choose_references
from jaxattack.audit.curves import FPRS, rate_key
from jaxattack.audit.entry import curve_findings
from jaxattack.audit.findings.membership import RecordFindings, VulnerabilityFindings, VulnerableFindings
from jaxattack.audit.findings.membership_attack import CalibrationFindings
from jaxattack.metrics import (
    OwnRates,
    Ranked,
    calibrated,
    exposure_p_values,
    model_clusters,
    own_rates,
    sensitivity_index,
    stability,
    vulnerability,
    vulnerability_interval,
)
from jaxattack.metrics.uncertainty import ranked_influences
from jaxattack.types import Observations

DISCOVERY = 0.05  # of the records said to be exposed, the share that chance may account for
WORST = 24
BLOCK = 2**14  # records averaged at a time


def own_rates_at(
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    thresholds: Mapping[str, float],
) -> dict[str, OwnRates]:
    """How an attack's false positives at the pooled thresholds spread over the records, by the rates' names."""
    return {rate: own_rates(scores, member, threshold) for rate, threshold in thresholds.items()}


def calibration(
    phi: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], fprs: Mapping[str, float]
) -> CalibrationFindings:
    """What a threshold of each record's own on phi finds.

    Phi and not an attack's scores: those of one record under several targets are tied to one another by their references,
    so that a rank among them is not uniform where nothing leaks. It is ranked among the references that attacks have, of which
    a record has as many whether the target was trained on it or not.

    Args:
        phi: of the record itself.
        member: the truth.
        fprs: by their names.
    """
    references = choose_references(member, np.arange(len(member)), PROTOCOLS[0])
    ranked = Ranked.of(calibrated(phi, member, references.left_out), member)
    curve = ranked.curve()
    *tprs, area = ranked_influences(ranked, curve, tuple(fprs.values()), model_clusters(member)).estimates()
    finest = float(-ranked.ascending[-1])  # what the record with the most non-member models resolves
    resolved = {name: estimate for (name, fpr), estimate in zip(fprs.items(), tprs, strict=True) if fpr >= finest}
    return CalibrationFindings(
        tpr={name: resolved[name].value if name in resolved else None for name in fprs},
        tpr_interval={name: resolved[name].interval() if name in resolved else None for name in fprs},
        auc=area.value,
        auc_interval=area.interval(),
        roc=curve_findings(curve),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """How surely what models say of each record gives it away.

    Attributes:
        phi: what they say.
        member: the truth.
        number: of each record in the data.
        vulnerability: the AUC of what is shown over the models (`jaxattack.metrics.vulnerability`).
        beyond: whether that is beyond chance, for at most 5% of those wrongly so (Benjamini and Hochberg 1995).
        labels_alone: whether what they say is 1 where they are right, and 0 else.
    """

    phi: Float[np.ndarray, "model record"]
    member: Bool[np.ndarray, "model record"]
    number: Int[np.ndarray, "record"]
    vulnerability: Float[np.ndarray, "record"]
    beyond: Bool[np.ndarray, "record"]
    labels_alone: bool = False

    @cached_property
    def sensitivity_index(self) -> Float[np.ndarray, "record"]:
        """How far phi with each record is above phi without it, as `jaxattack.metrics.sensitivity_index`."""
        return sensitivity_index(self.phi, self.member)

    @property
    def order(self) -> Int[np.ndarray, "record"]:
        """The records from the most vulnerable on; where that ties, as it does at 1, by their sensitivity index.

        It is what the AUC would go on to tell with more models. Of 256 networks on digits, half told which of 32 records
        at 1 the attack finds more often at 0.1% false positives in the other half with a rank correlation of .74; the
        difference of the means alone, which is large where phi spreads, with .52.
        """
        keys = (-np.nan_to_num(key, nan=-np.inf) for key in (self.sensitivity_index, self.vulnerability))
        return np.lexsort(tuple(keys))

    @cached_property
    def interval(self) -> Float[np.ndarray, "bound record"]:
        """Of the vulnerability at 95%, for new models (`jaxattack.metrics.vulnerability_interval`)."""
        return vulnerability_interval(self.phi, self.member, model_clusters(self.member))

    @cached_property
    def calibration(self) -> CalibrationFindings:
        """What a threshold of each record's own on what is shown finds, as `calibration` has it."""
        return calibration(self.phi, self.member, {rate_key(fpr): fpr for fpr in FPRS})

    @cached_property
    def summary(self) -> VulnerabilityFindings:
        """All records by how surely what is shown gives them away, and whether two halves of the models agree on which."""
        count, edges = np.histogram(self.vulnerability[np.isfinite(self.vulnerability)], bins=40, range=(0.0, 1.0))
        return VulnerabilityFindings(
            edges=tuple(edges.tolist()),
            count=tuple(count.tolist()),
            stability=stability(self.phi, self.member),
            beyond_chance=int(self.beyond.sum()),
        )


def mean_over(
    values: Float[np.ndarray, "model record"],
    side: Bool[np.ndarray, "model record"],
    function: Callable[[Float[np.ndarray, "model some"]], np.ndarray] = np.asarray,
) -> Float[np.ndarray, "record"]:
    """The mean of a function of the values over the models on a side; NaN where there is none."""
    total = np.empty(side.shape[1])
    for start in range(0, len(total), BLOCK):
        some = slice(start, start + BLOCK)
        total[some] = np.where(side[:, some], function(values[:, some]), 0).sum(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return total / side.sum(axis=0)


def exposure_of(
    phi: Float[np.ndarray, "model record"],
    member: Bool[np.ndarray, "model record"],
    number: Int[np.ndarray, "record"],
    *,
    labels_alone: bool = False,
) -> Exposure:
    """The exposure of records that are numbered so in the data; ``labels_alone`` as `Exposure` has it."""
    beyond = false_discovery_control(exposure_p_values(phi, member, model_clusters(member))) <= DISCOVERY
    return Exposure(
        phi=phi,
        member=member,
        number=number,
        vulnerability=vulnerability(phi, member),
        beyond=beyond,
        labels_alone=labels_alone,
    )


def most_vulnerable(
    name: str,
    scores: Float[np.ndarray, "target record"],
    threshold: float,
    observations: Observations,
    exposure: Exposure,
) -> VulnerableFindings:
    """The most vulnerable records, and how often an attack calls them members at a threshold."""
    records = []
    for record in exposure.order[:WORST]:
        label = int(observations.label[record])
        called, member = scores[:, record] >= threshold, observations.member[:, record]
        records.append(
            RecordFindings(
                record=int(exposure.number[record]),
                id=observations.ids[record] if observations.ids else None,
                label=observations.names[label] if observations.names else label,
                vulnerability=float(exposure.vulnerability[record]),
                beyond_chance=bool(exposure.beyond[record]),
                detected=float(called[member].mean()) if member.any() else None,
                falsely=float(called[~member].mean()) if not member.all() else None,
            )
        )
    return VulnerableFindings(attack=name, records=tuple(records))
