"""Attacks on the target's own answer, with no references or a single shadow model.

- Threshold: a signal turned so that higher means "more likely a member" (loss: Yeom et al. 2018, arXiv 1709.01604;
  entropy and modified entropy: Song and Mittal 2021, arXiv 2003.10595), with one threshold for all records, or with
  one for each class, tuned on a shadow model (Song and Mittal).
- Gap: a record is a member if it is classified correctly, the floor that other attacks must beat.

All read query 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from jaxattack.attacks.membership.leave_one_out import map_threads
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.metrics import roc_curve
from jaxattack.signals import (
    BoundaryDistance,
    Correct,
    Entropy,
    GradientNorm,
    InputGradientNorm,
    MerlinRatio,
    ModifiedEntropy,
    NoiseRobustness,
    Phi,
)
from jaxattack.types import InputError, Needs, Observations, Signal, config

Turn = Callable[[np.ndarray], Float[np.ndarray, "*shape"]]
QUANTITIES: dict[str, tuple[Signal, Turn]] = {
    "loss": (Phi(), lambda phi: -loss_of(phi)),
    "confidence": (Phi(), lambda phi: expit(phi.astype(np.float64))),
    "entropy": (Entropy(), lambda entropy: -entropy.astype(np.float64)),
    "modified-entropy": (ModifiedEntropy(), lambda entropy: -entropy.astype(np.float64)),
    "gradient-norm": (GradientNorm(), lambda norm: -norm.astype(np.float64)),
    "input-gradient-norm": (InputGradientNorm(), lambda norm: -norm.astype(np.float64)),
    "noise-robustness": (NoiseRobustness(copies=100, sigma=0.1), lambda share: share.astype(np.float64)),
    "merlin": (MerlinRatio(copies=100, sigma=0.01), lambda share: share.astype(np.float64)),
    "boundary-distance": (BoundaryDistance(queries=250), lambda distance: distance.astype(np.float64)),
}


@config
class Threshold:
    """A threshold on one quantity of the target's answer.

    Attributes:
        quantity: "loss" (score -loss, 0 at best), "confidence" (in the label, 0 to 1; it ties at 1 where the loss still
            tells records apart), "entropy" or "modified-entropy" (negated). Of kept models also: "gradient-norm" and
            "input-gradient-norm" (negated: Nasr et al. 2019), "noise-robustness" and "boundary-distance" (Choquette-Choo
            et al. 2021) and "merlin" (Jayaraman et al. 2021), as `jaxattack.signals` has them.
        classwise: whether each class has its own threshold: that with the best balanced accuracy on the class's
            records of a shadow: the first of models t + 2, t + 3, ... whose members tell nothing of the target's, which
            is told its own membership where it is a reference. The score is the quantity less the
            threshold of the record's class. A class with only members or only non-members there takes the threshold
            of all its records together.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown quantity or protocol, or another protocol without a shadow.
    """

    quantity: str
    classwise: bool = False
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        if self.protocol != PROTOCOLS[0] and not self.classwise:
            raise InputError(f"protocol is {self.protocol!r} and {self.quantity} has no references: leave it out.")
        if self.quantity not in QUANTITIES:
            raise InputError(f"quantity is {self.quantity!r}: choose from {', '.join(QUANTITIES)}.")

    @property
    def name(self) -> str:
        """The quantity, then ``-classwise``."""
        return f"{self.quantity}-classwise" if self.classwise else self.quantity

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signal that the quantity is read from."""
        return (QUANTITIES[self.quantity][0],)

    @property
    def references(self) -> bool:
        """Whether it learns from the other models."""
        return self.classwise

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Raises:
            TooFewReferences: class-wise, fewer than three models.
            InputError: NaN or infinite signals; a shadow without members or without non-members.
        """
        if self.classwise:
            require_models(observations, self.name)
        signal = read_signal(observations, self.signals[0])[:, :, 0]
        models = read_targets(observations, targets)
        turn = QUANTITIES[self.quantity][1]
        score = turn(signal[models])
        if self.classwise:
            label = np.unique(observations.label, return_inverse=True)[1]
            shadows = shadows_of(observations.member, models, self.protocol)

            def thresholds(row: int) -> Float[np.ndarray, "record"]:
                model, records = shadows[row]
                return class_thresholds(turn(signal[model]), observations.member[model], label, records)[label]

            score -= np.stack(map_threads(thresholds, range(len(models))))
        return score


def class_thresholds(
    score: Float[np.ndarray, "record"],
    member: Bool[np.ndarray, "record"],
    label: Int[np.ndarray, "record"],
    readable: Bool[np.ndarray, "record"],
) -> Float[np.ndarray, "cls"]:
    """For each class, the highest of the thresholds with the best balanced accuracy.

    Args:
        score: of the shadow model.
        member: of the shadow model.
        label: 0 to one less than the number of classes.
        readable: the records whose membership is read.
    """
    overall = _best_threshold(score[readable], member[readable])
    thresholds = []
    for records in np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1]):
        records = records[readable[records]]
        truth = member[records]
        both = truth.any() and not truth.all()
        thresholds.append(_best_threshold(score[records], truth) if both else overall)
    return np.array(thresholds)


def _best_threshold(score, member) -> float:
    roc = roc_curve(score, member)
    # The first point, at infinity, calls nobody a member and would make scores infinite.
    return float(roc.threshold[1 + int(np.argmax(roc.tpr[1:] - roc.fpr[1:]))])


@config
class Gap:
    """A record is a member if the target classifies it correctly: score 1, else 0.

    Its balanced accuracy is exactly 1/2 + (accuracy on members - accuracy on non-members) / 2.
    """

    name = "gap"
    signals = (Correct(),)
    references = False

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 or 1.

        Raises:
            InputError: NaN or infinite signals.
        """
        correct = read_signal(observations, Correct())[:, :, 0]
        return correct[read_targets(observations, targets)].astype(np.float64)
