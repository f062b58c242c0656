"""The membership cells of a matrix: each attack on each column, by references of two kinds.

| access | a target's references | said to be |
| --- | --- | --- |
| adaptive | models of the same column, answering behind the same defences | by an attacker who knows of the defence |
| static | models of the column without a defence | by one who does not |
| repeated | as adaptive; each question is asked several times and the answers averaged | where answers are drawn afresh |

Every column has the same members, model by model. A static attack therefore reads the undefended column's observations in
which one row, the target's, is the defended one's; other rows of the defended column are never mixed in. An attack without
references, and any attack on the column without a defence, is the same either way: one cell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership import REGISTRY
from jaxattack.attacks.membership.observed import scores_of
from jaxattack.attacks.naming import label
from jaxattack.audit.curves import FPRS
from jaxattack.audit.findings import values
from jaxattack.audit.matrix.cells import CellFolder, Figure, MembershipMeasurement, Refusal
from jaxattack.audit.matrix.columns import ColumnRun, averaged
from jaxattack.audit.matrix.plan import MatrixAudit
from jaxattack.audit.scorable import Scorable
from jaxattack.metrics import Estimate, Ranked, model_clusters, tpr_at_fpr
from jaxattack.metrics.uncertainty import ranked_influences
from jaxattack.own_code import own_code
from jaxattack.release import release
from jaxattack.training.view import sight
from jaxattack.types import MembershipAttack, Observations, OptimisedSignal, afterwards, sees

How = Literal["adaptive", "static", "repeated"]


class MembershipCell(NamedTuple):
    """A cell that is to be measured.

    Attributes:
        attack: what is run.
        how: by which references, and how often each question is asked.
        static_alike: whether the static attack is the same.
        reason: why it cannot be run; empty where it can.
    """

    attack: MembershipAttack
    how: How
    static_alike: bool
    reason: str = ""


def cells_of(run: ColumnRun, reference: ColumnRun, audit: MatrixAudit, part: Scorable) -> Iterator[MembershipCell]:
    """Every membership cell of a column, those that cannot be run among them.

    Args:
        run: the column.
        reference: the column without a defence.
        audit: the matrix.
        part: which attacks score which records of the column.
    """
    access = sight(run.plan.records, run.column.defences)
    for attack in audit.attacks:
        name = label(attack, REGISTRY)
        blind = [signal for signal in attack.signals if not sees(signal, access)]
        optimised = any(isinstance(signal, OptimisedSignal) for signal in attack.signals)
        distinct = not run.column.bare and (attack.references or optimised)
        if name not in part.attacks:
            reason = f"{name} is left out: {' '.join(part.notes)}"
        elif blind:
            reason = f"{name} reads {blind[0].name}, which sees {blind[0].sees}, and {run.column.name} shows {access}."
        else:
            reason = ""
        yield MembershipCell(attack, "adaptive", not distinct, reason)
        if distinct:
            yield MembershipCell(attack, "static", False, reason or _no_static(name, run, reference, optimised))
        if run.column.fresh and all(signal.queries == 1 and not afterwards(signal) for signal in attack.signals):
            yield MembershipCell(attack, "repeated", False, reason)


def _no_static(name: str, run: ColumnRun, reference: ColumnRun, optimised: bool) -> str:
    """Why undefended models cannot be a column's references; empty where they can."""
    if optimised:
        return f"{name} finds its queries on the models of {run.column.name}: undefended ones are asked others."
    if not run.alike(reference):
        return (
            f"{run.column.name} has records set aside, and its models have other members than undefended ones: "
            "have every column set as many aside."
        )
    return ""


def measure(
    cell: MembershipCell, run: ColumnRun, reference: ColumnRun, audit: MatrixAudit, part: Scorable, folder: CellFolder
) -> MembershipMeasurement | Refusal:
    """What an attack finds of the targets of a column.

    Args:
        cell: which attack, and how.
        run: the column.
        reference: the column without a defence.
        audit: the matrix.
        part: which records are scored.
        folder: of the cells.
    """
    if cell.reason:
        return Refusal(reason=cell.reason)
    attack, targets = cell.attack, range(min(audit.targets, audit.models))
    identity = {
        "sweep": run.identity,
        "attack": {"name": label(attack, REGISTRY), "settings": repr(attack), **own_code(attack)},
        "how": cell.how,
        "references": reference.identity if cell.how == "static" else None,
        "repetitions": audit.repetitions if cell.how == "repeated" else 1,
        "models": audit.models,
        "targets": len(targets),
        "records": _digestible(part.records, run.scored),
        "release": release("jaxattack"),
    }

    def compute() -> MembershipMeasurement:
        def read(one: ColumnRun) -> Observations:
            observations = one.observations
            if cell.how == "repeated":
                observations = averaged(observations, audit.repetitions)
            return observations.only(attack.signals).take_records(part.records)

        defended = read(run)
        if cell.how == "static":
            score = partial(static_scores, attack, read(reference), defended, targets)
        else:
            score = partial(scores_of, attack, defended, list(targets))
        return _timed(score, defended.member[: len(targets)])

    return folder.measure(identity, MembershipMeasurement, compute)


def static_scores(
    attack: MembershipAttack, reference: Observations, defended: Observations, targets: Sequence[int]
) -> Float[np.ndarray, "target record"]:
    """The scores of defended targets among references that are not defended.

    Args:
        attack: called for each target with observations in which the target's row alone is defended.
        reference: of the undefended models; in memory.
        defended: of the defended ones, with the same members.
        targets: the models under attack.
    """
    mixed = {name: np.array(signal) for name, signal in reference.signals.items()}
    observations = replace(reference, signals=mixed)
    scores = []
    for target in targets:
        for name, signal in mixed.items():
            signal[target] = defended.signals[name][target]
        scores.append(scores_of(attack, observations, [target])[0])
        for name, signal in mixed.items():
            signal[target] = reference.signals[name][target]
    return np.stack(scores)


def _timed(
    score: Callable[[], Float[np.ndarray, "target record"]], member: Bool[np.ndarray, "target record"]
) -> MembershipMeasurement:
    begin = time.perf_counter()
    scores = score()
    seconds = time.perf_counter() - begin
    ranked = Ranked.of(scores, member)
    curve = ranked.curve()
    *rates, area = ranked_influences(ranked, curve, FPRS, model_clusters(member)).estimates()
    return MembershipMeasurement(
        targets=len(scores),
        negatives=curve.negatives,
        false_positives=tuple(tpr_at_fpr(curve, fpr).false_positives for fpr in FPRS),
        tpr=tuple(map(_figure, rates)),
        auc=_figure(area),
        seconds=seconds,
    )


def _figure(estimate: Estimate) -> Figure:
    plain = values(vars(estimate))
    return Figure(value=plain["value"], variance=plain["variance"], freedom=plain["freedom"], trials=plain["trials"])


def _digestible(records: Int[np.ndarray, "scored"], count: int) -> Any:
    """Which records are scored: all, or their numbers."""
    return "all" if len(records) == count else records
