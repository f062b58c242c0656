"""The likelihood-ratio attack (LiRA; Carlini et al. 2022, arXiv 2112.03570).

For each record and query the logit-scaled confidence phi is modelled over reference models that were trained on the
record (in) and that were not (out). The score of a target's phi is

- online:  log p(phi; in) - log p(phi; out);
- offline: how unlikely it is that a model which was not answers as much, P(out <= phi), one-sided (the paper's equation 4).

Several queries of a record are joined as `jaxattack.attacks.membership.joining` says.

Every model is a target at once. Its references are those of `jaxattack.attacks.membership.references`; their moments come
from running sums, so that M x N scores cost about as much as N. Records go in blocks; beside the signal and the scores the
memory taken is some tens of megabytes a thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership import published
from jaxattack.attacks.membership.fits import Sides, block_of, fit
from jaxattack.attacks.membership.joining import RATIOS, TAILS, check_join
from jaxattack.attacks.membership.moments import centred_powers, moments
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.predictive import log_density
from jaxattack.attacks.membership.references import (
    PROTOCOLS,
    References,
    check_protocol,
    choose_references,
    shared_references,
)
from jaxattack.signals import Phi
from jaxattack.threads import CACHED_VALUES, map_threads, record_blocks
from jaxattack.types import InputError, Needs, Observations, Side, config

VARIANCES = ("auto", "record", "global", "bayes", "bayes-normal")
FORMULAS = ("paper", "reference_code")
RECORD_MODELS = 64  # the paper's rule: fewer models than this estimate a record's own variance too badly


@config
class LiRA:
    """The likelihood-ratio attack.

    Attributes:
        online: whether models trained on the record are among the references.
        variance: "record", "global" (pooled within records, in and out apart, per query), "bayes" (a Student-t between
            the two, see `jaxattack.attacks.membership.moments`) or "bayes-normal" (a Gaussian between them), or "auto":
            global below 64 models, record from there.
        formula: "paper", or "reference_code" for the arithmetic of the published code, its oddities included (see
            `jaxattack.attacks.membership.published`); there "global" is its fixed variance.
        join: how queries are joined: "mean" or "max", offline also "log-cdf" (the paper's text) or "log-sf"; "auto" is
            the mean online and the largest offline, where protocol is "leave-one-out" the paper's text.
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown choice, or bayes with reference_code.

    Example:
        >>> LiRA(online=False, variance="record").name
        'lira-offline-record'
    """

    signals = (Phi(),)
    family = "lira"
    references = True

    online: bool
    variance: str = "auto"
    formula: str = "paper"
    join: str = "auto"
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        if self.variance not in VARIANCES:
            raise InputError(f"variance is {self.variance!r}: choose from {', '.join(VARIANCES)}.")
        if self.formula not in FORMULAS:
            raise InputError(f"formula is {self.formula!r}: choose from {', '.join(FORMULAS)}.")
        check_join(self.join, RATIOS if self.online else TAILS, self.name)
        if self.formula == "reference_code" and self.join != "auto":
            raise InputError(f"join is {self.join!r}, and the reference code takes means: choose formula 'paper'.")
        if self.formula == "reference_code" and self.variance.startswith("bayes"):
            raise InputError(f"variance is {self.variance!r}, which the reference code lacks: choose formula 'paper'.")

    @property
    def name(self) -> str:
        """``lira-online`` or ``lira-offline``, then what differs from the defaults."""
        formula = "-reference" if self.formula == "reference_code" else ""
        variance = "" if self.variance == "auto" else f"-{self.variance}"
        return f"lira-{'online' if self.online else 'offline'}{formula}{variance}"

    @property
    def paper(self) -> str:
        """That which published this form."""
        return (
            "Brannvall 2026, arXiv 2603.11799"
            if self.variance.startswith("bayes")
            else "Carlini et al. 2022, arXiv 2112.03570"
        )

    def needs(self, models: int) -> Needs:
        """Two references a side where each record has its own variance; one otherwise, and two of some record."""
        least = 2 if self._variance(models) == "record" else 1
        sides: dict[Side, int] = {"in": least, "out": least} if self.online else {"out": least}
        return Needs(sides=sides, spread=self.formula == "paper", protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Args:
            observations: with ``phi``; any number of queries, the same for every model.
            targets: the models under attack; all by default.

        Returns:
            Log-likelihood ratios online, offline in the unit of ``join``: z or a log probability; finite.

        Raises:
            TooFewReferences: fewer than three models; records with too few references in (online) or out: two of each
                with variance "record", one otherwise, and two somewhere, so that there is a spread.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, Phi())
        models = read_targets(observations, targets)
        variance = self._variance(observations.models)
        references = choose_references(observations.member, models, self.protocol)
        sides = require_references(observations.member, references, self.needs(observations.models), self.name)
        if self.formula == "reference_code":
            return published.score(phi, sides, references, fix_variance=variance == "global")
        return scores(phi, sides, references, variance, self._join())

    def _join(self) -> str:
        if self.join != "auto":
            return self.join
        return "mean" if self.online else "max" if self.protocol == PROTOCOLS[0] else "log-cdf"

    def _variance(self, models: int) -> str:
        if self.variance != "auto":
            return self.variance
        return "record" if models >= RECORD_MODELS else "global"


def scores(
    phi: Float[np.ndarray, "model record query"], sides: Sides, references: References, variance: str, join: str
) -> Float[np.ndarray, "target record"]:
    """Of every record for each target: log-likelihood ratios where both sides are there, else tails of the one outside.

    Args:
        phi: the signal.
        sides: the models on each side of membership.
        references: of the targets.
        variance: of a record, as `LiRA` has it, but for "auto".
        join: how queries are joined.
    """
    once, twins = shared_references(references)
    fits = fit(phi, sides, once, variance, record_blocks(*phi.shape))
    targets = references.targets[twins]
    out = np.empty((len(references.targets), phi.shape[1]))

    def score_block(block: slice) -> None:
        part = once.of(block)
        powers = centred_powers(phi[:, block], part)
        some = moments(powers, block_of(sides, block), part)
        predictive = {side: fits[side](own).for_each() for side, own in some.items()}
        own = powers.first[targets]
        if "in" in predictive:
            ratio = log_density(own, predictive["in"])
            ratio -= log_density(own, predictive["out"])
            joined = RATIOS[join](ratio)
        else:
            joined = TAILS[join](own, predictive["out"])
        out[twins.ravel(), block] = joined.reshape(twins.size, -1)

    map_threads(score_block, record_blocks(*phi.shape, values=CACHED_VALUES))
    return out
