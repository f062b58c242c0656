"""Rounds of asking and training: what retraining, augmentation, active learning and Knockoff Nets share.

A campaign runs any number of members, one for each budget and seed, in lockstep. In a round every member chooses its
queries, all of them are asked in one call, and the substitutes of all members are trained by one program (`fitting`). An
attack that chooses without looking at a substitute is asked to the end first, and then the substitutes of every member and
every round are trained by one program. An attack alone is a campaign of one member.

A member depends on its budget, its seed and its answers alone, but for rounding. A budget of the oracle that ends
early cuts the round's batch to what is left, and every member that was cut short returns what it has learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction.asking import ask_most, require, too_small
from jaxattack.attacks.extraction.fitting import fit
from jaxattack.attacks.extraction.rounds import History, Round, Strategy, View
from jaxattack.attacks.extraction.substitute import Stolen, targets
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import (
    EVERY_LEVEL,
    Access,
    Answer,
    Draft,
    InputError,
    Inputs,
    Ledger,
    Oracle,
    Progress,
    Snapshot,
)


@dataclass(kw_only=True)
class _Member:
    """One budget and seed on its way."""

    attack: Strategy
    seed: int
    plan: list[Round]
    rng: np.random.Generator
    history: History
    cost: Ledger = field(default_factory=Ledger)
    memory: Any = None
    stolen: Stolen | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    reason: str = ""
    marks: list[int] = field(default_factory=list)

    def choose(self, number: int, inputs: Inputs, pool: np.ndarray | None) -> np.ndarray:
        queries = self.plan[number].queries
        view = View(number, queries, self.history, self.stolen, inputs, pool, self.rng, self.memory)
        choice = self.attack.choose(view)
        self.memory = choice.memory
        return choice.x

    def take(self, x: np.ndarray, answer: Answer) -> None:
        target = targets(answer, self.history.target.shape[1], self.attack.soft)
        new = History(x, answer.label, target)
        self.history = History(*(np.concatenate(pair) for pair in zip(self.history, new, strict=True)))

    @property
    def training_size(self) -> int:
        """How many queries the last substitute was, or will be, trained on."""
        return max([0, *self.marks, *(snapshot.queries for snapshot in self.snapshots)])

    def learn(self, queries: int, stolen: Stolen) -> None:
        self.stolen = stolen
        self.snapshots.append(Snapshot(queries, stolen.answer))


class Campaign(Attack):
    """An attack in rounds: a subclass is a `Strategy`."""

    def run(self: Any, theft: Theft) -> Draft:
        """Run it alone."""
        member = _affordable(self, theft.oracle, theft.pool), theft.seed
        return _campaign([member], theft.oracle, theft.pool, theft.report)[0]


class PoolCampaign(Campaign):
    """Asks records of a pool, by a ``strategy`` of which ``random`` trains no substitute on the way."""

    levels = EVERY_LEVEL
    pool = True

    @property
    def blind(self: Any) -> bool:
        """Whether the substitute has no say."""
        return self.strategy == "random"

    @property
    def records(self: Any) -> int:
        """As many as the budget."""
        return self.budget


def _affordable(attack: Strategy, oracle: Oracle, pool: np.ndarray | None) -> Strategy:
    """The attack with what is left of the oracle's budget, where its own takes more records than the pool has.

    Raises:
        InputError: the attack can do nothing with what is left.
    """
    left: int | None = getattr(oracle, "left", None)
    if left is None or pool is None or attack.records <= len(pool):
        return attack
    needed = attack.needs(oracle.access)
    if left < needed:
        raise InputError(
            f"the budget has {left:,} queries left: {attack.name} needs at least {needed:,} queries for this victim."
        )
    changed: Any = attack
    return replace(changed, budget=min(left, changed.budget))


class Grid(NamedTuple):
    """The same attack with several budgets and seeds.

    Attributes:
        budgets: in the order given.
        seeds: in the order given.
        drafts: one for each budget and seed; none of them is compared with the victim.
    """

    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    drafts: tuple[tuple[Draft, ...], ...]

    def agreement(
        self, x: Float[np.ndarray, "query *feature"], label: Int[np.ndarray, "query"]
    ) -> Float[np.ndarray, "budget seed"]:
        """The share of queries that each stolen model labels as the victim did."""
        return np.array([[np.mean(one.answer(x).label == label) for one in row] for row in self.drafts])


def grid(
    attack: Strategy,
    oracle: Oracle,
    *,
    budgets: Sequence[int],
    seeds: Sequence[int],
    pool: Shaped[np.ndarray, "record *feature"] | None = None,
    progress: Progress | None = None,
) -> Grid:
    """Run an attack with every budget and every seed in lockstep, all substitutes of a round trained at once.

    Each member asks its own queries. Where members of one seed begin alike, an oracle with a cache answers them once.

    Args:
        attack: its own budget is not used.
        oracle: counts the queries of all.
        budgets: queries of each member.
        seeds: of each member.
        pool: records of the attacker's own, for the attacks that need them.
        progress: called with queries asked of all that will be.

    Raises:
        InputError: as the attack alone; no budget or no seed.
    """
    if not budgets or not seeds:
        raise InputError(f"budgets has {len(budgets)} and seeds has {len(seeds)} values: give at least one of each.")
    members = [(replace(attack, budget=budget), seed) for budget in budgets for seed in seeds]  # type: ignore[type-var]
    stolen = _campaign(members, oracle, pool, progress)
    rows = tuple(tuple(stolen[i : i + len(seeds)]) for i in range(0, len(stolen), len(seeds)))
    return Grid(tuple(budgets), tuple(seeds), rows)


def _campaign(
    attacks: Sequence[tuple[Strategy, int]], oracle: Oracle, pool: np.ndarray | None, progress: Progress | None
) -> list[Draft]:
    access = oracle.access
    for attack, _ in attacks:
        require(attack, oracle, pool)
        if access.classes < 2:
            raise InputError(
                f"{attack.name} trains a classifier, and the victim is a regressor: choose another attack."
            )
    own = None if pool is None else np.asarray(pool, np.float64)
    members = [_start(attack, seed, access) for attack, seed in attacks]
    blind = attacks[0][0].blind
    total = sum(round.queries for member in members for round in member.plan)
    for number in range(max(len(member.plan) for member in members)):
        live = [member for member in members if number < len(member.plan) and not member.reason]
        if not live:
            break
        _ask(oracle, live, [member.choose(number, access.inputs, own) for member in live])
        for member in live:
            if (member.plan[number].train or member.reason) and len(member.history.x) > member.training_size:
                member.marks.append(len(member.history.x))
        if not blind:
            _train(access, live)
        if progress:
            progress("queries", sum(len(member.history.x) for member in members), total)
    _train(access, members)
    return [_draft(member, access) for member in members]


def _start(attack: Strategy, seed: int, access: Access) -> _Member:
    shape = access.inputs.shape
    nothing = History(np.zeros((0, *shape)), np.zeros(0, np.int64), np.zeros((0, access.classes)))
    plan = [round for round in attack.plan(access) if round.queries]
    return _Member(attack=attack, seed=seed, plan=plan, rng=np.random.default_rng(seed), history=nothing)


def _ask(oracle: Oracle, members: Sequence[_Member], batches: Sequence[np.ndarray]) -> None:
    """Ask what all members chose in one call; of a budget that is spent, what is left of it."""
    before = oracle.ledger
    answer, total, refusal = ask_most(oracle, np.concatenate(batches))
    short = InputError() if refusal is None else too_small(members[0].attack, oracle.access, refusal)
    if answer is None:
        _stop(members, short)
        return
    cost = oracle.ledger - before
    ends = np.minimum(np.cumsum([len(x) for x in batches]), total)
    counts = np.diff(ends, prepend=0)
    for member, x, end, count in zip(members, batches, ends, counts, strict=True):
        member.take(x[:count], answer.take(slice(end - count, end)))
        member.cost += _share(cost, float(count / total))
    _stop([member for member, x, count in zip(members, batches, counts, strict=True) if count < len(x)], short)


def _stop(members: Sequence[_Member], short: InputError) -> None:
    for member in members:
        if not len(member.history.x):
            raise short
        member.reason = str(short)


def _share(cost: Ledger, part: float) -> Ledger:
    """A member's part of a call; the whole of it for a member alone."""
    return Ledger(
        queries=round(cost.queries * part),
        calls=cost.calls,
        seconds=cost.seconds * part,
        bytes=round(cost.bytes * part),
        price=cost.price * part,
    )


