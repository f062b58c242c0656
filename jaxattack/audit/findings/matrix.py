"""What a matrix finds: each attack on each defence, what each defence costs, and what the strongest attack on it gets.

The report's keys are these names. Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings.reportable import Reportable
from jaxattack.metrics import Spread

Family = Literal["membership", "extraction", "inversion"]


@dataclass(frozen=True, kw_only=True)
class CellFindings:
    """One attack on one column. A figure is None where it was not measured, and where the family has none.

    Attributes:
        defence: the column's name.
        attack: as `jaxattack.attacks.naming.label` has it.
        family: what is attacked.
        adaptive: whether the attacker knows of the defence: the references of a membership attack learn and answer as the
            target does. Extraction and inversion are the same attacks as without a defence.
        static_alike: whether an attacker who does not know of it does the very same, so that the cell stands for both.
        repetitions: answers to each question that are averaged.
        reason: why it was not run, in a sentence; empty where it was.
        leak: what the cell is drawn by: the AUC, the share of answers that the stolen model agrees on, the share of classes
            that are recognised.
        leak_interval: at 95%.
        leak_freedom: degrees of freedom of that interval's Student's t on the logit scale; None where it is of a count.
        test_accuracy: of the column.
        auc: of a membership attack, all targets pooled.
        auc_interval: at 95%, for new records and new models.
        tpr: the true-positive rate, by false-positive rate.
        tpr_interval: at 95%.
        resolvable: whether the rate allows one false positive at all.
        targets: models that were attacked, or classes.
        queries_per_record: asked of a target for each record.
        queries: asked of a target in all.
        complete: whether the attack came to its end and the stolen model labels all records held out, and all random inputs
            that were compared, as its victim does.
        curve: (queries, agreement) on the way to it.
        recognised_by_victim: the share of classes that the victim recognises itself.
        gradients: of the victim.
        models: that the attack needs, the target among them.
        gradient_steps: that training them took.
        seconds: of the attack itself.
    """

    defence: str
    attack: str
    family: Family
    adaptive: bool
    static_alike: bool
    repetitions: int = 1
    reason: str = ""
    leak: float | None = None
    leak_interval: tuple[float, float] | None = None
    leak_freedom: float | None = None
    test_accuracy: float | None = None
    auc: float | None = None
    auc_interval: tuple[float, float] | None = None
    tpr: Mapping[str, float] | None = None
    tpr_interval: Mapping[str, tuple[float, float]] | None = None
    resolvable: Mapping[str, bool] | None = None
    targets: int | None = None
    queries_per_record: int | None = None
    queries: int | None = None
    complete: bool | None = None
    curve: tuple[tuple[int, float], ...] | None = None
    recognised_by_victim: float | None = None
    gradients: int | None = None
    models: int | None = None
    gradient_steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class StrongestFindings:
    """The membership attack that gets the most of a column: a choice among all that were run on it.

    Attributes:
        attack: its name.
        adaptive: as `CellFindings`.
        repetitions: as `CellFindings`.
        choices: cells among which it was chosen.
        rate: the false-positive rate by which it was, "0.001" where that allows ten false positives, else the lowest that
            does; None where none does, and it was chosen by AUC.
        tpr: at that rate.
        tpr_interval: which allows for the choice (Bonferroni).
        auc: of the same attack.
        auc_interval: which allows for the choice.
    """

    attack: str
    adaptive: bool
    repetitions: int
    choices: int
    rate: str | None
    tpr: float | None
    tpr_interval: tuple[float, float] | None
    auc: float
    auc_interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ColumnFindings:
    """A defence.

    Attributes:
        name: in a word.
        learner: how its models learn, as code.
        defences: before their answers, as code, the first nearest to the model.
        model: what they are.
        answers: what is answered: everything, or probability or label.
        random: whether an answer is drawn anew each time.
        trained: whether it has models of its own; else they are those of the column without defences of the answers.
        train_accuracy: over its models, on their members, behind the defences.
        test_accuracy: on the records left out.
        label_changes: share of the answered labels that are not the model's own; None where nothing defends answers.
        distortion: mean |p' - p|_1 of answered and the model's own confidences, 0 to 2; None likewise.
        models: how many.
        gradient_steps: of all of them.
        train_seconds: of all of them.
        observe_seconds: of asking them; with compiling, where they were asked behind defences.
        strongest: membership attack; None where none was run.
        gap: AUC of the gap attack, the floor; None where it was not run.
    """

    name: str
    learner: str
    defences: tuple[str, ...]
    model: str
    answers: str
    random: bool
    trained: bool
    train_accuracy: Spread | None
    test_accuracy: Spread | None
    label_changes: float | None
    distortion: float | None
    models: int
    gradient_steps: int
    train_seconds: float
    observe_seconds: float
    strongest: StrongestFindings | None
    gap: float | None


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time went.

    Attributes:
        train: training all columns, over all processes.
        observe: asking their models.
        attack: all cells.
        total: of this process, without figures.
    """

    train: float
    observe: float
    attack: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What all of it cost.

    Attributes:
        models: that were trained.
        gradient_steps: of all of them.
        new_cells: how many were measured now; the others were kept from before, or cannot be run.
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    models: int
    gradient_steps: int
    new_cells: int
    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class MatrixFindings(Reportable):
    """All that a matrix found.

    Attributes:
        title: one line.
        columns: the defences, the undefended first.
        cells: of every column, its attacks.
        records: that membership attacks scored.
        notes: what was left out, in sentences.
        cost: what all of it cost.
        config: what was asked for.
        environment: versions.
        format: of the findings.
        kind: of audit.
    """

    title: str
    columns: tuple[ColumnFindings, ...]
    cells: tuple[CellFindings, ...]
    records: int
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["matrix"] = "matrix"
