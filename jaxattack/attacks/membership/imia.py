"""IMIA (Du et al. 2026, USENIX Security): models out of a record that imitate the target, beside ordinary ones in.

How the target would answer a record that it was not trained on, is what models say that imitate the target on other records
(`jaxattack.signals.Imitation`); how it would answer one that it was trained on, ordinary references say. With the means of phi

    score = (out - phi)^2 - (in - phi)^2,    0 where in < out

the likelihood ratio of Gaussians of one variance, which is left out. The authors set the score to 0 where the means are the wrong
way round; records that are tie there, at the score of no evidence.

After the authors' code, adaptive: imitators and references are trained on the records that are asked about. They take the first
10 references in, and their 10 imitators are called the attack's models; here every model trained counts. Their second
form, for records that nothing was trained on, fine-tunes imitators on the records of lowest loss and is not built. No figure of
this is one of theirs. On digits it finds 3.30% of the members at 1% false positives where four imitators and four references
are trained, and LiRA 3.83% with eight references; on Location-30 73.7 and 73.2%, and with 16 models 78.4 and 75.1%
(`scripts/few_models.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.moments import centred_powers, moments
from jaxattack.attacks.membership.observed import read_targets, read_values, require_models, require_references
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, choose_references
from jaxattack.signals import Imitation
from jaxattack.threads import map_threads, record_blocks
from jaxattack.types import Needs, Observations, Signal, config


@config
class IMIA:
    """Squared distances to the mean of imitators without the record, and of references with it.

    Attributes:
        imitators: trained for each target, as `jaxattack.signals.Imitation` has it.
        warmup: the share of their passes before they imitate.
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown protocol, or a value out of range.
    """

    name = "imia"
    paper = "Du et al. 2026, USENIX Security"
    family = "lira"
    references = True

    imitators: int = 10
    warmup: float = 0.8
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        self._signal()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Phi of imitators and of the model itself."""
        return (self._signal(),)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """A reference with the record."""
        return Needs(sides={"in": 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Differences of squared distances, in squares of phi, of every record for each target.

        Raises:
            TooFewReferences: fewer than three models, or a record of no reference.
            InputError: a signal NaN or infinite.
        """
        require_models(observations, self.name)
        values = read_values(observations, self._signal())
        models = read_targets(observations, targets)
        references = choose_references(observations.member, models, self.protocol)
        inside = require_references(observations.member, references, self.needs(len(values)), self.name)["in"]
        phi = values[..., -1]
        blocks = record_blocks(*phi.shape)
        scores = np.empty((len(models), phi.shape[1]))

        def score_block(block: slice) -> None:
            part = references.of(block)
            powers = centred_powers(phi[:, block], part)
            outside = values[models, block, :, :-1].astype(np.float64).mean(axis=-1) - powers.centre
            mean = moments(powers, {"in": inside[:, block]}, part)["in"].mean
            scores[:, block] = distances(powers.first[models], mean, outside).mean(axis=2)

        map_threads(score_block, blocks)
        return scores

    def _signal(self) -> Imitation:
        return Imitation(imitators=self.imitators, warmup=self.warmup)


def distances(
    phi: Float[np.ndarray, "*shape"], inside: Float[np.ndarray, "*shape"], outside: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """How much farther phi is from the mean of models out than from that of models in, in squares; 0 where in is below out."""
    return np.where(inside < outside, 0.0, (outside - phi) ** 2 - (inside - phi) ** 2)