def _train(access: Access, members: Sequence[_Member]) -> None:
    """Train what is marked, all of it in one program."""
    jobs = [(member, count) for member in members for count in member.marks]
    if not jobs:
        return
    starts = np.cumsum([0, *(len(member.history.x) for member in members)])
    first = {id(member): start for member, start in zip(members, starts[:-1], strict=True)}
    stolen = fit(
        jobs[0][0].attack.substitute,
        access.inputs,
        np.concatenate([member.history.x for member in members]),
        np.concatenate([member.history.target for member in members]),
        [first[id(member)] + np.arange(count) for member, count in jobs],
        [member.seed for member, _ in jobs],
        [member.stolen for member, _ in jobs],
    )
    for (member, count), one in zip(jobs, stolen, strict=True):
        member.learn(count, one)
    for member in members:
        member.marks.clear()


def _draft(member: _Member, access: Access) -> Draft:
    classes = len(np.unique(member.history.label))
    reason = member.reason
    if not reason and classes < min(access.classes, 2):
        reason = f"all {len(member.history.x):,} answers were class {member.history.label[0]}: give a pool with other classes."
    assert member.stolen is not None
    return Draft(
        attack=member.attack.name,
        stolen=member.stolen,
        answer=member.stolen.answer,
        cost=member.cost,
        parameters=member.stolen.parameters,
        model=member.stolen.model,
        stop=reason,
        exact=False,
        snapshots=tuple(member.snapshots),
        notes={"substitute": member.attack.substitute.architecture, "classes answered": classes},
    )
