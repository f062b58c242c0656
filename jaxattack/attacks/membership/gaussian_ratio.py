"""BASE 1 to 4: one likelihood ratio of Gaussians, by how many numbers are fitted to each record (Brannvall 2026, arXiv 2603.11799).

A record's confidence is Gaussian over reference models, in the two worlds with the record and without it. What is not fitted
to the record is shared by all records of a target:

| | a record's own | shared | score of x |
| --- | --- | --- | --- |
| 1 | a centre | the gap d between the worlds, one variance | (x - (mean_in + mean_out) / 2) sign(d) / deviation |
| 2 | two means | a variance for each world | LiRA's with variance "global" |
| 3 | two means and one variance | nothing | (x - (mean_in + mean_out) / 2) (mean_in - mean_out) / variance |
| 4 | two means and two variances | nothing | LiRA's with variance "record" |

The likelihood ratio of 1 is |d| / deviation times that, one factor for all records of a target, which is left out. Where nothing
leaks d is noise of the references, and these are targets too: scaled by it, pooled scores have an AUC of .4966 (150 draws of
noise, 16 models, 200 records, standard error .001), and .4990 without.

The paper connects RMIA and LiRA so, which differ in the number of parameters and in the scale of a confidence p: RMIA's is log p
at temperature 2, LiRA's phi = log p - log(1 - p). On RMIA's scale 1 ranks a target's records as RMIA's log-ratio does where
references differ little. Which parameters 2 and 3 share was not readable and is this package's reading; no figure of it is one of
theirs. Its prior of the variances is LiRA's "bayes" and "bayes-normal".

With 8 references on digits (among 66 networks of 128 units, as `scripts/few_models.py` has them) these find, in percent of the members at 1% and at
0.1% false positives,

| scale | 1 | 2 | 3 | RMIA's log-ratio |
| --- | --- | --- | --- | --- |
| log p | 5.11 1.82 | 4.82 1.60 | 2.24 0.34 | 5.08 2.01 |
| phi | 2.34 0.34 | 3.82 1.39 | 2.69 0.55 | |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership import lira
from jaxattack.attacks.membership.fits import Sides, block_of, pool
from jaxattack.attacks.membership.joining import mean
from jaxattack.attacks.membership.moments import VARIANCE_FLOOR, Moments, centred_powers, moments
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.references import PROTOCOLS, References, check_protocol, choose_references
from jaxattack.signals import Phi, SoftmaxConfidence
from jaxattack.threads import map_threads, record_blocks
from jaxattack.types import Needs, Observations, Signal, config

SCALES: dict[str, Signal] = {"log": SoftmaxConfidence(temperature=2.0), "phi": Phi()}
"""What a Gaussian is of."""

Slope = Callable[[Moments, Moments], Float[np.ndarray, "target #record query"]]
"""By how much the score rises with a confidence, from the moments of either side."""


@config
class Base:
    """A likelihood ratio of Gaussians with so many parameters of each record.

    Attributes:
        parameters: 1 to 4, as the module has them.
        scale: "log" for RMIA's log p, "phi" for LiRA's; "auto" is RMIA's for 1, which is its end, and LiRA's for the others.
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown protocol, scale or number.
    """

    paper = "Brannvall 2026, arXiv 2603.11799"
    family = "base"
    references = True

    parameters: Literal[1, 2, 3, 4]
    scale: Literal["auto", "log", "phi"] = "auto"
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    @property
    def name(self) -> str:
        """``base-``, the number of parameters, and a scale that is not its own."""
        return f"base-{self.parameters}{'' if self.scale == 'auto' else f'-{self.scale}'}"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The confidence on its scale."""
        scale = ("log" if self.parameters == 1 else "phi") if self.scale == "auto" else self.scale
        return (SCALES[scale],)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """Two references a side where a record has a variance of its own; one otherwise, and two of some record."""
        least = 2 if self.parameters > 2 else 1
        return Needs(sides={"in": least, "out": least}, spread=True, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Log-likelihood ratios of every record for each target, of 1 as the module says, the mean over queries.

        Raises:
            TooFewReferences: fewer than three models, or than `needs` says.
            InputError: confidences NaN or infinite.
        """
        require_models(observations, self.name)
        x = read_signal(observations, self.signals[0])
        models = read_targets(observations, targets)
        references = choose_references(observations.member, models, self.protocol)
        sides = require_references(observations.member, references, self.needs(observations.models), self.name)
        if self.parameters in (2, 4):
            return lira.scores(x, sides, references, "global" if self.parameters == 2 else "record", "mean")
        return _lines(x, sides, references, self.parameters == 3)


def _lines(
    x: Float[np.ndarray, "model record query"], sides: Sides, references: References, own: bool
) -> Float[np.ndarray, "target record"]:
    """The line that a Gaussian in either world with one variance has for a likelihood ratio."""
    blocks = record_blocks(*x.shape)
    slope = _own_slope if own else _shared_slope(x, sides, references, blocks)
    out = np.empty((len(references.targets), x.shape[1]))

    def score_block(block: slice) -> None:
        part = references.of(block)
        powers = centred_powers(x[:, block], part)
        some = moments(powers, block_of(sides, block), part)
        inside, outside = some["in"], some["out"]
        centre = (inside.mean + outside.mean) / 2
        out[:, block] = mean((powers.first[part.targets] - centre) * slope(inside, outside))

    map_threads(score_block, blocks)
    return out


def _own_slope(inside: Moments, outside: Moments) -> Float[np.ndarray, "target record query"]:
    """Each record's own gap, over its variance in both worlds together."""
    variance = (inside.squares + outside.squares) / (inside.count + outside.count - 2)
    return (inside.mean - outside.mean) / np.maximum(variance, VARIANCE_FLOOR)


def _shared_slope(x, sides: Sides, references: References, blocks: list[slice]) -> Slope:
    """The sign of the mean gap of all records, over the deviation of all."""
    sums = pool(x, sides, references, blocks)
    inside, outside = sums["in"], sums["out"]
    gap = (inside.mean - outside.mean) / inside.records
    variance = (inside.squares + outside.squares) / (inside.freedom + outside.freedom)
    shared = np.sign(gap) / np.sqrt(np.maximum(variance, VARIANCE_FLOOR))
    return lambda *_: shared
