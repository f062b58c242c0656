"""What an inversion audit finds: what was made, who recognises it, and what it cost. The report's keys are these names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.cost import QueryCost
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import StolenFindings, TargetFindings


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The victim's accuracy.

    Attributes:
        members: share of its members that it is right about; None without such.
        others: of the other records; None without such.
    """

    members: float | None
    others: float | None


@dataclass(frozen=True, kw_only=True)
class VictimFindings(TargetFindings):
    """A victim, its terms and its records.

    Attributes:
        members: how many records it was trained on; None where they are not at hand.
        accuracy: on them and on others; None where they are not at hand.
    """

    members: int | None = None
    accuracy: Sides | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateFindings:
    """Whose gradients were inverted.

    Attributes:
        users: how many sent theirs.
        batch: records of each.
        trained: whether they sent it at the trained weights.
        labels: share of the labels that were found, each user's in no order.
        baseline: mean PSNR with the users' own records of the mean of the records that are nobody's, which takes no gradient, in
            dB; None where there are no such records.
        nearer: how many of the records have a reconstruction that is nearer to them than that mean; likewise.
    """

    users: int
    batch: int
    trained: bool
    labels: float
    baseline: float | None
    nearer: int | None


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """What an inversion attack did.

    Attributes:
        name: of the attack.
        settings: its fields.
        complete: whether it finished.
        reason: why not, in one sentence; empty where it did.
        notes: what else it found, by name.
        white_box: whether it read weights.
        updates: whose gradients were inverted; None for other attacks.
        stolen: the model that was stolen first; None where none was.
    """

    name: str
    settings: Mapping[str, Any]
    complete: bool
    reason: str
    notes: Mapping[str, Any]
    white_box: bool
    updates: UpdateFindings | None
    stolen: StolenFindings | None


@dataclass(frozen=True, kw_only=True)
class RecognitionFindings:
    """Who takes reconstructions for their target: shares, None where the victim or an evaluation model was not asked.

    Attributes:
        victim: of the best ones, by the victim.
        victim_restarts: of all restarts, by the victim.
        top1: of the best ones, by the evaluation model.
        top5: of the best ones, among its five likeliest classes; None where there are no more than five.
        top1_restarts: of all restarts, by the evaluation model.
        restarts: how many, over all targets.
        diverged: how many of them are not finite.
    """

    victim: float | None
    victim_restarts: float | None
    top1: float | None
    top5: float | None
    top1_restarts: float | None
    restarts: int
    diverged: int


@dataclass(frozen=True, kw_only=True)
class EvaluationFindings:
    """The evaluation model.

    Attributes:
        model: its architecture.
        accuracy: on the victim's members, which it has not learnt from.
        records: how many it has learnt from.
    """

    model: str
    accuracy: float
    records: int


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How like a reconstruction is to the nearest member of its class, or to the user's own record; NaN without a member.

    Attributes:
        mse: mean squared error.
        psnr: peak signal-to-noise ratio in dB.
        correlation: Pearson's.
        correlation_mean: with the class's mean member.
        ssim: structural similarity, of pictures of at least 8 x 8.
    """

    mse: float | None = optional()
    psnr: float | None = optional()
    correlation: float | None = optional()
    correlation_mean: float | None = optional()
    ssim: float | None = optional()


@dataclass(frozen=True, kw_only=True)
class ControlFindings:
    """What an attack's generator gives without the victim: likeness as `AppearanceFindings` measures it.

    Attributes:
        records: the attacker's own, that the generator learnt from.
        draws: records that it was let make at random, without the victim.
        of_class: their likeness with the nearest member of a target's class, mean over draws and targets.
        of_any: their likeness with the nearest member of any class, mean over draws.
        own: likeness of the reconstructions with the nearest of the attacker's own records, mean over targets.
    """

    records: int
    draws: int
    of_class: float
    of_any: float
    own: float


@dataclass(frozen=True, kw_only=True)
class AppearanceFindings:
    """How reconstructions look beside members, as `jaxattack.audit.appearance` measures it.

    Attributes:
        measure: of likeness; 1 for equal records.
        nearest: likeness with the nearest member of the class, mean over targets.
        members: likeness of one member with the nearest other, median, mean over targets.
        share: of the targets whose reconstruction would pass for a record of the class.
        control: what the attack's generator gives without the victim; None for an attack without one.
    """

    measure: Literal["ssim", "correlation"]
    nearest: float
    members: float
    share: float
    control: ControlFindings | None


@dataclass(frozen=True, kw_only=True)
class TargetRow(Likeness):
    """The best reconstruction of one target.

    Attributes:
        target: the class.
        name: of the class, where it has one.
        victim_name: of the label that the victim answers, where it has one.
        passes: whether it would pass for a record of the class to the eye, where two members are at hand.
        score: of the attack, higher is better; None where every restart diverged.
        victim: the label that the victim answers; None where the budget left no query for it.
        rank: how many other classes the evaluation model finds at least as likely; None without that model.
        steps: of all restarts.
    """

    target: int
    score: float | None
    victim: int | None
    rank: int | None
    steps: int
    name: str | None = optional()
    victim_name: str | None = optional()
    passes: bool | None = optional()


@dataclass(frozen=True, kw_only=True)
class JudgementFindings:
    """What reconstructions give away.

    Attributes:
        recognition: who takes them for their target.
        evaluation: the model that judged them; None without one.
        likeness: means over targets; None where no members are at hand.
        targets: one by one.
        appearance: how they look to the eye, of classes whose members are at hand.
        extent: the width of the range of a feature, which MSE and PSNR are to be read against; 1 of a table, whose features are
            compared in units of their ranges.
    """

    recognition: RecognitionFindings
    evaluation: EvaluationFindings | None
    likeness: Likeness | None
    targets: tuple[TargetRow, ...]
    appearance: AppearanceFindings | None = optional()
    extent: float | None = optional()


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """Pictures of one target, by their numbers.

    Attributes:
        target: the class.
        mean: of its members; None where they are not at hand.
        nearest: the member nearest to the reconstruction, or the user's own record; None where there is none.
        made: the reconstruction.
        frames: pairs of a step and what had been made until then.
        draw: what the attack's generator makes without the victim, where it has one.
    """

    target: int
    mean: int | None
    nearest: int | None
    made: int
    frames: tuple[tuple[int, int], ...]
    draw: int | None = optional()


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where an inversion's time went.

    Attributes:
        attack: the inversion.
        evaluation: training the evaluation model and comparing.
        total: all of it.
        extraction: stealing the model first, where that was done.
    """

    attack: float
    evaluation: float
    total: float
    extraction: float | None = optional()


@dataclass(frozen=True, kw_only=True)
class CostFindings(QueryCost):
    """What an inversion cost.

    Attributes:
        gradients: of one record each.
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    gradients: int
    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class InversionFindings(Reportable, JudgementFindings):
    """All that an inversion audit found.

    Attributes:
        title: one line.
        victim: its terms and its records.
        attack: what it did.
        gallery: empty where records are no pictures.
        warnings: what is odd about the victim's answers, in sentences.
        notes: how the victim and its data are understood, in sentences.
        cost: what all of it cost.
        config: what was asked for.
        environment: versions.
        format: of the findings.
        kind: of audit.
    """

    title: str
    victim: VictimFindings
    attack: AttackFindings
    gallery: tuple[GalleryEntry, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["inversion"] = "inversion"
