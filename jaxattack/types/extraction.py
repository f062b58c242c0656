"""A stolen model, and the attacks that steal it through an oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from jaxattack.types.error import Progress
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


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """A stolen model.

    Attributes:
        attack: the attack's name.
        stolen: the model as the attack's family knows it (a tree, a network, a projection).
        answer: x["query *feature"] -> Answer, as the victim would give it without rounding.
        parameters: named arrays; empty for what has none.
        model: a jaxattack Model for which ``Variables(parameters, {})`` are the variables; None for what is no network.
        cost: what this attack asked.
        complete: whether the attack finished; False for the best so far.
        reason: why not, in one sentence; empty when complete.
        snapshots: what was stolen on the way, by queries.
        notes: what else the attack found, name -> number or text (hidden size, leaves, hypotheses tried).
    """

    attack: str
    stolen: Any
    answer: Callable[[np.ndarray], Answer]
    cost: Ledger
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: Model | None = None
    complete: bool = True
    reason: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variables(self) -> Variables:
        """The parameters as the model's variables."""
        return Variables(dict(self.parameters), {})


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

    def __call__(
        self,
        oracle: Oracle,
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Extraction:
        """Steal the model.

        The same seed asks the same queries of the same victim, so that an attack that was killed is repeated from kept
        answers. A budget that ends early returns what was stolen until then, with ``complete`` False.

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
