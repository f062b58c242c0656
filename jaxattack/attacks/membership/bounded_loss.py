"""A coin that falls by the loss (Yeom et al. 2018, arXiv 1709.01604, their first adversary).

Where losses l are at most B, it calls a record a member with probability 1 - l / B. Its advantage, true less false positives,
is then the gap of the mean losses over B, exactly:

    score = 1 - min(l, B) / B

is that probability: its mean over members less its mean over the others is the paper's advantage, and no larger than that of
the best threshold on it, which orders records as the loss does. Losses are those of the record itself (query 0),
softplus(-phi), which have no bound of their own: with a B that some exceed, what is said of the gap holds of losses cut at B.
Losses below 1e-16 B tie at 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, TooFewReferences, check_protocol, shadows_of
from jaxattack.signals import Phi
from jaxattack.types import InputError, Needs, Observations, above_zero, config

FLOOR = 1e-30  # nats: losses that are all 0 in float64 have a bound too


@config
class BoundedLoss:
    """The probability with which a coin that knows the loss calls a record a member.

    Attributes:
        bound: B, in nats, above 0; None for the largest loss of a shadow's records.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: a bound that is not above 0, an unknown protocol, or another protocol without a shadow.
    """

    name = "loss-bounded"
    paper = "Yeom et al. 2018, arXiv 1709.01604"
    family = "threshold"
    signals = (Phi(),)

    bound: float | None = None
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        if self.bound is not None:
            above_zero(bound=self.bound)
            if self.protocol != PROTOCOLS[0]:
                raise InputError(f"protocol is {self.protocol!r} and a bound needs no references: leave it out.")

    @property
    def references(self) -> bool:
        """Whether a shadow says the bound."""
        return self.bound is None

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references: the shadow's own records are enough."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            TooFewReferences: without a bound, fewer than three models, or a shadow without a record.
            InputError: phi NaN or infinite.
        """
        if self.references:
            require_models(observations, self.name)
        loss = loss_of(read_signal(observations, Phi())[:, :, 0])
        models = read_targets(observations, targets)
        bounds = np.array([*self._bounds(loss, observations, models)])[:, None]
        return 1 - np.minimum(loss[models], bounds) / bounds

    def _bounds(
        self, loss: Float[np.ndarray, "model record"], observations: Observations, models: Int[np.ndarray, "target"]
    ) -> Iterator[float]:
        """B for each target."""
        if self.bound is not None:
            yield from (self.bound for _ in models)
            return
        for shadow in shadows_of(observations.member, models, self.protocol):
            if not shadow.records.any():
                raise TooFewReferences(
                    f"{self.name}: the shadow model has no record whose membership is known: give more records, or a bound."
                )
            yield max(float(loss[shadow.model, shadow.records].max()), FLOOR)
