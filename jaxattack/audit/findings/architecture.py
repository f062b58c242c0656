"""What an inference of a model's architecture finds: the posterior of each attribute, and how good the inference is.

The report's keys are these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.audit.findings.cost import QueryCost
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import TargetFindings


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """The attack.

    Attributes:
        name: in the registry.
        paper: that published it.
        settings: its fields.
        questions: that it asks a victim.
        complete: whether all of them were answered.
        reason: why not, in a sentence; empty when complete.
        notes: what else it found, name -> number or text.
    """

    name: str
    paper: str
    settings: Mapping[str, Any]
    questions: int
    complete: bool
    reason: str
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ZooFindings:
    """The networks that the attack learns from.

    Attributes:
        data: on whose records they are trained.
        nets: how many.
        architectures: how many different ones are among them.
        parameters: of each, those that its architecture lacks included.
        records: that the networks are trained on, all, a half or a quarter.
        accuracy: the mean over the networks, on records that none was trained on.
        spread: its standard deviation over the networks.
        left_out: networks whose training diverged, and that nothing is learnt from.
    """

    data: str
    nets: int
    architectures: int
    parameters: int
    records: int
    accuracy: float
    spread: float
    left_out: int


@dataclass(frozen=True, kw_only=True)
class AccuracyFindings:
    """How often an attribute of networks that are held out is read right.

    Attributes:
        attribute: its name.
        accuracy: the share of the networks; None where none was read.
        interval: its 95% Clopper-Pearson interval over networks.
        chance: one in as many as there are values.
    """

    attribute: str
    accuracy: float | None
    interval: tuple[float, float]
    chance: float


@dataclass(frozen=True, kw_only=True)
class SplitFindings:
    """How good the attack is where the zoo is cut in one way.

    Attributes:
        name: random, architecture, depth or shuffled, as `jaxattack.audit.architecture.judge` says.
        nets: that were read, each by an attack that had not learnt from it.
        attributes: one by one.
    """

    name: str
    nets: int
    attributes: tuple[AccuracyFindings, ...]


@dataclass(frozen=True, kw_only=True)
class AttributeFindings:
    """What the answers of the victim say of one attribute.

    Attributes:
        name: of the attribute.
        values: that it may have.
        posterior: of each value, summing to 1.
        guess: the most likely value.
        truth: the victim's, where it is a network of the grid; None elsewhere.
    """

    name: str
    values: tuple[str, ...]
    posterior: tuple[float, ...]
    guess: str
    truth: str | None


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time went.

    Attributes:
        zoo: training the networks, or reading them.
        judging: learning from parts of the zoo, and reading the others.
        attack: learning from all of it, and asking the victim.
        total: all of it.
    """

    zoo: float
    judging: float
    attack: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings(QueryCost):
    """What it cost.

    Attributes:
        models: networks of the zoo.
        steps: of gradient descent that trained them.
        seconds: where the time went.
        memory_bytes: at most.
        device: what computed.
    """

    models: int
    steps: int
    seconds: Seconds
    memory_bytes: int | None
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class ArchitectureFindings(Reportable):
    """An inference of a model's architecture and training.

    Attributes:
        title: one line.
        victim: and its terms.
        attack: and how it ended.
        zoo: what it learnt from.
        attributes: what the victim's answers say, one by one.
        splits: how good that is on networks that are held out.
        warnings: what is odd about the victim's answers, in sentences.
        notes: how the victim and its data are understood, in sentences.
        cost: in queries, networks, seconds and dollars.
        config: plain values.
        environment: versions.
        format: of the file.
        kind: of audit.
    """

    title: str
    victim: TargetFindings
    attack: AttackFindings
    zoo: ZooFindings
    attributes: tuple[AttributeFindings, ...]
    splits: tuple[SplitFindings, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    format: int = 1
    kind: str = "architecture"
