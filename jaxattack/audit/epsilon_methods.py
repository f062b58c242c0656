"""The bounds on epsilon that an audit knows, what is claimed by them, and which experiment allows which."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxattack.audit import coins
from jaxattack.metrics import epsilon as bounds
from jaxattack.metrics.epsilon import Bound
from jaxattack.types import InputError, config


class Method(NamedTuple):
    """A bound and the experiment it needs.

    Attributes:
        bound: of `jaxattack.metrics.epsilon`.
        runs: whether it counts runs; else coins.
        claim: what it refutes, in a word: dp, f-dp or gdp.
        losses: whether it needs independent losses, which only who made the canaries knows.
        fair: whether it needs fair coins.
    """

    bound: Callable[..., Bound]
    runs: bool
    claim: str
    losses: bool
    fair: bool


METHODS: dict[str, Method] = {
    "many_runs": Method(bounds.many_runs, True, "dp", False, False),
    "one_run": Method(bounds.one_run, False, "dp", False, True),
    "one_run_fdp": Method(bounds.one_run_fdp, False, "f-dp", False, True),
    "many_runs_gdp": Method(bounds.many_runs_gdp, True, "gdp", False, False),
    "one_run_gdp": Method(bounds.one_run_gdp, False, "gdp", True, True),
    "gaussian": Method(bounds.gaussian, False, "gdp", True, False),
}
CLAIMS = ("dp", "f-dp", "gdp")  # from the one that says most of a mechanism


@config
class EpsilonAudit:
    """What is claimed of an experiment, and at which confidence.

    Attributes:
        delta: of the claim, 0 to 1.
        alpha: chance of a bound above the truth, 0 to 1.
        declare: the bound of the headline, named before the scores are known; by default the largest bound on
            (epsilon, delta), corrected for how many were tried.
        coins_independent: each canary was put in or out by a fair coin of its own. Scores whose coins look balanced are else
            refused by the bounds of one run.
        losses_independent: the canaries' privacy losses are independent, as of gradient canaries in orthogonal directions:
            allows one_run_gdp and gaussian.
        upper: an upper bound on epsilon from elsewhere, to compare with.

    Raises:
        InputError: a value out of range, an unknown bound, or a declared one that needs losses_independent.
    """

    delta: float = 1e-5
    alpha: float = 0.05
    declare: str | None = None
    coins_independent: bool = False
    losses_independent: bool = False
    upper: float | None = None

    def __post_init__(self) -> None:
        for name in ("delta", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give a number between 0 and 1.")
        if self.upper is not None and not self.upper >= 0:
            raise InputError(f"upper is {self.upper}: give an epsilon of at least 0.")
        if self.declare is not None and self.declare not in METHODS:
            raise InputError(f"declare is {self.declare!r:.60}: give one of {', '.join(METHODS)}.")
        if self.declare is not None and METHODS[self.declare].losses and not self.losses_independent:
            raise InputError(
                f"declare is {self.declare}, which needs independent losses: declare losses_independent too."
            )


def refusal(member: Bool[np.ndarray, "model canary"], method: Method, audit: EpsilonAudit) -> str | None:
    """Why an experiment does not allow a bound, in a sentence; None where it does."""
    if method.losses and not audit.losses_independent:
        return (
            "It needs canaries whose losses are independent, which scores cannot show: declare it where canaries are gradients "
            "in orthogonal directions."
        )
    tied = coins.tied_canaries(member)
    if tied:
        return f"{tied[0].upper()}{tied[1:]}: a bound for one record would be of a group."
    return _refusal_of_runs(member, audit) if method.runs else _refusal_of_coins(member, method, audit)


def _refusal_of_runs(member: np.ndarray, audit: EpsilonAudit) -> str | None:
    runs = independent_runs(member)
    least = _fewest_runs(audit.alpha)
    if len(runs) < least:
        return (
            f"Independent runs: {len(runs):,}. With fewer than {least:,} a canary that is always told right would show "
            "nothing."
        )
    return None


def _refusal_of_coins(member: np.ndarray, method: Method, audit: EpsilonAudit) -> str | None:
    tied = coins.balanced(member, audit.coins_independent)
    if tied:
        return (
            f"Each run has {tied} canaries in: coins of one run are then tied, and where exactly one of each pair is in, this "
            "bound reads 1.86 for a true 1. Flip a coin for each canary (poisson:0.5), and declare coins_independent."
        )
    across = coins.balanced(member.T, audit.coins_independent)
    if across:
        return (
            f"Each canary is in {across} runs: its coins are tied over the runs. Flip a coin for each canary and run."
        )
    pair = coins.tied_runs(member)
    if pair:
        return f"{pair[0].upper()}{pair[1:]}: each would be counted twice. Flip a coin for each canary and run."
    why = coins.unfair(member) if method.fair else None
    return None if why is None else f"{why[0].upper()}{why[1:]}."


def _fewest_runs(alpha: float) -> int:
    """Half of the runs are counted, half of those on each side: so many that no error leaves both rates below a half."""
    side = 1
    while bounds.upper_rate(0, side, alpha / 2) >= 0.5:
        side += 1
    return 4 * side


def independent_runs(member: np.ndarray) -> np.ndarray:
    """All runs; of complementary pairs one each."""
    return np.arange(0, len(member), 2 if coins.complementary(member) else 1)
