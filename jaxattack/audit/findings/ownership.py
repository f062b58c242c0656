"""What an audit of ownership finds: what each test says of stolen models and of independent ones.

The report's keys are these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.audit.findings.reportable import Reportable


@dataclass(frozen=True, kw_only=True)
class SplitFindings:
    """Whose the records are.

    Attributes:
        members: the owner's.
        held_out: nobody was trained on them.
        public: of everybody else, from which each thief and each independent person draws.
        features: of a record.
        classes: of the task.
    """

    members: int
    held_out: int
    public: int
    features: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class VictimFindings:
    """One model of the owner: without marks, or with those of a test.

    Attributes:
        name: of the test whose marks it has; empty without.
        train_accuracy: on the owner's records.
        test_accuracy: on those held out.
    """

    name: str
    train_accuracy: float
    test_accuracy: float


@dataclass(frozen=True, kw_only=True)
class SuspectFindings:
    """Models of one kind.

    Attributes:
        kind: what they are called.
        victim: the name of the owner's model that they were made of; empty for the one without marks.
        relation: victim, stolen, overlapping or independent.
        access: what a thief had, in words; empty for who is none.
        paper: its source; empty where there is none.
        models: how many.
        accuracy: on records held out, the mean over the models.
        accuracy_loss: of the victim's less that.
        agreement: the share of records held out on which labels are the victim's, the mean over the models.
        variation_mean: total variation between the confidences and the victim's, 0 to 1: the mean over records, and models.
        variation_max: the largest over records, the mean over models.
        queries: asked of the victim for each.
        steps: gradient steps that each took.
        seconds: that each took, without compiling; of a sweep, with it.
        price: of the queries, in dollars.
    """

    kind: str
    victim: str
    relation: str
    access: str
    paper: str
    models: int
    accuracy: float
    accuracy_loss: float
    agreement: float
    variation_mean: float
    variation_max: float
    queries: int
    steps: int
    seconds: float
    price: float


@dataclass(frozen=True, kw_only=True)
class RateFindings:
    """How many of the independent models a p-value of at most .05 accuses.

    Attributes:
        accused: how many.
        models: of so many.
        rate: the share.
        interval: its 95% Clopper-Pearson interval.
    """

    accused: int
    models: int
    rate: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CellFindings:
    """What one test says of the models of one kind.

    Attributes:
        test: what it is called.
        kind: of the suspects.
        victim: the name of the owner's model that they were made of.
        relation: victim, stolen, overlapping or independent.
        models: how many.
        auc: the share of pairs of such a model and an independent one of the owner's architecture in which its score is higher,
            ties counting half; of those independent ones themselves None.
        auc_interval: its 95% interval over models of both kinds, as `jaxattack.metrics.area_interval` has it; None beside no AUC.
        score: the median.
        p_value: the median of the test's own; None where it has none.
        accused: by the test's own p-value of at most .05; None where it has none.
        rank_p_value: the median of the rank among independent models; of these themselves, among the others.
        rank_accused: by that.
        normal_p_value: the median of a prediction from independent models, as if their scores were normal.
        normal_accused: by that.
        queries: asked of each, of that which was asked most.
        price: of these, in dollars.
        gradients: of each, at one record each.
        seconds: for each.
    """

    test: str
    kind: str
    victim: str
    relation: str
    models: int
    auc: float | None
    auc_interval: tuple[float, float] | None
    score: float
    p_value: float | None
    accused: int | None
    rank_p_value: float
    rank_accused: int
    normal_p_value: float
    normal_accused: int
    queries: int
    price: float
    gradients: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TestFindings:
    """One test.

    Attributes:
        name: what it is called.
        paper: its source.
        settings: its fields.
        sees: of a suspect: weights, or the access level.
        victim: the name of the owner's model that it is about; empty for the one without marks.
        false: independent models accused by the test's own p-value; None where it has none.
        rank_false: by their rank among the other independent models; at most one in twenty by construction.
        normal_false: by a prediction from the others, as if scores were normal.
        gradients: that preparing took, of models at one record each.
        seconds: that preparing took.
        notes: what preparing told, name -> number or text.
        reason: why it cannot be run, in a sentence; empty where it was.
    """

    __test__ = False

    name: str
    paper: str
    settings: Mapping[str, Any]
    sees: str
    victim: str
    false: RateFindings | None
    rank_false: RateFindings | None
    normal_false: RateFindings | None
    gradients: int
    seconds: float
    notes: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time of this call went.

    Attributes:
        models: training the owner's, independent people's and thieves' models.
        evidence: preparing the tests.
        proofs: asking suspects.
        total: all of it.
    """

    models: float
    evidence: float
    proofs: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        models: trained, of all kinds, references and surrogates too.
        queries: asked of suspects.
        price: of these, in dollars.
        seconds: where the time of this call went.
        memory_bytes: at most.
        device: what computed.
    """

    models: int
    queries: int
    price: float
    seconds: Seconds
    memory_bytes: int | None
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class OwnershipFindings(Reportable):
    """An audit of ownership.

    Attributes:
        title: one line.
        split: whose the records are.
        victims: the owner's models; the one without marks first.
        suspects: models of each kind.
        tests: each of them.
        cells: every test that was run on models of every kind.
        notes: what must be known to read this, in sentences.
        cost: in models, queries, seconds and dollars.
        config: plain values.
        environment: versions.
        format: of the file.
        kind: of audit.
    """

    title: str
    split: SplitFindings
    victims: tuple[VictimFindings, ...]
    suspects: tuple[SuspectFindings, ...]
    tests: tuple[TestFindings, ...]
    cells: tuple[CellFindings, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    format: int = 1
    kind: str = "ownership"
