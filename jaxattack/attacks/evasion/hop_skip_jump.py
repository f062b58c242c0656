"""HopSkipJump: the nearest boundary of a victim from its labels alone (Chen, Jordan and Wainwright 2020).

`jaxattack.perturb.hop_skip_jump` has the steps. All records go through them side by side, so that a victim is asked in a few
large batches; a model at hand is asked within one program, at every place of the plan. Distances are in shares of each feature's
range; categories of a table stay as they are.

Where noise does not lead out of a record's class, as on a victim that labels all noise alike, the last start that is tried is
the nearest of the other records that the victim labels otherwise: its answer to them is known anyway.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.evasion.outcome import fools, labels_and_right, outcome, still_fools, take_records
from jaxattack.attacks.evasion.shares import bounds_of, keys_of, nearest_others, share_of, units_of
from jaxattack.perturb.box import Box, box_of
from jaxattack.perturb.hop_skip_jump import Plan, Region, Rounds, Search, plan, rounds, traced
from jaxattack.perturb.norms import Norm
from jaxattack.types import (
    EVERY_LEVEL,
    BudgetSpent,
    Evasion,
    Inputs,
    Ledger,
    Model,
    Oracle,
    Progress,
    Variables,
    WhiteBox,
    at_least,
    config,
)


@config
class HopSkipJump:
    """The nearest boundary, by labels.

    Attributes:
        queries: of each record, at most; a record needs fewer where its first starts and steps are good. What they buy is told
            in `jaxattack.perturb.hop_skip_jump.plan`.
        norm: of distances.

    Raises:
        InputError: queries below 1; when it is called, too few for one iteration.
    """

    queries: int = 1000
    norm: Norm = "l2"

    name = "hopskipjump"
    paper = "Chen et al. 2020"
    white_box = False
    levels = EVERY_LEVEL
    surrogate = False

    def __post_init__(self) -> None:
        at_least(1, queries=self.queries)

    def __call__(
        self,
        victim: Oracle | WhiteBox,
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
        at_hand = isinstance(victim, WhiteBox)
        inputs, classes = (victim.inputs, victim.classes) if at_hand else (victim.access.inputs, victim.access.classes)
        x, y = take_records(inputs, classes, x, y)
        steps, before = plan(self.queries, x[0].size, self.norm), Ledger() if at_hand else victim.ledger
        label, right = labels_and_right(victim, x, y)
        rows = np.flatnonzero(right)
        questions, example, success, stopped = np.ones(len(x), int), x.copy(), ~right, ""
        first = questions.copy()
        if len(rows):
            other = share_of(nearest_others(x[rows], y[rows], x, label, inputs), inputs)
            keys, share = keys_of(seed, rows), share_of(x[rows], inputs)
            region = Region(*bounds_of(share, inputs), 1.0)
            if at_hand:
                own = jnp.asarray(y[rows], jnp.int32)
                search = _within(victim.model, steps, victim.variables, box_of(inputs), own, keys, share, region, other)
                count = np.full(len(rows), steps.queries - 1)
                if progress:
                    progress("questions", int(count.sum()), int(count.sum()))
            else:
                asking = _Asking(victim, x[rows], y[rows], inputs, progress, total=len(rows) * (steps.queries - 1))
                search, stopped = asking.run(rounds(keys, share, region, steps, other))
                count = asking.count
            example[rows] = units_of(np.asarray(search.point), x[rows], inputs)
            success[rows] = np.asarray(search.adversarial) & still_fools(victim, inputs, example[rows], y[rows])
            questions[rows] += count
            first[rows] += np.where(success[rows], np.asarray(search.first), count)
        return outcome(
            self.name, inputs, x, example, right=right, success=success, questions=questions, first=first,
            cost=Ledger() if at_hand else victim.ledger - before, stopped=stopped,
        )  # fmt: skip


@partial(jax.jit, static_argnames=("model", "steps"))
def _within(model: Model, steps: Plan, variables: Variables, box: Box, y, keys, share, region: Region, other) -> Search:
    """The search of a model at hand."""
    low, span = jnp.asarray(box[0])[None], jnp.asarray(box[2])[None]

    def outside(points, _):
        return model.apply(variables, low + span * points).argmax(axis=1) != y

    return traced(outside, keys, share, region, steps, other)


class _Asking:
    """Records on the way to a victim: counted, and in the units that it documents."""

    def __init__(
        self, victim: Oracle, x: np.ndarray, y: np.ndarray, inputs: Inputs, progress: Progress | None, total: int
    ):
        self._victim, self._x, self._y, self._inputs = victim, x, y, inputs
        self._progress, self._total = progress, total
        self.count = np.zeros(len(x), int)

    def run(self, asking: Rounds) -> tuple[Search, str]:
        """The search, and why it stopped before its end; empty where it did not."""
        answer = None
        while True:
            try:
                batch = asking.send(answer)  # pyright: ignore[reportArgumentType] (a generator is started with None)
            except StopIteration as end:
                return end.value, ""
            try:
                points = units_of(batch.points, self._x[batch.record], self._inputs)
                reply = self._victim(points)
            except BudgetSpent as spent:
                return batch.search, f"the budget ended before the search did: {spent}"
            answer = fools(self._victim, reply, self._y[batch.record])
            self.count += np.bincount(batch.record, minlength=len(self._x))
            if self._progress:
                self._progress("questions", int(self.count.sum()), self._total)
