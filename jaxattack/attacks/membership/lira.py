"""The likelihood-ratio attack (LiRA; Carlini et al. 2022, arXiv 2112.03570).

For each record and query the logit-scaled confidence phi is modelled over reference models that were trained on the
record (in) and that were not (out). The score of a target's phi is

- online:  mean_a [log p(phi_a; in) - log p(phi_a; out)];
- offline: mean_a log P(out <= phi_a), one-sided (the paper's equation 4), from the models that were not.

Every model is a target at once: its references are all others, and their moments come from sums that leave it out, so
that M x N scores cost about as much as N. Records go in blocks; beside the signal and the scores the memory taken is
some tens of megabytes a thread.

A balanced member matrix tells a target's own membership through its absence: with exactly half of all models in, a
record that the target was trained on has one reference fewer in than out, and is fitted a little worse on that side.
Measured on independent Gaussian signals that carry no membership, complementary halves: the pooled AUC of the online
attack is .5 - b / M, with b = .45 (record), .2 (global) and .36 (bayes) at 8 models and .1 to .25 from 16 on, and the
true-positive rate at a low false-positive rate falls short in the same way; offline it is .5 within .0003. The bias is
against finding a leak (arXiv 2605.25819 reports one for it in the pipeline of the published code). For a target that
leaks nothing among references that leak (AUC over its records, six draws) it is within .005 of .5, but for bayes with
few models, whose sides differ in degrees of freedom: .553 at 4, .512 at 8, .501 at 16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership import published
from jaxattack.attacks.membership.leave_one_out import map_threads, record_blocks
from jaxattack.attacks.membership.moments import (
    Moments,
    PoolSums,
    fit_prior,
    from_pool,
    from_prior,
    from_record,
    leave_one_out_moments,
    pool_sums,
    pooled_variance,
)
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.predictive import Predictive, log_cdf, log_density
from jaxattack.types import InputError, Observations, Side

VARIANCES = ("auto", "record", "global", "bayes")
FORMULAS = ("paper", "reference_code")
RECORD_MODELS = 64  # the paper's rule: fewer models than this estimate a record's own variance too badly


@dataclass(frozen=True, kw_only=True)
class LiRA:
    """The likelihood-ratio attack.

    Attributes:
        online: whether models trained on the record are among the references.
        variance: "record", "global" (pooled within records, in and out apart, per query), "bayes" (a Student-t between
            the two, see `jaxattack.attacks.membership.moments`), or "auto": global below 64 models, record from there.
        formula: "paper", or "reference_code" for the arithmetic of the published code, its oddities included (see
            `jaxattack.attacks.membership.published`); there "global" is its fixed variance.

    Raises:
        InputError: an unknown choice, or bayes with reference_code.
    """

    signals = ("phi",)
    references = True

    online: bool
    variance: str = "auto"
    formula: str = "paper"

    def __post_init__(self) -> None:
        if self.variance not in VARIANCES:
            raise InputError(f"variance is {self.variance!r}: choose from {', '.join(VARIANCES)}.")
        if self.formula not in FORMULAS:
            raise InputError(f"formula is {self.formula!r}: choose from {', '.join(FORMULAS)}.")
        if self.formula == "reference_code" and self.variance == "bayes":
            raise InputError("variance is 'bayes', which the reference code lacks: choose formula 'paper'.")

    @property
    def name(self) -> str:
        """``lira-online`` or ``lira-offline``, then what differs from the defaults."""
        formula = "-reference" if self.formula == "reference_code" else ""
        variance = "" if self.variance == "auto" else f"-{self.variance}"
        return f"lira-{'online' if self.online else 'offline'}{formula}{variance}"

    def needs(self, models: int) -> Mapping[Side, int]:
        """Two references a side where each record has its own variance, one otherwise."""
        least = 2 if self._variance(models) == "record" else 1
        return {"in": least, "out": least} if self.online else {"out": least}

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Args:
            observations: with ``phi``; any number of queries, the same for every model.
            targets: the models under attack; all by default.

        Returns:
            Log-likelihood ratios online, log probabilities offline; finite.

        Raises:
            InputError: fewer than three models; phi NaN or infinite; records with too few references in (online) or
                out: two of each with variance "record", one otherwise.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, "phi")
        chosen = read_targets(observations, targets)
        variance = self._variance(observations.models)
        sides = {"in": observations.member} if self.online else {}
        sides["out"] = ~observations.member
        require_references(observations.member, chosen, self.needs(observations.models), self.name)
        if self.formula == "reference_code":
            return published.score(phi, sides, chosen, fix_variance=variance == "global")
        return _score(phi, sides, chosen, variance)

    def _variance(self, models: int) -> str:
        if self.variance != "auto":
            return self.variance
        return "record" if models >= RECORD_MODELS else "global"


Sides = dict[str, Bool[np.ndarray, "model record"]]
Fit = Callable[[Moments], Predictive]


def _score(
    phi: Float[np.ndarray, "model record query"], sides: Sides, targets: Int[np.ndarray, "target"], variance: str
) -> Float[np.ndarray, "target record"]:
    blocks = record_blocks(*phi.shape)
    fits = {side: _fit(phi, held, targets, variance, blocks) for side, held in sides.items()}
    out = np.empty((len(targets), phi.shape[1]))

    def score_block(block: slice) -> None:
        x, centre = _centred(phi, block)
        predictive = {
            side: fits[side](leave_one_out_moments(x, centre, held[:, block], targets)) for side, held in sides.items()
        }
        own = x[targets]
        if "in" in predictive:
            ratio = log_density(own, predictive["in"])
            ratio -= log_density(own, predictive["out"])
        else:
            ratio = log_cdf(own, predictive["out"])
        out[:, block] = ratio.mean(axis=2)

    map_threads(score_block, blocks)
    return out


def _fit(phi, held: Bool[np.ndarray, "model record"], targets, variance: str, blocks: list[slice]) -> Fit:
    """How moments become a predictive distribution, what the pool decides settled beforehand."""
    if variance == "record":
        return from_record
    sums = _pool(phi, held, targets, blocks)
    if not (sums.freedom > 0).all():
        raise InputError(
            "every record has a single reference on one side of membership, which leaves no spread to measure: "
            "observe more models."
        )
    if variance == "global":
        return partial(from_pool, variance=pooled_variance(sums))
    return partial(from_prior, prior=fit_prior(sums))


def _pool(phi, held, targets, blocks: list[slice]) -> PoolSums:
    def block_sums(block: slice) -> PoolSums:
        x, centre = _centred(phi, block)
        return pool_sums(leave_one_out_moments(x, centre, held[:, block], targets))

    parts = map_threads(block_sums, blocks)
    return PoolSums(*(np.sum(part, axis=0) for part in zip(*parts, strict=True)))


def _centred(phi, block: slice) -> tuple[Float[np.ndarray, "model record query"], Float[np.ndarray, "record query"]]:
    x = phi[:, block].astype(np.float64)
    centre = x.mean(axis=0)
    x -= centre
    return x, centre
