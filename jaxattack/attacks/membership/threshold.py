"""Attacks on the target's own answer, with no references or a single shadow model.

- Threshold: a signal turned so that higher means "more likely a member" (loss: Yeom et al. 2018, arXiv 1709.01604;
  entropy and modified entropy: Song and Mittal 2021, arXiv 2003.10595), with one threshold for all records, or with
  one that a shadow model selects (`jaxattack.attacks.membership.selection`): for each class (Song and Mittal), or at a
  false-positive rate (Jayaraman et al. 2021, arXiv 2005.10881).
- Gap: a record is a member if it is classified correctly, the floor that other attacks must beat.

All read query 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.attacks.membership.selection import check_rate, record_thresholds
from jaxattack.signals import (
    BoundaryDistance,
    Correct,
    Entropy,
    GradientNorm,
    InputGradientNorm,
    Loss,
    MerlinRatio,
    ModifiedEntropy,
    NoiseRobustness,
    Phi,
)
from jaxattack.threads import CACHED_VALUES, map_threads, record_blocks
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
        alpha: the shadow selects the lowest threshold with at most so many false positives, 0 to 1, and the score is the
            quantity less it, so that 0 is where the paper's attacker decides. None: as ``classwise`` says.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown quantity or protocol, another protocol without a shadow, or a rate outside 0 to 1.

    Example:
        >>> Threshold(quantity="entropy", classwise=True).name
        'entropy-classwise'
    """

    quantity: str
    classwise: bool = False
    alpha: float | None = None
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        check_rate(alpha=self.alpha)
        if self.protocol != PROTOCOLS[0] and not self.references:
            raise InputError(f"protocol is {self.protocol!r} and {self.quantity} has no references: leave it out.")
        if self.quantity not in QUANTITIES:
            raise InputError(f"quantity is {self.quantity!r}: choose from {', '.join(QUANTITIES)}.")

    @property
    def name(self) -> str:
        """The quantity, then ``-classwise``."""
        return f"{self.quantity}-classwise" if self.classwise else self.quantity

    @property
    def paper(self) -> str:
        """Of thresholds at a rate, of those by class, or of the quantity."""
        if self.alpha is not None:
            return "Jayaraman et al. 2021, arXiv 2005.10881"
        if self.classwise:
            return "Song and Mittal 2021, arXiv 2003.10595"
        signal: Any = Loss() if self.quantity in ("loss", "confidence") else self.signals[0]
        return signal.paper

    @property
    def family(self) -> str:
        """By what the quantity is read from: weights, labels of altered copies, or the answer to the record."""
        return {"weights": "white-box", "label": "label-only"}.get(self.signals[0].sees, "threshold")

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signal that the quantity is read from."""
        return (QUANTITIES[self.quantity][0],)

    @property
    def references(self) -> bool:
        """Whether it learns from the other models."""
        return self.classwise or self.alpha is not None

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Raises:
            TooFewReferences: with a shadow, fewer than three models; a shadow without members or without non-members.
            InputError: NaN or infinite signals.
        """
        if self.references:
            require_models(observations, self.name)
        signal = read_signal(observations, self.signals[0])[:, :, 0]
        models = read_targets(observations, targets)
        turn = QUANTITIES[self.quantity][1]
        if not self.references:
            return turn(signal[models])
        every = turn(signal)
        score = every[models]
        label = np.unique(observations.label, return_inverse=True)[1]
        shadows = shadows_of(observations.member, models, self.protocol)

        def subtract_thresholds(rows: slice) -> None:
            shadow = [one.model for one in shadows[rows]]
            score[rows] -= record_thresholds(
                every[shadow],
                observations.member[shadow],
                label,
                np.stack([one.records for one in shadows[rows]]),
                alpha=self.alpha,
                classwise=self.classwise,
            )

        # Blocks of the targets: each is sorted as a whole.
        map_threads(subtract_thresholds, record_blocks(signal.shape[1], len(models), 1, CACHED_VALUES))
        return score


@config
class Gap:
    """A record is a member if the target classifies it correctly: score 1, else 0.

    Its balanced accuracy is exactly 1/2 + (accuracy on members - accuracy on non-members) / 2.
    """

    name = "gap"
    paper = "Yeom et al. 2018, arXiv 1709.01604"
    family = "label-only"
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
