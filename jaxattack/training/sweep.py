"""What a sweep trains and keeps: everything that decides its results, but for the records and the members."""

from __future__ import annotations

from dataclasses import dataclass

from jaxattack.signals import ALWAYS, as_signal
from jaxattack.training.images import Queries
from jaxattack.training.learners import as_learner
from jaxattack.training.recipe import Recipe
from jaxattack.types import (
    Defence,
    InputError,
    Learner,
    Model,
    Signal,
    afterwards,
    at_least,
    reserving,
)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is trained and what is kept: everything that decides the results, but for the records and the members.

    Attributes:
        model: the architecture.
        recipe: how each is trained; a recipe alone is `jaxattack.training.learners.Standard` with it.
        queries: the views that each is asked about.
        signals: what is kept of the answers; ``phi`` and ``correct`` always are, where defended answers allow them.
        columns: which columns of a table each model puts on the scale of its own members
            (`jaxattack.models.standardise`); none where empty.
        defences: before the answers, the first nearest to the model; answers are confidences then, else raw outputs.
        reserve: how many of the last records are the defender's, members of no model, for a `Reserving` learner or a
            `ReservingDefence`; without either they are nobody's, as in the undefended twin of such a sweep.
        seed: the run's key.

    Raises:
        InputError: an unknown signal, a seed out of range, a model that the learner cannot train, or no reserve for a learner
            or a defence that needs one.
    """

    model: Model
    recipe: Recipe | Learner
    queries: Queries = Queries()
    signals: tuple[Signal, ...] = ()
    columns: tuple[bool, ...] = ()
    defences: tuple[Defence, ...] = ()
    reserve: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        self.learner.check(self.model)
        at_least(0, reserve=self.reserve)
        for part in reserving(self.learner, self.defences)[: 1 if self.reserve < 1 else 0]:
            raise InputError(f"reserve is 0 and {type(part).__name__} needs records set aside: mend the number.")
        by_name = {signal.name: signal for signal in map(as_signal, (*ALWAYS, *self.signals))}
        for signal in by_name.values():
            if afterwards(signal):
                raise InputError(
                    f"signal is {signal.name!r}, which is read of models when they are trained, not on the way: ask kept models for it."
                )
        object.__setattr__(self, "signals", tuple(by_name.values()))

    @property
    def learner(self) -> Learner:
        """How each learns."""
        return as_learner(self.recipe)


def check_seed(seed: int) -> None:
    """Refuse a seed that JAX would cut to 32 bits, or that is negative.

    Raises:
        InputError: it is outside 0 to 4294967295.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}: give 0 to {2**32 - 1}.")
