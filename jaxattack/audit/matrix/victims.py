"""The cells of extraction and inversion: model 0 of a column, stolen and inverted through what its column answers.

It is asked for confidences, as a prediction API answers them, behind the column's defences, which are fitted to it anew. What
judges sees the model itself: a stolen model is compared with what it would answer without defences.
"""

from __future__ import annotations

from typing import Any

import jax

from jaxattack.attacks.extraction import ATTACKS as EXTRACTIONS
from jaxattack.attacks.inversion import ATTACKS as INVERSIONS
from jaxattack.attacks.naming import label
from jaxattack.audit.extraction import extract
from jaxattack.audit.inversion import EVALUATION, invert
from jaxattack.audit.judge import Evaluation, evaluation_model
from jaxattack.audit.matrix.cells import CellFolder, ExtractionMeasurement, InversionMeasurement, Refusal
from jaxattack.audit.matrix.columns import ColumnRun
from jaxattack.audit.matrix.plan import MatrixAudit
from jaxattack.audit.optimising import read_variables, work_of
from jaxattack.audit.victim import Victim
from jaxattack.audit.victim_names import network_victim
from jaxattack.data import fingerprint
from jaxattack.defences import describe
from jaxattack.models.source import label as model_label
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.own_code import own_code
from jaxattack.release import release
from jaxattack.training.program import Work, network
from jaxattack.types import ExtractionAttack, InputError, InversionAttack, Variables

TARGET = 0
"""The model of every column that is stolen and inverted."""
INPUTS = 2000
"""Random inputs on which a stolen model is compared, beside all records held out."""


def victim_of(run: ColumnRun, seed: int) -> Victim:
    """Model 0 of a column behind its defences.

    Raises:
        InputError: a defence that can do nothing with confidences, or weights that are damaged.
    """
    plan = run.training
    work = work_of(plan, ())
    victim = network_victim(
        f"{model_label(run.plan.source)} on {plan.records.name}",
        network(work),
        _variables(run, work),
        plan.records,
        plan.member[TARGET],
    )
    return victim.behind(run.column.defences, seed=seed)


def _variables(run: ColumnRun, work: Work) -> Variables:
    """What the target learnt."""
    folder = run.training.folder
    chunk, models = next((chunk, models) for chunk, models in folder.chunks().items() if TARGET in models)
    place = models.tolist().index(TARGET)
    learnt = read_variables(run.training, work, models, folder.weights_of(chunk))
    return jax.tree.map(lambda leaf: leaf[place], learnt)


def steal(
    attack: ExtractionAttack, run: ColumnRun, audit: MatrixAudit, folder: CellFolder
) -> ExtractionMeasurement | Refusal:
    """What an extraction gets of a column."""

    def compute() -> ExtractionMeasurement:
        result = extract(
            victim_of(run, audit.seed), attack, budget=audit.budget, seed=audit.seed, compare=INPUTS, trials=0
        )
        findings = result.findings
        compared = [part for part in (findings.fidelity.held_out, findings.fidelity.uniform) if part is not None]
        on = compared[0] if compared else None
        if on is None:
            raise InputError(f"{attack.name} stole nothing that answers: {findings.attack.reason or 'no reason told'}")
        curve = ((point.queries, point.held_out, point.uniform) for point in findings.curve)
        return ExtractionMeasurement(
            agreement=on.agreement,
            low=on.interval[0],
            high=on.interval[1],
            records=on.records,
            queries=findings.cost.attack,
            complete=findings.attack.converged and all(part.agreement == 1 for part in compared),
            curve=tuple(
                (queries, share) for queries, held_out, uniform in curve
                if (share := uniform if findings.fidelity.held_out is None else held_out) is not None
            ),
            seconds=findings.cost.seconds.attack + findings.cost.seconds.victim,
        )  # fmt: skip

    identity = _identity("extraction", label(attack, EXTRACTIONS), attack, run, audit)
    return folder.measure(identity | {"budget": audit.budget, "compare": INPUTS}, ExtractionMeasurement, compute)


class Judge:
    """The evaluation models of a matrix: columns with the same records and members have the same one."""

    def __init__(self, audit: MatrixAudit):
        self._audit = audit
        self._evaluators: dict[str, Evaluation | None] = {}

    def evaluator(self, victim: Victim) -> Evaluation | None:
        """As `evaluation_model`; trained when it is first asked for."""
        assert victim.dataset is not None
        key = f"{fingerprint(victim.dataset)} {fingerprint_of(victim.member)}"
        if key not in self._evaluators:
            self._evaluators[key] = evaluation_model(victim, EVALUATION, self._audit.seed)
        return self._evaluators[key]


def invert_classes(
    attack: InversionAttack, run: ColumnRun, audit: MatrixAudit, judge: Judge, folder: CellFolder
) -> InversionMeasurement | Refusal:
    """What an inversion makes of a column's classes."""
    if attack.white_box and run.column.defences:
        return Refusal(
            reason=f"{attack.name} reads the model's weights, and {run.column.name} shows its answers alone."
        )

    def compute() -> InversionMeasurement:
        victim = victim_of(run, audit.seed)
        findings = invert(victim, attack, seed=audit.seed, evaluator=judge.evaluator(victim)).findings
        return InversionMeasurement(
            targets=len(findings.targets),
            recognised=findings.recognition.top1,
            recognised_by_victim=findings.recognition.victim,
            queries=findings.cost.queries,
            gradients=findings.cost.gradients,
            seconds=findings.cost.seconds.total - (findings.cost.seconds.evaluation or 0.0),
        )

    return folder.measure(
        _identity("inversion", label(attack, INVERSIONS), attack, run, audit), InversionMeasurement, compute
    )


def _identity(family: str, name: str, attack: Any, run: ColumnRun, audit: MatrixAudit) -> dict[str, Any]:
    """All that decides what is asked and answered."""
    return {
        "family": family,
        "sweep": run.identity,
        "defences": [describe(defence) for defence in run.column.defences],
        "model": TARGET,
        "attack": {"name": name, "settings": repr(attack), **own_code(attack)},
        "seed": audit.seed,
        "release": release("jaxattack"),
    }
