"""Attacks that are learned: an attack network is trained on shadows, whose members are known, and asked about the target.

A target's network learns from its shadows alone (`jaxattack.attacks.membership.references`): at the records where a shadow is a
reference of the target, whether each is the shadow's member. Nothing of the target's own membership is read, neither in
training nor to choose an epoch, as several published codes do. Scores depend on the target, its references and the seed, and
on no other target. The order of the records matters: a step's batch is drawn by their places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.membership.attack_network import Lane, log_odds
from jaxattack.attacks.membership.network_scores import (
    Case,
    Job,
    NetworkAttack,
    arrange,
    can_teach,
    log_odds_of,
    records_by_class,
    score_cases,
    training_rows,
)
from jaxattack.attacks.membership.observed import read_targets, require_models
from jaxattack.attacks.membership.references import Shadow, several_shadows_of
from jaxattack.types import InputError, Observations, config


@config
class LearnedAttack(NetworkAttack, ABC):
    """One whose networks are shown features of a single model's answer to a record."""

    @abstractmethod
    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record _"], ...]:
        """What its networks are shown, in parts.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target: log odds of membership, in nats.

        Raises:
            TooFewReferences: fewer than three models; a shadow without members or without non-members.
            InputError: signals NaN or infinite.
        """
        return shadow_scores(self, observations, targets)


@config
class SupervisedAttack(LearnedAttack):
    """One that may be taught the target's own members instead.

    Attributes:
        supervised: whether it is, cross-fitted: two halves of the records, each scored by the network that was taught the other
            half. It needs no other model then.
    """

    supervised: bool = False

    @property
    def references(self) -> bool:
        """Whether it learns from the other models."""
        return not self.supervised

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target: log odds of membership, in nats.

        Raises:
            TooFewReferences: fewer than three models, where it learns from shadows.
            InputError: signals NaN or infinite; nobody, or everybody, of those taught is a member.
        """
        return (supervised_scores if self.supervised else shadow_scores)(self, observations, targets)


def shadow_scores(
    attack: LearnedAttack, observations: Observations, targets: Sequence[int] | None
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each target: log odds of membership, in nats.

    Raises:
        TooFewReferences: fewer than three models; a shadow without members or without non-members.
        InputError: signals NaN or infinite.
    """
    require_models(observations, attack.name)
    parts = attack.features(observations)
    chosen = read_targets(observations, targets)
    shadows = several_shadows_of(observations.member, chosen, attack.protocol, attack.shadows)
    cases = [Case(int(t), own, lambda model: join_parts(parts, model)) for t, own in zip(chosen, shadows, strict=True)]
    return score_cases(attack, _widths(parts), cases, observations)


def supervised_scores(
    attack: LearnedAttack, observations: Observations, targets: Sequence[int] | None
) -> Float[np.ndarray, "target record"]:
    """Scores by networks that are taught the target's own members, as an adversary who knows half of them is.

    The records are cut into two halves by the seed. Each half is scored by a network that was taught the other half's membership
    of the target, so that no record's score knows its own membership; what the taught half's share of members alone says is
    taken away, for more members in one half are fewer in the other. This reads the target's row of the member matrix, which an
    attack by shadows leaves unread.

    Raises:
        InputError: signals NaN or infinite; a half without members or without non-members.
    """
    parts, chosen = attack.features(observations), read_targets(observations, targets)
    records = observations.records
    order = np.random.default_rng(attack.seed).permutation(records)
    first = np.isin(np.arange(records), order[: records // 2])
    halves = (first, ~first)
    scores = np.empty((len(chosen), records))
    cases = [
        Case(int(target), [Shadow(int(target), half)], lambda model: join_parts(parts, model))
        for target in chosen
        for half in halves
    ]
    inside = [case.shadows[0].members(observations.member, attack.name) for case in cases]
    jobs = [Job(row, np.arange(records), np.flatnonzero(halves[1 - row % 2])) for row in range(len(cases))]
    answers = log_odds_of(attack, _widths(parts), cases, observations.member, jobs, records, records)
    for job, answer in zip(jobs, answers, strict=True):
        members = int(inside[job.row].sum())
        scores[job.row // 2, job.query] = answer - np.log(members / (len(inside[job.row]) - members))
    return scores


def join_parts(parts: Sequence[Float[np.ndarray, "model record _"]], model: int) -> Float[np.ndarray, "record feature"]:
    """The features of one model's answers, one part after another."""
    return np.concatenate([part[model] for part in parts], axis=1, dtype=np.float32)


def transfer_scores(
    attack: LearnedAttack, shadows: Observations, observations: Observations, targets: Sequence[int] | None = None
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each target, learnt from models of another data set (ML-Leaks' second adversary).

    The first ``attack.shadows`` models of the others play the target, each at all of its records. One network, or one a class,
    serves all targets: the two share no record, so that there is no reference to leave out.

    Args:
        attack: one by attack networks.
        shadows: models that the attacker trained, on records of its own.
        observations: the targets.
        targets: indices of the models under attack; all of them by default.

    Raises:
        InputError: answers of the two that have different numbers of features, or a class that the shadows know too little
            of; signals NaN or infinite; shadows without members or without non-members.
    """
    parts, own = attack.features(observations), attack.features(shadows)
    if _widths(parts) != _widths(own):
        raise InputError(
            f"{attack.name} reads {sum(_widths(own))} features of the shadows and {sum(_widths(parts))} of the targets: give "
            "models of as many classes, or choose an attack that reads the highest confidences, such as ml-leaks-1."
        )
    chosen = read_targets(observations, targets)
    records = np.ones(shadows.records, bool)
    players = [Shadow(model, records) for model in range(min(attack.shadows, shadows.models))]
    for shadow in players:
        shadow.members(shadows.member, attack.name)
    case = Case(-1, players, lambda model: join_parts(own, model))
    every = np.arange(shadows.records)
    queries = records_by_class(observations.label) if attack.by_class else [np.arange(observations.records)]

    def lane(query: Int[np.ndarray, "asked"]) -> Lane:
        train = np.flatnonzero(shadows.label == observations.label[query[0]]) if attack.by_class else every
        if not can_teach(players, shadows.member, train):
            train = every
        x, member = training_rows(case, shadows.member, train)
        questions = np.concatenate([join_parts(parts, model)[query] for model in chosen])
        return arrange(attack, Lane(x, member, questions, (attack.seed, 0)))

    lanes = [lane(query) for query in queries]
    rows, questions = max(len(lane.x) for lane in lanes), max(len(lane.query) for lane in lanes)
    scores = np.empty((len(chosen), observations.records))
    for query, answer in zip(queries, log_odds(attack.network, _widths(parts), lanes, rows, questions), strict=True):
        scores[:, query] = answer.reshape(len(chosen), -1)
    return scores


def _widths(parts: Sequence[Float[np.ndarray, "model record _"]]) -> tuple[int, ...]:
    return tuple(part.shape[2] for part in parts)
