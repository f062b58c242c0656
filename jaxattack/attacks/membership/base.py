"""BASE 1 to 4: one likelihood ratio of Gaussians, by how many numbers are fitted to each record (Brannvall 2026, arXiv 2603.11799).

phi of a record is Gaussian over reference models, in the two worlds with the record and without it. What is not fitted to the
record is shared by all records of a target:

| | a record's own | shared | score |
| --- | --- | --- | --- |
| 1 | a centre | the gap d between the worlds, one variance | (phi - (mean_in + mean_out) / 2) d / variance |
| 2 | two means | a variance for each world | LiRA with variance "global" |
| 3 | two means and one variance | nothing | (phi - (mean_in + mean_out) / 2) (mean_in - mean_out) / variance |
| 4 | two means and two variances | nothing | LiRA with variance "record" |

The paper connects RMIA and LiRA so, by the number of parameters for each record. 1 ranks records as RMIA's log-ratio does where
references differ little, confidences being divided by one number a record. Which parameters 2 and 3 share was not readable in the
paper and is this package's reading; no figure of it is one of theirs. What it adds at few models, a prior of the variances, is
LiRA with variance "bayes" or "bayes-normal".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.fits import Sides, pool
from jaxattack.attacks.membership.joining import mean
from jaxattack.attacks.membership.leave_one_out import map_threads, record_blocks
from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.moments import VARIANCE_FLOOR, Moments, centred_powers, moments
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.references import PROTOCOLS, References, check_protocol, choose_references
from jaxattack.signals import Phi
from jaxattack.types import Needs, Observations, config

Slope = Callable[[Moments, Moments], Float[np.ndarray, "target #record query"]]
"""By how much the score rises with phi, from the moments of either side."""


@config
class Base:
    """A likelihood ratio of Gaussians with so many parameters of each record.

    Attributes:
        parameters: 1 to 4, as the module has them.
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown protocol or number.
    """

    paper = "Brannvall 2026, arXiv 2603.11799"
    signals = (Phi(),)
    references = True

    parameters: Literal[1, 2, 3, 4]
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    @property
    def name(self) -> str:
        """``base-`` and the number of parameters."""
        return f"base-{self.parameters}"

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """Two references a side where a record has a variance of its own; one otherwise, and two of some record."""
        least = 2 if self.parameters > 2 else 1
        return Needs(sides={"in": least, "out": least}, spread=True, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Log-likelihood ratios of every record for each target, the mean over queries.

        Raises:
            TooFewReferences: fewer than three models, or than `needs` says.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, Phi())
        models = read_targets(observations, targets)
        references = choose_references(observations.member, models, self.protocol)
        sides = require_references(observations.member, references, self.needs(observations.models), self.name)
        if self.parameters in (2, 4):
            variance = "global" if self.parameters == 2 else "record"
            return LiRA(online=True, variance=variance, protocol=self.protocol)(observations, targets)
        return _score(phi, sides, references, self.parameters == 3)


def _score(
    phi: Float[np.ndarray, "model record query"], sides: Sides, references: References, own: bool
) -> Float[np.ndarray, "target record"]:
    """The line of phi that a Gaussian in either world with one variance has for a likelihood ratio."""
    blocks = record_blocks(*phi.shape)
    slope = _own_slope if own else _shared_slope(phi, sides, references, blocks)
    out = np.empty((len(references.targets), phi.shape[1]))

    def score_block(block: slice) -> None:
        part = references.of(block)
        powers = centred_powers(phi[:, block], part)
        inside, outside = (moments(powers, sides[side][:, block], part) for side in ("in", "out"))
        centre = (inside.mean + outside.mean) / 2
        out[:, block] = mean((powers.first[part.targets] - centre) * slope(inside, outside))

    map_threads(score_block, blocks)
    return out


def _own_slope(inside: Moments, outside: Moments) -> Float[np.ndarray, "target record query"]:
    """Each record's own gap, over its variance in both worlds together."""
    variance = (inside.squares + outside.squares) / (inside.count + outside.count - 2)
    return (inside.mean - outside.mean) / np.maximum(variance, VARIANCE_FLOOR)


def _shared_slope(phi, sides: Sides, references: References, blocks: list[slice]) -> Slope:
    """The mean gap of all records, over the variance of all."""
    inside, outside = (pool(phi, sides[side], references, blocks) for side in ("in", "out"))
    gap = (inside.mean - outside.mean) / inside.records
    variance = (inside.squares + outside.squares) / (inside.freedom + outside.freedom)
    shared = gap / np.maximum(variance, VARIANCE_FLOOR)
    return lambda *_: shared
