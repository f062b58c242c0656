"""Rounds of asking and training: what retraining, augmentation, active learning and Knockoff Nets share.

An attack's ``queries`` are a generator that yields inputs to ask, batch by batch, and is resumed when they are answered.
Where what was asked reaches a number of its ``plan``, a substitute is trained on all of it.

`grid` runs one attack with many budgets and seeds in lockstep: a round is one call, and its substitutes are trained by one
program (`fitting`).
A member depends on its budget, its seed and its answers alone, but for rounding. Where the oracle's budget ends early, what
is left of it is asked, and what was learnt is returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.extraction.asking import as_read, ask_most, require, too_small
from jaxattack.attacks.extraction.fitting import fit
from jaxattack.attacks.extraction.substitute import Stolen, targets
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.training import check_seed
from jaxattack.types import (
    EVERY_LEVEL,
    Access,
    BudgetSpent,
    Draft,
    InputError,
    Ledger,
    Oracle,
    Progress,
    Snapshot,
)


class Campaign(Attack, ABC):
    """An attack in rounds.

    A subclass is a configuration with a ``budget`` and a ``substitute`` that is trained, perhaps on confidences where they are
    answered (``soft``).
    """

    levels = EVERY_LEVEL
    pool = True
    soft = False

    @abstractmethod
    def plan(self, access: Access, /) -> list[int]:
        """How many queries each round has."""

    @abstractmethod
    def queries(self, member: Member) -> Iterator[Float[np.ndarray, "query *feature"]]:
        """The inputs to ask, a round or a part of one at a time."""

    @property
    def records(self: Any) -> int:
        """How many records a pool has to hold: as many as are asked, of an attack that asks nothing else."""
        return self.budget if self.pool else 0

    def run(self, theft: Theft) -> Draft:
        """Run it alone."""
        return _campaign([(self, theft.seed)], theft.oracle, theft.pool, theft.report)[0]


class Member:
    """One budget and seed on its way.

    Attributes:
        own: records of the attacker's own.
        x: everything asked, in order; ``label`` is what it was answered, ``target`` the same as distributions.
        stolen: the last substitute; None before there was one.
        reason: why asking ended early.
    """

    def __init__(self, attack: Any, seed: int, access: Access, own: Float[np.ndarray, "record *feature"]) -> None:
        self.attack, self.seed, self.access, self.own = attack, seed, access, own
        self.x = np.zeros((0, *access.inputs.shape))
        self.label, self.target = np.zeros(0, np.int64), np.zeros((0, access.classes))
        self.rng, self.cost, self.reason = np.random.default_rng(seed), Ledger(), ""
        self.stolen: Stolen | None = None
        self.snapshots: list[Snapshot] = []
        self.batches, self.ends = attack.queries(self), np.cumsum(attack.plan(access))

    @property
    def untrained(self) -> bool:
        """Whether a round has ended, or all asking, and nothing was trained on its answers."""
        trained = self.snapshots[-1].queries if self.snapshots else 0
        return len(self.x) > trained and bool(self.reason or len(self.x) in self.ends)


def _ask(members: Sequence[Member], oracle: Oracle) -> None:
    """Ask the next batch of each, all in one call, or what the oracle's budget leaves of them.

    A member's cost is that of its queries; a call counts for all that took part in it.
    """
    batches = [as_read(oracle.access.inputs, next(member.batches)) for member in members]
    before, start = oracle.ledger, 0
    answer, count, refusal = ask_most(oracle, np.concatenate(batches))
    cost = oracle.ledger - before
    for member, x in zip(members, batches, strict=True):
        rows = np.arange(start, min(start + len(x), count))
        start += len(x)
        if answer is not None and len(rows):
            share = len(rows) / count
            seconds, size, price = share * cost.seconds, round(share * cost.bytes), share * cost.price
            member.cost += Ledger(queries=len(rows), calls=cost.calls, seconds=seconds, bytes=size, price=price)
            member.x = np.concatenate([member.x, x[: len(rows)]])
            member.label = np.concatenate([member.label, answer.label[rows]])
            more = targets(answer.take(rows), member.access.classes, member.attack.soft)
            member.target = np.concatenate([member.target, more])
        if refusal is not None and len(rows) < len(x):
            short = too_small(member.attack, member.access, refusal)
            if not len(member.x):
                raise short
            member.reason = str(short)


def even(total: int, parts: int) -> list[int]:
    """Whole numbers that differ by at most one and add up, the larger first."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def grid(
    attack: Any,
    oracle: Oracle,
    *,
    budgets: Sequence[int],
    seeds: Sequence[int],
    pool: Shaped[np.ndarray, "record *feature"] | None = None,
) -> list[list[Draft]]:
    """Run a `Campaign` with every budget and every seed in lockstep, all substitutes of a round trained at once.

    The attack's own budget is not used.

    Returns:
        For each budget a draft for each seed; none of them is compared with the victim.

    Raises:
        InputError: as the attack alone; no budget or no seed.
    """
    if not budgets or not seeds:
        raise InputError(f"budgets has {len(budgets)} and seeds has {len(seeds)} values: give at least one of each.")
    members = [(replace(attack, budget=budget), seed) for budget in budgets for seed in seeds]
    drafts = _campaign(members, oracle, pool)
    return [drafts[i : i + len(seeds)] for i in range(0, len(drafts), len(seeds))]


