"""A stolen model, the attacks that steal it through an oracle, and what says whether it is the victim's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.special import betaincinv

from jaxattack.error import InputError, Progress, at_least
from jaxattack.types.config import config
from jaxattack.types.model import Model, Variables
from jaxattack.types.oracle import Access, Answer, Ledger, Level, Oracle


class Snapshot(NamedTuple):
    """What had been stolen after so many queries.

    Attributes:
        queries: asked until then.
        answer: what the stolen model answers, as `Extraction.answer`.
    """

    queries: int
    answer: Callable[[np.ndarray], Answer]


Trial = Callable[[Oracle, int, np.random.Generator], Bool[np.ndarray, "trial"]]
"""Asks an oracle for at least so many comparisons, on inputs drawn by the generator; which of them disagree."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What an attack stole, before it is compared with its victim.

    Attributes:
        stolen: the model as the attack's family knows it (a tree, a network, a projection).
        answer: x["query *feature"] -> Answer, as the victim would give it without rounding.
        attack: the attack's name.
        parameters: named arrays; empty for what has none.
        model: a jaxattack Model for which ``Variables(parameters, {})`` are the variables; None for what is no network.
        cost: what was asked.
        stop: why the attack's own procedure stopped before its end, in one sentence; empty where it came to it.
        exact: whether its numbers are to be the victim's, and not its labels alone.
        trial: compares it with a victim, where it cannot answer inputs by itself; None where it can.
        snapshots: what was stolen on the way, by queries.
        notes: what else the attack found, name -> number or text (hidden size, leaves, hypotheses tried).
    """

    stolen: Any
    answer: Callable[[np.ndarray], Answer]
    attack: str = ""
    cost: Ledger = field(default_factory=Ledger)
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: Model | None = None
    stop: str = ""
    exact: bool = True
    trial: Trial | None = None
    snapshots: tuple[Snapshot, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the attack's procedure came to its end; that says nothing of how alike the two models are."""
        return not self.stop

    @property
    def variables(self) -> Variables:
        """The parameters as the model's variables."""
        return Variables(dict(self.parameters), {})


@config
class Verification:
    """How a stolen model is compared with its victim, on inputs that the attack did not ask.

    Attributes:
        trials: inputs to compare on; 0 for none, and then nothing is complete.
        minimum: trials without which nothing is complete: 100 bound the disagreement by 3%.
        share: of what is left of the oracle's budget that is reserved for this before the attack starts, at most: with a
            fifth the minimum is met from 500 queries on. An attack always gets those without which it cannot succeed.

    Raises:
        InputError: a value out of range.
    """

    trials: int = 500
    minimum: int = 100
    share: float = 0.2

    def __post_init__(self) -> None:
        at_least(0, trials=self.trials)
        at_least(1, minimum=self.minimum)
        if not 0 < self.share < 1:
            raise InputError(f"share is {self.share}: give a share of the budget between 0 and 1, such as 0.2.")


@dataclass(frozen=True)
class Tally:
    """A count of comparisons.

    Attributes:
        trials: inputs asked of both.
        disagreements: those that the two answered differently.
    """

    trials: int
    disagreements: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What comparing a stolen model with its victim gave.

    Attributes:
        tallies: by the kind of input: uniform, low, boundary, record, ...
        reason: why the stolen model is not verified, in one sentence; empty where it is.
        cost: what was asked for it.
    """

    tallies: Mapping[str, Tally] = field(default_factory=dict)
    reason: str = ""
    cost: Ledger = field(default_factory=Ledger)

    @property
    def trials(self) -> int:
        """Inputs asked of both."""
        return sum(tally.trials for tally in self.tallies.values())

    @property
    def disagreements(self) -> int:
        """Those that the two answered differently."""
        return sum(tally.disagreements for tally in self.tallies.values())

    @property
    def bound(self) -> float:
        """The upper end of the one-sided 95% interval (Clopper and Pearson 1934) of the share of disagreement.

        It is for inputs drawn as the trials were. Without a disagreement in n trials it is 1 - 0.05^(1/n), about 3/n.
        """
        count, wrong = self.trials, self.disagreements
        return 1.0 if wrong == count else float(betaincinv(wrong + 1, count - wrong, 0.95))


@dataclass(frozen=True, kw_only=True)
class Extraction(Draft):
    """A stolen model that was compared with its victim.

    Attributes:
        verdict: what comparing gave.
    """

    verdict: Verdict

    @property
    def attack_cost(self) -> Ledger:
        """What the attack itself asked, without the queries of the comparison."""
        return self.cost - self.verdict.cost

    @property
    def complete(self) -> bool:
        """Whether the attack came to its end, and the stolen model then disagreed with the victim in none of its trials."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why it is not complete, in one sentence; empty where it is."""
        return self.stop or self.verdict.reason


@runtime_checkable
class ExtractionAttack(Protocol):
    """An extraction attack: a frozen configuration that is called with an oracle.

    Attributes:
        name: its name in the registry and in reports.
        levels: the access levels that it can work with.
        pool: whether it needs records of the attacker's own.
    """

    @property
    def name(self) -> str: ...

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def pool(self) -> bool: ...

    def needs(self, access: Access) -> int:
        """The fewest queries with which it can succeed on such a victim."""
        ...

    def steal(
        self,
        oracle: Oracle,
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Draft:
        """Steal the model, and leave it to others whether it is the victim's.

        The same seed asks the same queries of the same victim, so that an attack that was killed is repeated from kept
        answers. A budget that ends early returns what was stolen until then, and says so in ``stop``.

        Args:
            oracle: counts the queries.
            seed: decides everything random.
            pool: records of the attacker's own, for the attacks that need them.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: an access level that it cannot work with, a missing pool, or a budget that ends before anything
                was learnt; the message says what is needed.
        """
        ...

    def __call__(
        self,
        oracle: Oracle,
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
        verification: Verification = Verification(),  # noqa: B008  frozen
    ) -> Extraction:
        """Steal the model, then compare it with the victim on inputs that were not asked before.

        Args:
            oracle: counts the queries, those of the comparison too; a part of its budget is reserved for them.
            seed: decides everything random.
            pool: records of the attacker's own: for the attacks that need them, and to compare on, whatever the attack.
            progress: called with what is being done, how much of it, and of how much.
            verification: how the two are compared.

        Raises:
            InputError: as `steal`.
        """
        ...
