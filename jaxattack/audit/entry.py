"""One attack's part of the membership findings, from its scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool

from jaxattack.audit.curves import rate_key
from jaxattack.audit.findings.membership_attack import (
    AttackFindings,
    HistogramFindings,
    ModelsPoint,
    PartFindings,
    QueriesPoint,
    TargetFindings,
    TransferFindings,
)
from jaxattack.audit.findings.rates import BandFindings, CurveFindings, PooledFindings, RocFindings
from jaxattack.metrics import Band, Curve, OwnRates, Ranked, Summary, thin
from jaxattack.metrics.uncertainty import CONFIDENCE
from jaxattack.types import MembershipAttack

CURVE = 400  # points of a curve that are drawn


class Growth(NamedTuple):
    """An attack among fewer models, and with fewer views; empty where it was not run so."""

    models: tuple[ModelsPoint, ...]
    queries: tuple[QueriesPoint, ...]


def tpr_intervals(summary: Summary, confidence: float) -> dict[str, tuple[float, float]]:
    """The interval of the true-positive rate at each false-positive rate."""
    pairs = zip(summary.tpr, summary.tpr_estimate, strict=True)
    return {rate_key(point.fpr): estimate.interval(confidence) for point, estimate in pairs}


def pooled_of(summary: Summary) -> PooledFindings:
    """What `jaxattack.audit.curves.pooled` gives, from a summary."""
    return PooledFindings(
        targets=summary.targets,
        auc=summary.auc,
        tpr={rate_key(point.fpr): point.tpr for point in summary.tpr},
        tpr_interval=tpr_intervals(summary, CONFIDENCE),
    )


def curve_findings(roc: Curve) -> CurveFindings:
    """A curve, thinned for drawing."""
    thinned = thin(roc, CURVE)
    return CurveFindings(
        false_positives=tuple(thinned.fp.tolist()),
        true_positives=tuple(thinned.tp.tolist()),
        negatives=thinned.negatives,
        positives=thinned.positives,
    )


def roc_findings(summary: Summary) -> RocFindings:
    """The pooled curve of a summary, with the figures read from it."""
    points = {rate_key(point.fpr): point for point in summary.tpr}
    return RocFindings(
        auc=summary.auc,
        auc_interval=summary.auc_estimate.interval(),
        tpr={rate: point.tpr for rate, point in points.items()},
        tpr_interval=tpr_intervals(summary, CONFIDENCE),
        auc_freedom=summary.auc_estimate.freedom,
        tpr_freedom={rate: one.freedom for rate, one in zip(points, summary.tpr_estimate, strict=True)},
        false_positives={rate: point.false_positives for rate, point in points.items()},
        resolvable={rate: point.resolvable for rate, point in points.items()},
        roc=curve_findings(summary.roc),
        band=band_findings(summary.band),
    )


def attack_findings(
    name: str,
    attack: MembershipAttack,
    summary: Summary,
    histogram: HistogramFindings,
    *,
    records: int,
    confidence: float,
    per_record: Mapping[str, OwnRates],
    growth: Growth,
    seconds: float,
    by_label: Mapping[str, PartFindings] | None = None,
) -> AttackFindings:
    """One attack's part of the findings.

    Args:
        name: under which it is reported.
        attack: what it is.
        summary: of the scores.
        histogram: of its scores, as `histogram_of` gives.
        records: how many are scored.
        confidence: of the intervals that allow for the choice among the attacks.
        per_record: how its false positives spread over the records, by rate.
        growth: the same attack with less.
        seconds: that scoring took.
        by_label: what it finds of records with labels and of those without, where models learn of both.
    """
    rates = [rate_key(point.fpr) for point in summary.tpr]
    return AttackFindings(
        **vars(roc_findings(summary)),
        name=name,
        family=attack.family,
        description=describe_attack(attack),
        references=attack.references,
        records=records,
        balanced_accuracy=summary.balanced_accuracy,
        advantage=summary.advantage,
        tpr_interval_corrected=tpr_intervals(summary, confidence),
        auc_interval_corrected=summary.auc_estimate.interval(confidence),
        tied=summary.tied,
        per_target=TargetFindings(
            auc=summary.target_auc,
            balanced_accuracy=summary.target_balanced_accuracy,
            tpr=dict(zip(rates, summary.target_tpr, strict=True)),
        ),
        per_record=per_record,
        transferred={rate_key(one.nominal): TransferFindings(fpr=one.fpr, tpr=one.tpr) for one in summary.transferred},
        ppv={
            rate_key(prior): {rate_key(fpr): float(by_prior[prior]) for fpr, by_prior in summary.ppv.items()}
            for prior in next(iter(summary.ppv.values()))
        },
        histogram=histogram,
        by_models=growth.models,
        by_queries=growth.queries,
        seconds=seconds,
        summary=_sentence(attack),
        paper=getattr(attack, "paper", None),
        settings=_settings(attack),
        by_label=by_label,
    )


def band_findings(band: Band) -> BandFindings:
    """A band as its ends at each rate."""
    low, high = zip(*(estimate.interval() for estimate in band.tpr), strict=True) if band.tpr else ((), ())
    return BandFindings(fpr=tuple(band.fpr.tolist()), low=low, high=high)


def describe_attack(attack: MembershipAttack) -> str:
    """What the attack is, and its fields."""
    what, fields = _sentence(attack), [f"{name} {value}" for name, value in _settings(attack).items()]
    return f"{what} ({', '.join(fields)})" if fields else what


def _sentence(attack: MembershipAttack) -> str:
    """What an attack is, in a sentence."""
    return (type(attack).__doc__ or "").strip().partition("\n")[0]


def _settings(attack: MembershipAttack) -> dict[str, Any]:
    """Its fields by name."""
    return {field.name: getattr(attack, field.name) for field in dataclasses.fields(cast(Any, attack))}


def histogram_of(ranked: Ranked) -> HistogramFindings:
    """Counts of members' and non-members' scores; the outermost thousandths are drawn in the first and last bin."""
    low, high = np.quantile(ranked.ascending, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1.0, 61)

    def count(side: Bool[np.ndarray, "score"]) -> tuple[int, ...]:
        scores = ranked.ascending[side]
        return tuple(np.diff(np.searchsorted(scores, edges[1:-1]), prepend=0, append=len(scores)).tolist())

    return HistogramFindings(edges=tuple(edges.tolist()), member=count(ranked.member), non_member=count(~ranked.member))
