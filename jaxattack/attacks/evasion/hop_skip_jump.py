"""HopSkipJump: the nearest boundary of a victim from its labels alone (Chen, Jordan and Wainwright 2020).

`jaxattack.perturb.hop_skip_jump` has the steps. All records go through them side by side, so that a victim is asked in a few
large batches. Distances are 2-norms in shares of each feature's range; categories of a table stay as they are.

Where noise does not lead out of a record's class, as on a victim that labels all noise alike, the last start that is tried is
the nearest of the other records that the victim labels otherwise: its answer to them is known anyway.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key, Shaped

from jaxattack.attacks.evasion.outcome import outcome, take_records
from jaxattack.perturb.box import span_of
from jaxattack.perturb.hop_skip_jump import Plan, Region, Search, plan, rounds
from jaxattack.types import EVERY_LEVEL, BudgetSpent, Evasion, Inputs, Oracle, Progress, WhiteBox, at_least, config


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
        if len(rows):
            asking = _Asking(victim, x[rows], y[rows], progress, total=len(rows) * (steps.queries - 1))
            other = _nearest_others(x[rows], y[rows], x, label, inputs)
            search, stopped = asking.run(_keys(seed, rows), steps, other)
            example[rows] = asking.units(np.arange(len(rows)), np.asarray(search.point))
            success[rows] = np.asarray(search.adversarial)
            questions[rows] += asking.count
        return outcome(
            self.name, inputs, x, example, right=right, success=success, questions=questions,
            cost=victim.ledger - before, stopped=stopped,
        )  # fmt: skip


def _keys(seed: int, records: Int[np.ndarray, "record"]) -> Key[jax.Array, "record"]:
    return jax.vmap(lambda record: jax.random.fold_in(jax.random.key(seed), record))(jnp.asarray(records))


class _Asking:
    """Records on the way to a victim: counted, and in the units that it documents."""

    def __init__(self, victim: Oracle, x: np.ndarray, y: np.ndarray, progress: Progress | None, total: int):
        self._victim, self._x, self._y = victim, x, y
        self._progress, self._total = progress, total
        self.count = np.zeros(len(x), int)

    def run(
        self, keys: Key[jax.Array, "record"], steps: Plan, other: Float[np.ndarray, "record *feature"]
    ) -> tuple[Search, str]:
        """The search, and why it stopped before its end; empty where it did not."""
        share, region = _shares(self._x, self._victim.access.inputs)
        asking, answer = rounds(keys, share, region, steps, _share(other, self._victim.access.inputs)), None
        while True:
            try:
                batch = asking.send(answer)  # pyright: ignore[reportArgumentType] (a generator is started with None)
            except StopIteration as end:
                return end.value, ""
            try:
                label = np.asarray(self._victim(self.units(batch.record, batch.points)).label)
            except BudgetSpent as spent:
                return batch.search, f"the budget ended before the search did: {spent}"
            answer = label != self._y[batch.record]
            self.count += np.bincount(batch.record, minlength=len(self._x))
            if self._progress:
                self._progress("questions", int(self.count.sum()), self._total)

    def units(
        self, record: Int[np.ndarray, "query"], share: Float[np.ndarray, "query *feature"]
    ) -> Float[np.ndarray, "query *feature"]:
        """Points in the units of the victim, categories as their records have them."""
        inputs = self._victim.access.inputs
        points = np.clip(inputs.low + share.astype(np.float64) * span_of(inputs), inputs.low, inputs.high)
        return np.where(inputs.categories > 0, self._x[record], points)


def _nearest_others(
    x: np.ndarray, y: np.ndarray, others: np.ndarray, label: np.ndarray, inputs: Inputs
) -> Float[np.ndarray, "record *feature"]:
    """For each record the nearest that the victim labels otherwise; the record itself where there is none."""
    share, others_share = (np.asarray(_share(each, inputs)).reshape(len(each), -1) for each in (x, others))
    nearest = x.copy()
    for own in np.unique(y):
        rows, apart = np.flatnonzero(y == own), np.flatnonzero(label != own)
        if len(apart):
            far = (others_share[apart] ** 2).sum(axis=1)[None] - 2 * share[rows] @ others_share[apart].T
            nearest[rows] = others[apart[far.argmin(axis=1)]]
    return nearest


def _share(x: np.ndarray, inputs: Inputs) -> jax.Array:
    return jnp.asarray(((x - inputs.low) / span_of(inputs)).astype(np.float32))


def _shares(x: np.ndarray, inputs: Inputs) -> tuple[jax.Array, Region]:
    """Records as shares of the range, and where points may lie."""
    share = _share(x, inputs)
    fixed = inputs.categories > 0
    low = np.where(fixed, share, np.float32(0))
    high = np.where(fixed, share, ((inputs.high - inputs.low) / span_of(inputs)).astype(np.float32))
    return share, Region(jnp.asarray(low), jnp.asarray(high), 1.0)
