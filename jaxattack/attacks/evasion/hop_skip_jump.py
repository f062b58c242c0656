"""HopSkipJump: the nearest boundary of a victim from its labels alone (Chen, Jordan and Wainwright 2020).

`jaxattack.perturb.hop_skip_jump` has the steps. All records go through them side by side, so that a victim is asked in a few
large batches. Distances are 2-norms in shares of each feature's range; categories of a table stay as they are.

Where noise does not lead out of a record's class, as on a victim that labels all noise alike, the last start that is tried is
the nearest of the other records that the victim labels otherwise: its answer to them is known anyway.
"""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float, Int, Key, Shaped

from jaxattack.attacks.evasion.outcome import outcome, take_records
from jaxattack.attacks.evasion.shares import bounds_of, keys_of, nearest_others, share_of, units_of
from jaxattack.perturb.hop_skip_jump import Plan, Region, Search, plan, rounds
from jaxattack.types import EVERY_LEVEL, BudgetSpent, Evasion, Oracle, Progress, WhiteBox, at_least, config


@config
class HopSkipJump:
    """The nearest boundary, by labels.

    Attributes:
        queries: of each record, at most; a record needs fewer where its first starts and steps are good. What they buy is told
            in `jaxattack.perturb.hop_skip_jump.plan`.

    Raises:
        InputError: queries below 1; when it is called, too few for one iteration.
    """

    queries: int = 1000

    name = "hopskipjump"
    paper = "Chen et al. 2020"
    white_box = False
    levels = EVERY_LEVEL
    surrogate = False

    def __post_init__(self) -> None:
        at_least(1, queries=self.queries)

    def __call__(
        self,
        victim: Oracle,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,  # noqa: ARG002 (labels are enough)
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`; a budget that ends on the way leaves the best until then.

        Raises:
            InputError: too few queries for records of so many features, too.
            BudgetSpent: the victim does not answer as many queries as there are records.
        """
        inputs = victim.access.inputs
        x, y = take_records(inputs, victim.access.classes, x, y)
        steps, before = plan(self.queries, x[0].size), victim.ledger
        label = np.asarray(victim(x).label)
        right = label == y
        rows = np.flatnonzero(right)
        questions, example, success, stopped = np.ones(len(x), int), x.copy(), ~right, ""
        first = questions.copy()
        if len(rows):
            asking = _Asking(victim, x[rows], y[rows], progress, total=len(rows) * (steps.queries - 1))
            other = nearest_others(x[rows], y[rows], x, label, inputs)
            search, stopped = asking.run(keys_of(seed, rows), steps, share_of(other, inputs))
            example[rows] = units_of(np.asarray(search.point), x[rows], inputs)
            success[rows] = np.asarray(search.adversarial)
            questions[rows] += asking.count
            first[rows] += np.where(success[rows], asking.first, asking.count)
        return outcome(
            self.name, inputs, x, example, right=right, success=success, questions=questions, first=first,
            cost=victim.ledger - before, stopped=stopped,
        )  # fmt: skip


class _Asking:
    """Records on the way to a victim: counted, and in the units that it documents."""

    def __init__(self, victim: Oracle, x: np.ndarray, y: np.ndarray, progress: Progress | None, total: int):
        self._victim, self._x, self._y = victim, x, y
        self._progress, self._total = progress, total
        self.count, self.first = (np.zeros(len(x), int) for _ in range(2))

    def run(
        self, keys: Key[jax.Array, "record"], steps: Plan, other: Float[jax.Array, "record *feature"]
    ) -> tuple[Search, str]:
        """The search, and why it stopped before its end; empty where it did not."""
        inputs = self._victim.access.inputs
        share = share_of(self._x, inputs)
        asking, answer = rounds(keys, share, Region(*bounds_of(share, inputs), 1.0), steps, other), None
        while True:
            try:
                batch = asking.send(answer)  # pyright: ignore[reportArgumentType] (a generator is started with None)
            except StopIteration as end:
                return end.value, ""
            try:
                label = np.asarray(self._victim(units_of(batch.points, self._x[batch.record], inputs)).label)
            except BudgetSpent as spent:
                return batch.search, f"the budget ended before the search did: {spent}"
            answer = label != self._y[batch.record]
            self.count += np.bincount(batch.record, minlength=len(self._x))
            outside = np.bincount(batch.record, answer, minlength=len(self._x)) > 0
            self.first = np.where(outside & (self.first == 0), self.count, self.first)
            if self._progress:
                self._progress("questions", int(self.count.sum()), self._total)
