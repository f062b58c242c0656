"""What the findings of every audit of one victim say: the victim and its terms, and how a stolen model was verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxattack.types import Level, Precision, Tally


@dataclass(frozen=True, kw_only=True)
class TargetFindings:
    """A victim and the terms on which it was asked.

    Attributes:
        name: in a few words.
        level: label, probability or logit.
        classes: how many outputs it has; 1 for a regressor.
        features: numbers in a record.
        top: only the so many most likely classes were answered; 0 for all.
        decimals: of its answers; None where they were not rounded.
        precision: the arithmetic behind them.
        transport: how it was asked, in words.
    """

    name: str
    level: Level
    classes: int
    features: int
    top: int
    decimals: int | None
    precision: Precision
    transport: str


@dataclass(frozen=True, kw_only=True)
class VerificationFindings:
    """A stolen model compared with its victim on inputs that were not asked before.

    Attributes:
        trials: inputs asked of both.
        disagreements: those that the two answered differently.
        bound: the upper end of the one-sided 95% interval of the share of disagreement (`jaxattack.types.Verdict`).
        places: the counts by the kind of input.
    """

    trials: int
    disagreements: int
    bound: float
    places: Mapping[str, Tally]


@dataclass(frozen=True, kw_only=True)
class StolenFindings:
    """The model that was stolen first, and on which an attack went on.

    Attributes:
        attack: that stole it.
        converged: whether its own procedure came to its end.
        complete: whether it is verified too.
        reason: why not, in one sentence; empty where it is.
        verification: on fresh inputs.
        queries: all that it took.
        price: of them, in dollars.
    """

    attack: str
    converged: bool
    complete: bool
    reason: str
    verification: VerificationFindings
    queries: int
    price: float
