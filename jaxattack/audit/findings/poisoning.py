"""What a poisoning audit finds: how often victims err that were trained from scratch on poison, and whom it makes err.

The report's keys are these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings.rates import PooledFindings
from jaxattack.audit.findings.reportable import Reportable

Goal = Literal["availability", "targeted", "backdoor"]


@dataclass(frozen=True, kw_only=True)
class ShareFindings:
    """A share with its 95% interval.

    Attributes:
        value: of all trials.
        interval: over seeds, as `jaxattack.audit.retraining.intervals` says.
    """

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CleanFindings:
    """Victims without poison.

    Attributes:
        sanitise: the filter that their training set went through; None for none.
        records: that they were trained on.
        accuracy: on the records that judge.
    """

    sanitise: str | None
    records: int
    accuracy: ShareFindings


@dataclass(frozen=True, kw_only=True)
class PointFindings:
    """Victims of one attack at one share of poison.

    Attributes:
        share: of poison, of the number of clean training records, that was asked for.
        poison: records that were made; of a targeted attack for each target.
        sanitise: the filter that the poisoned training set went through; None for none.
        left: the share of the poison that the filter left in; 1 without one.
        accuracy: on the clean records that judge; of a targeted attack over all its targets.
        drop: by how much it is below that of clean victims behind the same filter; its interval is that of the difference.
        success: of a backdoor, the share of stamped records of other classes that are taken for its class; of a targeted
            attack, of victims that take their target for the wanted class; None for an attack on accuracy.
        without: the same of clean victims behind the same filter, who have met no poison.
        corrected: the interval of the success, or of the drop where there is none, that allows for the choice among the points of all
            attacks and shares without a filter (Bonferroni).
    """

    share: float
    poison: int
    sanitise: str | None
    left: float
    accuracy: ShareFindings
    drop: ShareFindings
    success: ShareFindings | None
    without: ShareFindings | None
    corrected: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """One attack.

    Attributes:
        name: in the registry, with its settings.
        goal: what its poison is for.
        paper: that published it; "an attack of your own" where its class names none.
        surrogates: models of its own that it had.
        points: by share of poison and filter.
        notes: what else it found, name -> number or text, mean of the targets at the largest share.
    """

    name: str
    goal: Goal
    paper: str
    surrogates: int
    points: tuple[PointFindings, ...]
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TargetFindings:
    """One record that shall be taken for another class.

    Attributes:
        record: its place among the records that judge.
        label: its class.
        wanted: the class that it shall be taken for.
        right: the share of the clean victims that label it right.
        valid: whether most do; a target that was wrong before is no success and is left out of all shares.
        success: by attack and share of poison, without a filter, the share of victims that take it for the wanted class.
    """

    record: int
    label: int
    wanted: int
    right: float
    valid: bool
    success: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class BoundPoint:
    """A share of poison: what no feasible poison can exceed, and what some reaches.

    Attributes:
        share: of poison.
        bound: on the mean hinge loss of a linear model on the clean training records, and so on its error.
        loss: that the attack of the same paper reaches, trained on.
        train_error: of that model on the clean training records.
        held_out_error: on the records that judge.
    """

    share: float
    bound: float
    loss: float
    train_error: float
    held_out_error: float


@dataclass(frozen=True, kw_only=True)
class BoundFindings:
    """The certificate of a linear model behind sphere and slab whose means are the clean ones.

    Attributes:
        inside: the share of each class that sphere and slab have inside, each.
        norm_squared: of the model, at most.
        points: by share of poison, none first.
    """

    inside: float
    norm_squared: float
    points: tuple[BoundPoint, ...]


@dataclass(frozen=True, kw_only=True)
class LeakageFindings:
    """What a backdoor does to membership: online LiRA on records a stamped copy of which is in every model.

    Attributes:
        attack: the backdoor.
        membership: the membership attack.
        models: of each sweep, each a target of the others.
        records: how many of them a stamped copy was made of.
        clean: what is found of these records without the copies.
        backdoor: with them.
        others_clean: of all other records, without.
        others_backdoor: with.
    """

    attack: str
    membership: str
    models: int
    records: int
    clean: PooledFindings
    backdoor: PooledFindings
    others_clean: PooledFindings
    others_backdoor: PooledFindings


@dataclass(frozen=True, kw_only=True)
class VictimFindings:
    """What is trained.

    Attributes:
        model: the architecture.
        data: the records' name.
        classes: how many.
        train: clean training records.
        own: records of the attacker's own.
        held_out: records that judge.
        seeds: victims of each training set.
        frozen: whether they train a last layer alone, on public features.
    """

    model: str
    data: str
    classes: int
    train: int
    own: int
    held_out: int
    seeds: int
    frozen: bool


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """A poison record, by the numbers of its pictures.

    Attributes:
        attack: that made it.
        label: that it is given.
        source: the picture of the training record that it was made of; None where it was made of another.
        poison: its own.
    """

    attack: str
    label: str
    source: int | None
    poison: int


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time went.

    Attributes:
        crafting: the attacker's models and the poison.
        training: the victims.
        total: all of it.
    """

    crafting: float
    training: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        victims: that were trained from scratch, clean ones among them.
        sets: training sets among them.
        gradient_steps: of all victims.
        seconds: where the time went.
        memory_bytes: at most.
        device: what computed.
    """

    victims: int
    sets: int
    gradient_steps: int
    seconds: Seconds
    memory_bytes: int | None
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class PoisoningFindings(Reportable):
    """A poisoning audit.

    Attributes:
        title: one line.
        victim: what is trained.
        clean: victims without poison, of each filter.
        attacks: each attack.
        targets: of the targeted attacks.
        bound: of linear models; None where there are more than two classes.
        leakage: what the backdoors do to membership; empty where that was not asked for.
        gallery: poison of each attack; empty where records are no pictures.
        notes: how the data are understood, in sentences.
        cost: in victims, gradient steps and seconds.
        config: plain values.
        environment: versions.
        format: of the file.
        kind: of audit.
    """

    title: str
    victim: VictimFindings
    clean: tuple[CleanFindings, ...]
    attacks: tuple[AttackFindings, ...]
    targets: tuple[TargetFindings, ...]
    bound: BoundFindings | None
    leakage: tuple[LeakageFindings, ...]
    gallery: tuple[GalleryEntry, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    format: int = 1
    kind: str = "poisoning"
