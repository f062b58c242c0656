"""Two Gaussians of the loss (Yeom et al. 2018, arXiv 1709.01604, their second adversary).

A record is a member where its loss is likelier among members' losses than among others', both taken as normal about 0:

    score = log N(loss; 0, s_in) - log N(loss; 0, s_out)

in nats; 0 is the paper's threshold. The two deviations are those of a shadow model, on its own members and on the others.
The loss is that of the record itself (query 0), softplus(-phi).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.signals import Phi
from jaxattack.threads import map_threads
from jaxattack.types import Needs, Observations, config

FLOOR = 1e-30  # nats: losses that are all 0 in float64 have a deviation too


@config
class GaussianLoss:
    """How much likelier a loss is among a shadow's members than among its other records, both normal about 0.

    Where the shadow's members have the smaller losses, records of one target are ordered as by the loss threshold; the score
    puts targets on one scale, and has the paper's threshold at 0.

    Attributes:
        formula: "paper", deviations are root mean squares of the losses; or "reference_code", which takes their means for
            deviations.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown formula or protocol.
    """

    name = "loss-gaussian"
    paper = "Yeom et al. 2018, arXiv 1709.01604"
    family = "threshold"
    signals = (Phi(),)
    references = True

    formula: Literal["paper", "reference_code"] = "paper"
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references: the shadow's own records are enough."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, in nats.

        Raises:
            TooFewReferences: fewer than three models; a shadow without members or without non-members.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        loss = loss_of(read_signal(observations, Phi())[:, :, 0])
        models = read_targets(observations, targets)
        shadows = shadows_of(observations.member, models, self.protocol)

        def score(row: int) -> Float[np.ndarray, "record"]:
            shadow = shadows[row]
            inside = shadow.members(observations.member, self.name)
            return self._ratio(loss[models[row]], loss[shadow.model, shadow.records], inside)

        return np.stack(map_threads(score, range(len(models))))

    def _ratio(
        self,
        loss: Float[np.ndarray, "record"],
        shadow: Float[np.ndarray, "known"],
        member: Bool[np.ndarray, "known"],
    ) -> Float[np.ndarray, "record"]:
        """log N(loss; 0, s_in) - log N(loss; 0, s_out), the deviations of a shadow's losses."""
        inside, outside = (self._deviation(shadow[side]) for side in (member, ~member))
        return np.log(outside / inside) + np.square(loss) / 2 * (outside**-2 - inside**-2)

    def _deviation(self, loss: Float[np.ndarray, "record"]) -> float:
        deviation = loss.mean() if self.formula == "reference_code" else np.sqrt(np.square(loss).mean())
        return max(float(deviation), FLOOR)
