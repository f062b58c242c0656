"""What is read of a model's answers: one number a record, the evidence that membership attacks read.

    phi                  log p_y - log(1 - p_y), from raw outputs where there are any
    loss                 -log p_y
    max_confidence       phi of the prediction: the largest confidence, whatever the label
    correct              1 where the prediction is the label
    hinge                z_y - max over k != y of z_k
    entropy              -sum p_k log p_k
    modified_entropy     entropy that knows the label
    softmax_t2           log softmax(z / 2)_y, at any temperature
    taylor_t2            log of the Taylor confidence at z / 2, at any temperature
    posterior_16         the highest confidences and the label's own; several numbers a record
    confidence_vector    the confidences in all classes, in their order
    gradient_norm        of the loss in the weights, all or a layer's; input_gradient_norm: in the record
    layer_gradient_norms   of every layer; several numbers a record
    noise_robustness     share of noisy copies that keep the label; merlin: whose loss is larger; view_correct: each view
    sensitivity          the confidences, and how they move with the record; several numbers a record
    boundary_distance    to the nearest point that is labelled otherwise, from labels alone
    round_features_5     loss and norms of gradients in each of several rounds of a federation; several numbers a record
    view_divergence_10   how far answers to weak and strong views lie apart; several numbers a record
    trajectory_100       five numbers of a student's answers after each of 100 passes, and of the model's
    imitation_10_0.8     phi of the five of ten imitators that were not trained on the record, and the model's own
    nearest_phi          phi of the nearest other record of the class, and whether the model was trained on that
    phi_mean16           any of these that see answers, of the mean of so many answers to each question

A signal is a value; it is traced inside the program that observes a model and sees the answers behind its defences. By
its name it is kept in a run folder, and `lookup` reads the name back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.signals.augmented import AugmentedCorrectness
from jaxattack.signals.averaged import Averaged
from jaxattack.signals.boundary import BoundaryDistance
from jaxattack.signals.canary import CanaryQueries
from jaxattack.signals.confidence import SoftmaxConfidence, TaylorConfidence
from jaxattack.signals.confidence_vector import ConfidenceVector
from jaxattack.signals.correct import Correct
from jaxattack.signals.entropy import Entropy, ModifiedEntropy
from jaxattack.signals.gradient import GradientNorm, InputGradientNorm, LayerGradientNorms
from jaxattack.signals.hinge import Hinge
from jaxattack.signals.imitation import Imitation
from jaxattack.signals.loss import Loss
from jaxattack.signals.max_confidence import MaxConfidence
from jaxattack.signals.nearest import NearestPhi
from jaxattack.signals.neighbours import FlipRobustness, MerlinRatio, NoiseRobustness, ViewCorrectness
from jaxattack.signals.oslo import OsloQueries
from jaxattack.signals.phi import Phi
from jaxattack.signals.posterior import Posterior
from jaxattack.signals.rounds import RoundFeatures
from jaxattack.signals.scores import TINY, Labels, Logits
from jaxattack.signals.sensitivity import Sensitivity
from jaxattack.signals.trajectory import METRICS, Trajectory
from jaxattack.signals.view_divergence import ViewDivergence
from jaxattack.signals.yoqo import YoqoQuery
from jaxattack.types import Answer, InputError, Model, Signal, Variables, afterwards

ALWAYS = ("phi", "correct")

_DEFAULTS: tuple[Signal, ...] = (
    Phi(),
    Correct(),
    Loss(),
    Hinge(),
    Entropy(),
    ModifiedEntropy(),
    GradientNorm(),
    InputGradientNorm(),
    ViewCorrectness(),
    MaxConfidence(),
    ConfidenceVector(),
    LayerGradientNorms(),
)
SIGNALS: dict[str, Signal] = {signal.name: signal for signal in _DEFAULTS}
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"
_WITH_SETTINGS: dict[str, Callable[..., Signal]] = {
    rf"softmax_t{_NUMBER}": lambda t: SoftmaxConfidence(temperature=float(t)),
    rf"taylor_t{_NUMBER}": lambda t: TaylorConfidence(temperature=float(t)),
    r"posterior_(\d+)": lambda top: Posterior(top=int(top)),
    r"gradient_norm_(\d+)": lambda layer: GradientNorm(layer=int(layer)),
    rf"noise_robustness_(\d+)_{_NUMBER}": lambda n, sigma: NoiseRobustness(copies=int(n), sigma=float(sigma)),
    rf"flip_robustness_(\d+)_{_NUMBER}": lambda n, p: FlipRobustness(copies=int(n), probability=float(p)),
    r"(rotation|translation)_correct_(\d+)": lambda kind, size: AugmentedCorrectness(kind=kind, size=int(size)),
    rf"merlin_(\d+)_{_NUMBER}": lambda n, sigma: MerlinRatio(copies=int(n), sigma=float(sigma)),
    r"((?:(?!_mean).)+)_mean(\d+)": lambda name, times: Averaged(signal=lookup(name), times=int(times)),
    rf"yoqo_(\d+)_{_NUMBER}_{_NUMBER}": lambda n, r, a: YoqoQuery(steps=int(n), rate=float(r), alpha=float(a)),
    rf"canary_(\d+)_(\d+)_{_NUMBER}": lambda n, steps, r: CanaryQueries(count=int(n), steps=int(steps), rate=float(r)),
    rf"oslo_(\d+)_(\d+)_{_NUMBER}_(\d+)": lambda parts, steps, size, n: OsloQueries(
        growth=int(parts), steps=int(steps), largest=float(size), thresholds=int(n)
    ),
    r"boundary_distance_(\d+)": lambda queries: BoundaryDistance(queries=int(queries)),
    rf"sensitivity_(\d+)_{_NUMBER}": lambda n, size: Sensitivity(copies=int(n), size=float(size)),
    r"round_features_(\d+)": lambda rounds: RoundFeatures(rounds=int(rounds)),
    r"view_divergence_(\d+)(_flip)?": lambda views, flip: ViewDivergence(views=int(views), flip=bool(flip)),
    r"trajectory_(\d+)": lambda passes: Trajectory(passes=int(passes)),
    r"nearest_phi": NearestPhi,
    rf"imitation_(\d+)_{_NUMBER}": lambda n, warmup: Imitation(imitators=int(n), warmup=float(warmup)),
}
"""How a name with settings is read back."""

WITH_SETTINGS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        SoftmaxConfidence(),
        TaylorConfidence(),
        Posterior(),
        GradientNorm(layer=0),
        NoiseRobustness(),
        FlipRobustness(),
        AugmentedCorrectness(kind="rotation", size=4),
        AugmentedCorrectness(kind="translation", size=1),
        MerlinRatio(),
        BoundaryDistance(),
        Sensitivity(),
        ViewDivergence(),
        RoundFeatures(),
        Averaged(),
    )
}
"""One of each kind whose name has settings."""


def as_signal(signal: str | Signal) -> Signal:
    """A signal, by its name or as it is."""
    return lookup(signal) if isinstance(signal, str) else signal


def lookup(name: str) -> Signal:
    """The signal of a name.

    Raises:
        InputError: there is no such signal.

    Example:
        >>> lookup("softmax_t2")
        SoftmaxConfidence(temperature=2.0)
    """
    if name in SIGNALS:
        return SIGNALS[name]
    known = f"give one of {', '.join(SIGNALS)}, softmax_t2 or taylor_t2."
    for pattern, build in _WITH_SETTINGS.items():
        if settings := re.fullmatch(pattern, name):
            try:
                return build(*settings.groups())
            except InputError as error:
                raise InputError(f"signal is {name!r} ({error}): {known}") from None
    raise InputError(f"signal is {name!r}: {known}")


_NO_WEIGHTS = "only raw outputs were written down: a signal that sees weights needs the models."


class Outputs:
    """Raw outputs that were written down, as a view of the model that gave them; it can be asked nothing else."""

    floor = TINY
    refuses = False

    def __init__(self, logit: Any):
        """Wrap raw outputs, ["record cls"]."""
        self._logit = logit

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:  # noqa: ARG002 (they are of whatever was asked)
        """The label and the raw outputs."""
        label: Any = jnp.argmax(self._logit, axis=1)
        return Answer(label, None, self._logit)

    @property
    def model(self) -> Model:
        """There is none.

        Raises:
            InputError: always.
        """
        raise InputError(_NO_WEIGHTS)

    @property
    def variables(self) -> Variables:
        """There are none.

        Raises:
            InputError: always.
        """
        raise InputError(_NO_WEIGHTS)


def compute(names: tuple[str, ...], z: Logits, y: Labels) -> dict[str, Float[jax.Array, "record *value"]]:
    """The named signals of a batch of raw outputs.

    Raises:
        InputError: an unknown signal, one that sees weights, or one that asks more than once or something else.
    """
    by_name = {name: lookup(name) for name in names}
    asking = [name for name, signal in by_name.items() if signal.queries > 1 or afterwards(signal)]
    if asking:
        raise InputError(f"only raw outputs were written down: {asking[0]} must ask the models again.")
    return {name: signal(Outputs(z), z, y, None) for name, signal in by_name.items()}


def require_converged(phi: Float[np.ndarray, "model record query"], models: Sequence[int]) -> None:
    """Refuse models whose training diverged, before anything is kept of them.

    Args:
        phi: what they say.
        models: their numbers, for the message.

    Raises:
        InputError: phi is NaN or infinite somewhere.
    """
    bad = [int(model) for model, row in zip(models, phi, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise InputError(
            f"training diverged: model {bad[0]} answers NaN or infinity ({len(bad)} of these {len(phi)} models do): "
            "lower learning_rate, or add warmup."
        )


__all__ = [
    "ALWAYS",
    "METRICS",
    "SIGNALS",
    "WITH_SETTINGS",
    "AugmentedCorrectness",
    "Averaged",
    "BoundaryDistance",
    "CanaryQueries",
    "ConfidenceVector",
    "Correct",
    "Entropy",
    "FlipRobustness",
    "GradientNorm",
    "Hinge",
    "Imitation",
    "InputGradientNorm",
    "LayerGradientNorms",
    "Loss",
    "MaxConfidence",
    "MerlinRatio",
    "ModifiedEntropy",
    "NearestPhi",
    "NoiseRobustness",
    "OsloQueries",
    "Outputs",
    "Phi",
    "Posterior",
    "RoundFeatures",
    "Sensitivity",
    "SoftmaxConfidence",
    "TaylorConfidence",
    "Trajectory",
    "ViewCorrectness",
    "ViewDivergence",
    "YoqoQuery",
    "as_signal",
    "compute",
    "lookup",
    "require_converged",
]
