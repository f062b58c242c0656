"""What an audit of a reconstruction found. `jaxattack.report.reconstruction` shows it; its keys are these names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.audit.findings.cost import QueryCost
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.metrics.comparison import Interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An attack beside somebody who lacks what it was handed of the model, on the same targets.

    Attributes:
        of: whose records the targets are: "members" or "others"; elsewhere what the targets are.
        targets: how many.
        measure: what is measured of each side: a share of targets, or for a property a mean absolute error.
        attack: that of the attack.
        baseline: that of the other side.
        against: who the other side is.
        leak: how much better the attack is, with the interval of the difference: 0 is no leak. Of several comparisons
            all intervals hold together with 95% (Bonferroni).
        leaks: whether that interval lies above 0.
        counts: what the leak's interval follows from, and so at any other confidence: of the same targets `trials`, and in
            how many of them one side alone is right, `ours_alone` and `theirs_alone`; of different ones `ours` of
            `our_trials` and `theirs` of `their_trials`; of a mean `trials`.
    """

    of: str
    targets: int
    measure: str
    attack: Interval
    baseline: Interval
    against: str
    leak: Interval
    leaks: bool
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target.

    Attributes:
        target: the index of its record in the data set; of a property, the number of the model.
        member: whether it was trained on; None where the question does not arise.
        truth: the value's index, the label, or the share; None for records.
        value: what was reconstructed of that; None for records.
        score: how far the attack believes in it, on its own scale; None without an opinion.
        error: 0 or 1 for a guess that is right or wrong; the absolute error of a share; for records the mean square error
            in units of the documented range, and of candidates in no order 1 less the correlation with the nearest.
        baseline: the same of the baseline; for records that of the nearest other record.
        label: of a record, its label as reconstructed; None elsewhere.
        true_label: of a record, its label; None elsewhere.
    """

    target: int
    member: bool | None
    truth: float | None
    value: float | None
    score: float | None
    error: float
    baseline: float
    label: int | None = None
    true_label: int | None = None


@dataclass(frozen=True, kw_only=True)
class Secret:
    """How well those are named who have the rarest value of an attribute.

    Attributes:
        of: "members" or "others".
        value: the rarest value's index.
        precision: the share of those named who have it; None where nobody was named.
        recall: the share of those who have it that were named; None where nobody has it.
    """

    of: str
    value: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """Numbers of pictures, of one record.

    Attributes:
        target: the index of the record in the data set.
        truth: the record.
        made: the reconstruction; None where none was made.
        nearest: the nearest other record.
    """

    target: int
    truth: int
    made: int | None
    nearest: int


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often a victim is right.

    Attributes:
        members: about the records that it was trained on.
        others: about others; None where there are none.
    """

    members: float | None
    others: float | None


@dataclass(frozen=True, kw_only=True)
class VictimFindings:
    """What was attacked.

    Attributes:
        name: in a few words.
        features: of a record.
        classes: of the model.
        level: how much it answers; None where nothing was asked of it.
        decimals: to which its answers are rounded; None for not at all.
        members: records that it was trained on.
        accuracy: how often it is right about them and about others.
        models: victims that the audit trained like it, a target each; 0 where the victim itself was attacked.
    """

    name: str
    features: int
    classes: int
    level: str | None
    decimals: int | None
    members: int
    accuracy: Accuracy
    models: int


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """The attack.

    Attributes:
        name: with what its settings differ in from the default.
        goal: what it reconstructs.
        about: the same in words.
        needs: what it was handed, in words.
        settings: its fields.
        question: what of the records was asked for, in words; empty where the goal says it.
        converged: whether it came to its end.
        complete: whether every target was reconstructed.
        reason: why not.
        notes: what else it found.
    """

    name: str
    goal: str
    about: str
    needs: tuple[str, ...]
    settings: dict[str, Any]
    question: str
    converged: bool
    complete: bool
    reason: str
    notes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Time by phase.

    Attributes:
        victims: training the victims of the audit's own.
        attack: the attack, its shadow models included.
        judging: baselines and comparisons.
        total: all of it, without figures.
    """

    victims: float
    attack: float
    judging: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Cost(QueryCost):
    """What it cost.

    Attributes:
        models: trained by the attacker.
        steps: of gradient descent, by the attacker.
        memory_bytes: held at once.
        device: on which it ran.
        seconds: by phase.
    """

    models: int
    steps: int
    memory_bytes: int
    device: str
    seconds: Seconds


@dataclass(frozen=True, kw_only=True, repr=False)
class ReconstructionFindings(Reportable):
    """What an audit of a reconstruction found.

    Attributes:
        title: one line.
        victim: what was attacked.
        attack: with what.
        comparisons: with baselines, the first the one that counts.
        targets: one by one.
        secrets: of an attribute, who has the rarest value; empty elsewhere.
        gallery: pictures, where records are such; empty elsewhere.
        warnings: what is odd about the victim's answers, in sentences.
        notes: how the victim, its data and the attack are understood, in sentences.
        cost: of it all.
        config: the settings.
        environment: versions.
        format: of these findings.
        kind: of audit.
    """

    title: str
    victim: VictimFindings
    attack: AttackFindings
    comparisons: tuple[Comparison, ...]
    targets: tuple[Target, ...]
    secrets: tuple[Secret, ...]
    gallery: tuple[GalleryEntry, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    cost: Cost
    config: dict[str, Any]
    environment: dict[str, str]
    format: int = 1
    kind: str = "reconstruction"