def _campaign(
    attacks: Sequence[tuple[Any, int]], oracle: Oracle, pool: np.ndarray | None, progress: Progress = lambda *_: None
) -> list[Draft]:
    members = [_start(attack, seed, oracle, pool) for attack, seed in attacks]
    total = sum(int(member.ends[-1]) for member in members)
    while live := [member for member in members if not member.reason and len(member.x) < member.ends[-1]]:
        _ask(live, oracle)
        _train([member for member in live if member.untrained])
        progress("queries", sum(len(member.x) for member in members), total)
    return [_draft(member) for member in members]


def _start(attack: Any, seed: int, oracle: Oracle, pool: np.ndarray | None) -> Member:
    """A member that has asked nothing; it has what is left of the oracle's budget where its own takes more records than there are.

    Raises:
        InputError: it cannot work on such a victim, with such a pool, or from such a seed.
    """
    require(attack, oracle, pool)
    check_seed(seed)
    access, left = oracle.access, getattr(oracle, "left", None)
    if access.classes < 2:
        raise InputError(f"{attack.name} trains a classifier, and the victim is a regressor: choose another attack.")
    own = np.zeros((0, *access.inputs.shape)) if pool is None else np.asarray(pool, np.float64)
    if left is not None and attack.records > len(own):
        if left < attack.needs(access):
            raise too_small(attack, access, BudgetSpent(f"the budget has {left:,} queries left:", left=left))
        attack = replace(attack, budget=min(left, attack.budget))
    if attack.records > len(own):
        raise InputError(
            f"pool has {len(own):,} records and {attack.records:,} are to be asked: give more, or a smaller budget."
        )
    return Member(attack, seed, access, own)


def _train(members: Sequence[Member]) -> None:
    """Train a substitute for each, all of them in one program."""
    if not members:
        return
    starts = np.cumsum([0, *(len(member.x) for member in members)])
    stolen = fit(
        members[0].attack.substitute,
        members[0].access.inputs,
        np.concatenate([member.x for member in members]),
        np.concatenate([member.target for member in members]),
        [np.arange(*ends) for ends in pairwise(starts)],
        [member.seed for member in members],
    )
    for member, one in zip(members, stolen, strict=True):
        member.stolen = one
        member.snapshots.append(Snapshot(len(member.x), one.answer))


def _draft(member: Member) -> Draft:
    classes, stolen = len(np.unique(member.label)), member.stolen
    assert stolen is not None
    alike = f"all {len(member.x):,} answers were class {member.label[0]}: give a pool with other classes."
    return Draft(
        attack=member.attack.name,
        stolen=stolen,
        answer=stolen.answer,
        cost=member.cost,
        parameters=stolen.parameters,
        model=stolen.model,
        stop=member.reason or (alike if classes < 2 else ""),
        exact=False,
        snapshots=tuple(member.snapshots),
        notes={"substitute": member.attack.substitute.architecture, "classes answered": classes},
    )
