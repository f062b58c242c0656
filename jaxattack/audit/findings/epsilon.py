"""What a privacy audit finds: lower bounds on epsilon from canaries, upper ones beside them, and the training.

The report's keys are these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.reportable import Reportable


@dataclass(frozen=True, kw_only=True)
class ExperimentFindings:
    """The experiment with canaries.

    Attributes:
        models: runs.
        canaries: in each.
        coins: all of them.
        ins: coins that put a canary in.
        replaces: whether a canary that is in displaces another record.
        calibrated: whether a canary's scores were put on a scale of their own.
        delta: of the claim.
        confidence: of each bound.
    """

    models: int
    canaries: int
    coins: int
    ins: int
    replaces: bool
    calibrated: bool
    delta: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class BoundFindings:
    """A lower bound, alone at the confidence.

    Attributes:
        name: in `jaxattack.audit.epsilon_methods.METHODS`.
        claim: what it refutes, in words.
        assumes: what it takes for true, in words; None where the experiment does not allow it.
        counts: what trials are: runs, scores or guesses.
        epsilon: the bound; None where the experiment does not allow it.
        trials: how many; None where the experiment does not allow it.
        errors: of them, wrong ones; None where that means nothing.
        why: the experiment does not allow it, in a sentence; None where it does.
    """

    name: str
    claim: str
    assumes: str | None
    counts: Literal["runs", "scores", "guesses"]
    epsilon: float | None
    trials: int | None
    errors: int | None
    why: str | None


@dataclass(frozen=True, kw_only=True)
class HeadlineFindings:
    """The bound to quote.

    Attributes:
        name: of the bound.
        epsilon: at least so much.
        claim: what it refutes, in words.
        declared: whether it was named beforehand.
        tried: the bounds it was chosen from.
        alpha: the chance that each of them is above the truth.
    """

    name: str
    epsilon: float
    claim: str
    declared: bool
    tried: tuple[str, ...]
    alpha: float


@dataclass(frozen=True, kw_only=True)
class UpperFindings:
    """An upper bound, at the same delta.

    Attributes:
        name: the accountant, and the sampling it assumes; or where it comes from.
        epsilon: at most so much; infinite where there is no bound, as without noise.
    """

    name: str
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class PrivacyFindings:
    """What hides a record.

    Attributes:
        noise: standard deviation, in units of the clip.
        clip: of a record's gradient, in the 2-norm.
        rate: the probability that a step takes a record.
        steps: how many.
    """

    noise: float
    clip: float
    rate: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class LossFindings:
    """Losses of the canaries, in nats; NaN where no model counts.

    Attributes:
        lowest: of all canaries.
        median: of all canaries.
        highest: of all canaries.
    """

    lowest: float
    median: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class PreflightFindings:
    """Whether canaries can leave a trace.

    Attributes:
        start: their losses before training.
        out: after it, in models without them.
        in_: after it, in models with them.
        silent: canaries that have no loss without being in.
    """

    start: LossFindings
    out: LossFindings
    in_: LossFindings
    silent: int


@dataclass(frozen=True, kw_only=True)
class TrainingFindings:
    """The training that was audited.

    Attributes:
        private: what hides a record.
        kind: of canaries.
        background: records that are always in.
        accuracy: on those; None for canaries that are gradients.
        preflight: whether canaries can leave a trace; None for canaries that are gradients.
    """

    private: PrivacyFindings
    kind: str
    background: int
    accuracy: float | None
    preflight: PreflightFindings | None


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Time by phase; phases that did not take place are left out.

    Attributes:
        compile: compiling what trains.
        train: training the models.
        observe: asking them about the canaries.
        bounds: computing the bounds.
        total: of this process, without the figure.
    """

    compile: float | None = optional()
    train: float | None = optional()
    observe: float | None = optional()
    bounds: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
        gradient_steps: of all models; left out where they were not counted.
    """

    seconds: Seconds
    memory_bytes: int
    device: str
    gradient_steps: int | None = optional()


@dataclass(frozen=True, kw_only=True, repr=False)
class EpsilonFindings(Reportable):
    """All that a privacy audit found.

    Attributes:
        title: one line.
        experiment: with canaries.
        bounds: every lower bound.
        headline: the one to quote; None where none is allowed.
        upper: bounds from above; None where none is known.
        training: that was audited; None for scores from elsewhere.
        notes: what is odd about the experiment, in sentences.
        cost: what all of it cost.
        config: what was asked for.
        environment: versions.
        format: of the findings.
        kind: of audit.
    """

    title: str
    experiment: ExperimentFindings
    bounds: tuple[BoundFindings, ...]
    headline: HeadlineFindings | None
    upper: tuple[UpperFindings, ...] | None
    training: TrainingFindings | None
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["epsilon"] = "epsilon"
