"""What was measured to findings: every cell beside its column's utility and its attack's cost, and the strongest of each column."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from jaxattack.attacks.extraction import ATTACKS as EXTRACTIONS
from jaxattack.attacks.inversion import ATTACKS as INVERSIONS
from jaxattack.attacks.membership import REGISTRY
from jaxattack.attacks.naming import label
from jaxattack.audit.claim import claimed_rate
from jaxattack.audit.curves import FPRS, rate_key
from jaxattack.audit.findings.matrix import CellFindings, ColumnFindings, Family, StrongestFindings
from jaxattack.audit.learning import accuracy
from jaxattack.audit.matrix.cells import ExtractionMeasurement, InversionMeasurement, MembershipMeasurement, Refusal
from jaxattack.audit.matrix.columns import ColumnRun
from jaxattack.audit.matrix.membership import MembershipCell
from jaxattack.audit.scorable import Scorable
from jaxattack.metrics import Spread, clopper_pearson
from jaxattack.metrics.roc import allowed
from jaxattack.metrics.uncertainty import CONFIDENCE
from jaxattack.models.source import label as model_label
from jaxattack.training.view import sight
from jaxattack.types import ExtractionAttack, InversionAttack


class ColumnResult(NamedTuple):
    """What was measured of a column.

    Attributes:
        run: the column.
        part: which of its records were scored.
        membership: each cell, and what it gave.
        extraction: each attack, and what it gave.
        inversion: each attack, and what it gave.
    """

    run: ColumnRun
    part: Scorable
    membership: tuple[tuple[MembershipCell, MembershipMeasurement | Refusal], ...]
    extraction: tuple[tuple[ExtractionAttack, ExtractionMeasurement | Refusal], ...]
    inversion: tuple[tuple[InversionAttack, InversionMeasurement | Refusal], ...]


def findings_of(result: ColumnResult, reference: ColumnRun, repetitions: int) -> tuple[
    ColumnFindings, tuple[CellFindings, ...]
]:  # fmt: skip
    """A column and its cells.

    Args:
        result: what was measured.
        reference: the column without a defence, whose models are the references of static attacks.
        repetitions: answers that are averaged in repeated cells.
    """
    run = result.run
    train, test = _accuracies(run, result.part)
    utility = None if test is None else test.mean
    cells = (
        *(
            _membership(cell, measurement, result, reference, repetitions, utility)
            for cell, measurement in result.membership
        ),
        *(_extraction(attack, measurement, run, utility) for attack, measurement in result.extraction),
        *(_inversion(attack, measurement, run, utility) for attack, measurement in result.inversion),
    )
    changes, distortion = run.distortion() or (None, None)
    gap = next((cell.auc for cell in cells if cell.attack == "gap"), None)
    column = ColumnFindings(
        name=run.column.name,
        learner=repr(run.plan.sweep.learner),
        defences=tuple(map(repr, run.column.defences)),
        model=model_label(run.plan.source),
        answers=sight(run.plan.records, run.column.defences),
        random=run.column.fresh,
        trained=not run.column.defences,
        train_accuracy=train,
        test_accuracy=test,
        label_changes=changes,
        distortion=distortion,
        models=len(run.plan.member),
        gradient_steps=run.training_cost.gradient_steps,
        train_seconds=run.training_cost.train + run.training_cost.compile,
        observe_seconds=run.observing_seconds,
        strongest=_strongest(result, repetitions),
        gap=gap,
    )
    return column, cells


def _accuracies(run: ColumnRun, part: Scorable) -> tuple[Spread | None, Spread | None]:
    """On members and on records left out, over the models, as they answer."""
    right = run.observations.signal("correct")[:, part.records, 0]
    member = run.plan.member[:, part.records]
    return accuracy(right, member), accuracy(right, ~member)


def _membership(
    cell: MembershipCell,
    measurement: MembershipMeasurement | Refusal,
    result: ColumnResult,
    reference: ColumnRun,
    repetitions: int,
    utility: float | None,
) -> CellFindings:
    run = result.run
    times = repetitions if cell.how == "repeated" else 1
    about = CellFindings(
        defence=run.column.name,
        attack=label(cell.attack, REGISTRY),
        family="membership",
        adaptive=cell.how != "static",
        static_alike=cell.static_alike,
        repetitions=times,
        test_accuracy=utility,
    )
    if isinstance(measurement, Refusal):
        return replace(about, reason=measurement.reason)
    queries = times * getattr(cell.attack, "queries", sum(signal.queries for signal in cell.attack.signals))
    trained = reference if cell.how == "static" else run
    rates = [rate_key(fpr) for fpr in FPRS]
    area = measurement.auc.estimate
    return replace(
        about,
        leak=area.value,
        leak_interval=area.interval(),
        leak_freedom=area.freedom,
        auc=area.value,
        auc_interval=area.interval(),
        tpr={rate: one.value for rate, one in zip(rates, measurement.tpr, strict=True)},
        tpr_interval={rate: one.estimate.interval() for rate, one in zip(rates, measurement.tpr, strict=True)},
        resolvable={rate_key(fpr): allowed(fpr, measurement.negatives) >= 1 for fpr in FPRS},
        targets=measurement.targets,
        queries_per_record=queries,
        queries=queries * len(result.part.records),
        models=len(run.plan.member) if cell.attack.references else 1,
        gradient_steps=trained.training_cost.gradient_steps if cell.attack.references else 0,
        seconds=measurement.seconds,
    )


def _extraction(
    attack: ExtractionAttack, measurement: ExtractionMeasurement | Refusal, run: ColumnRun, utility: float | None
) -> CellFindings:
    about = _one_model(label(attack, EXTRACTIONS), "extraction", run, utility)
    if isinstance(measurement, Refusal):
        return replace(about, reason=measurement.reason)
    return replace(
        about,
        leak=measurement.agreement,
        leak_interval=(measurement.low, measurement.high),
        queries=measurement.queries,
        complete=measurement.complete,
        curve=measurement.curve,
        models=1,
        seconds=measurement.seconds,
    )


def _inversion(
    attack: InversionAttack, measurement: InversionMeasurement | Refusal, run: ColumnRun, utility: float | None
) -> CellFindings:
    about = _one_model(label(attack, INVERSIONS), "inversion", run, utility)
    if isinstance(measurement, Refusal):
        return replace(about, reason=measurement.reason)
    recognised = measurement.recognised
    hits = None if recognised is None else round(recognised * measurement.targets)
    low, high = (None, None) if hits is None else map(float, clopper_pearson(hits, measurement.targets))
    return replace(
        about,
        leak=recognised,
        leak_interval=None if low is None or high is None else (low, high),
        targets=measurement.targets,
        queries=measurement.queries,
        recognised_by_victim=measurement.recognised_by_victim,
        gradients=measurement.gradients,
        models=1,
        seconds=measurement.seconds,
    )


def _one_model(name: str, family: Family, run: ColumnRun, utility: float | None) -> CellFindings:
    """A cell of the model that is stolen or inverted, by an attack that does not adapt to defences."""
    return CellFindings(
        defence=run.column.name,
        attack=name,
        family=family,
        adaptive=False,
        static_alike=True,
        test_accuracy=utility,
    )


def _strongest(result: ColumnResult, repetitions: int) -> StrongestFindings | None:
    """The membership attack that gets the most, by the true-positive rate at the rate that is quoted, then by AUC."""
    ran = [
        (cell, measurement) for cell, measurement in result.membership if isinstance(measurement, MembershipMeasurement)
    ]
    if not ran:
        return None
    rate = claimed_rate(ran[0][1].negatives, FPRS)
    place = None if rate is None else FPRS.index(rate)

    def strength(pair: tuple[MembershipCell, MembershipMeasurement]) -> tuple[float, float]:
        return 0.0 if place is None else pair[1].tpr[place].value, pair[1].auc.value

    cell, measurement = max(ran, key=strength)
    confidence = 1 - (1 - CONFIDENCE) / len(ran)
    quoted = None if place is None else measurement.tpr[place].estimate
    return StrongestFindings(
        attack=label(cell.attack, REGISTRY),
        adaptive=cell.how != "static",
        repetitions=repetitions if cell.how == "repeated" else 1,
        choices=len(ran),
        rate=None if rate is None else rate_key(rate),
        tpr=None if quoted is None else quoted.value,
        tpr_interval=None if quoted is None else quoted.interval(confidence),
        auc=measurement.auc.value,
        auc_interval=measurement.auc.estimate.interval(confidence),
    )
