"""Cascading (CMIA; Du et al. 2026, NDSS): shadow models that agree with what is already known of one target's members.

How a model answers a record depends on which other records it holds. So shadow models are trained in rounds: after each, the
records of which the attack is surest are anchored, and all shadow models of the next round have, or lack, what is anchored;
the others stay in half of them, in complementary pairs. Any attack may be the one of each round.

What is sure, the shadow models tell, each attacked by the others as the target is, its own members being known:

    out   below a threshold that at most ``tolerated`` of a shadow's members are below, the mean over shadows
    in    above the highest score of a shadow's non-members, the mean over the shadows with at least ``fewest`` records above theirs;
          looked at only where nothing is found out, as in the authors' code

After the authors' code; their tables were not at hand, and no figure of it is one of theirs. It costs rounds times models for a
single target. On Location-30 three rounds of 16 find 78.9, 77.2 and 79.4% of three targets' members at 1% false positives, and 48
shadow models trained at once 69.1, 73.9 and 77.2%; at 0.1% the targets do not agree (`scripts/cascade.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.stacking import hidden_row, stacked
from jaxattack.data.designs import Halves
from jaxattack.types import InputError, MembershipAttack, Observations, at_least, config

Train = Callable[[Bool[np.ndarray, "model record"], int], Observations]
"""Trains a model for each row of a member matrix, with a seed of the round, and observes all records, as the target was."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascaded:
    """What the rounds found.

    Attributes:
        score: of each record; what was anchored out is below all others and what was anchored in above, in its own order.
        inside: records that were anchored as members, in the order of the rounds.
        outside: records that were anchored as non-members.
        models: how many shadow models were trained.
    """

    score: Float[np.ndarray, "record"]
    inside: Int[np.ndarray, "anchor"]
    outside: Int[np.ndarray, "other_anchor"]
    models: int


@config
class Cascade:
    """Rounds of shadow models for one target.

    Attributes:
        attack: of each round; any with references.
        models: shadow models of a round, an even number of at least 6.
        rounds: at most so many, at least 1; fewer where nothing is sure any more.
        share: of the open records that a round anchors, at most; above 0 and at most 1.
        tolerated: members of a shadow model below the threshold for "out", at least 0; the authors' configuration has 10.
        fewest: records of a shadow model above its threshold for "in", at least 1.

    Raises:
        InputError: a value out of range, or an attack without references.
    """

    paper = "Du et al. 2026, NDSS"

    attack: MembershipAttack = LiRA(online=True)
    models: int = 16
    rounds: int = 3
    share: float = 0.05
    tolerated: int = 10
    fewest: int = 5

    def __post_init__(self) -> None:
        at_least(6, models=self.models)
        at_least(1, rounds=self.rounds, fewest=self.fewest)
        at_least(0, tolerated=self.tolerated)
        if self.models % 2:
            raise InputError(f"models is {self.models}: give an even number, for complementary pairs.")
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}: give a share above 0, at most 1.")
        if not self.attack.references:
            raise InputError(f"attack is {self.attack.name}, which has no references: give one that has.")

    def __call__(self, target: Observations, train: Train, *, seed: int = 0) -> Cascaded:
        """Attack one target.

        Args:
            target: what the one model says; its membership is not read.
            train: makes the shadow models.
            seed: decides which half of the open records each shadow model has.

        Raises:
            InputError: observations of several models, or what the attack refuses.
        """
        if target.models != 1:
            raise InputError(f"target has {target.models} models: give the observations of the one that is attacked.")
        score = np.zeros(target.records)
        anchors: dict[bool, list[np.ndarray]] = {True: [], False: []}
        trained = 0
        for number in range(self.rounds):
            inside, outside = (np.concatenate([np.zeros(0, int), *anchors[side]]) for side in (True, False))
            still = np.setdiff1d(np.arange(target.records), np.concatenate([inside, outside]))
            member = np.zeros((self.models, target.records), bool)
            member[:, inside] = True
            member[:, still] = Halves()(self.models, len(still), seed + number)
            shadows = train(member, seed + number)
            trained += self.models
            own = attack_target(self.attack, target, shadows, still)
            score[still] = _between(own, score[inside], score[outside])
            # By one another alone: among their references the target, whose members are hidden, would stand outside all records.
            sure, side = self.surest(own, self.attack(shadows.take_records(still)), member[:, still])
            if number + 1 == self.rounds or not len(sure):
                break
            anchors[side].append(still[sure])
        inside, outside = (np.concatenate([np.zeros(0, int), *anchors[side]]) for side in (True, False))
        return Cascaded(score=score, inside=inside, outside=outside, models=trained)

    def surest(
        self,
        own: Float[np.ndarray, "record"],
        shadow: Float[np.ndarray, "model record"],
        member: Bool[np.ndarray, "model record"],
    ) -> tuple[Int[np.ndarray, "anchor"], bool]:
        """The records to anchor, the surest first, and whether as members.

        Args:
            own: the target's scores of the open records.
            shadow: each shadow model's.
            member: the truth of the shadow models.
        """
        most = max(int(self.share * len(own)), 1)
        low = out_threshold(shadow, member, self.tolerated)
        order = np.argsort(own, kind="stable")
        out = order[own[order] < low][:most]
        if len(out):
            return out, False
        return order[::-1][own[order[::-1]] > in_threshold(shadow, member, self.fewest)][:most], True


def attack_target(
    attack: MembershipAttack, target: Observations, shadows: Observations, records: Int[np.ndarray, "open"]
) -> Float[np.ndarray, "open"]:
    """An attack's scores of some records of the target, all shadow models being its references.

    Raises:
        InputError: shadow models of other records or views, or what the attack refuses.
    """
    every = stacked(target, shadows.only(attack.signals), hidden_row(shadows.member))
    return attack(every.take_records(records), [0])[0]


def out_threshold(
    shadow: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], tolerated: int
) -> float:
    """The mean over models of the score that just so many members are below; minus infinity where a model has no more members."""
    if member.sum(axis=1).min() <= tolerated:
        return -np.inf
    return float(np.mean([np.sort(scores[own])[tolerated] for scores, own in zip(shadow, member, strict=True)]))


def in_threshold(
    shadow: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], fewest: int
) -> float:
    """The mean of the models' highest non-member scores with so many records above them; infinity where no model has as many."""
    highest = np.where(member, -np.inf, shadow).max(axis=1)
    enough = (shadow > highest[:, None]).sum(axis=1) >= fewest
    return float(highest[enough].mean()) if enough.any() else np.inf


def _between(
    scores: Float[np.ndarray, "record"], above: Float[np.ndarray, "anchor"], below: Float[np.ndarray, "other_anchor"]
) -> Float[np.ndarray, "record"]:
    """Scores moved, in their order, into what anchors leave between them: 0 to 1 where there are none."""
    low, high = max(below, default=0.0), min(above, default=1.0)
    rank = np.unique(scores, return_inverse=True)[1]
    return low + (high - low) * (rank + 1) / (rank.max() + 2)
