"""Attacks that are learned: an attack network is trained on shadows, whose members are known, and asked about the target.

A target's network learns from its shadows alone (`jaxattack.attacks.membership.references`): at the records where a shadow is a
reference of the target, whether each is the shadow's member. Nothing of the target's own membership is read, neither in
training nor to choose an epoch, as several published codes do. Scores depend on the target, its references and the seed, and
on no other target. The order of the records matters: a step's batch is drawn by their places.

A network of one class takes its features in the order of their means over its own training rows: the numbering of the
classes then tells it nothing. A class that has fewer than `FEWEST` training rows, or rows of one side alone, has no network
of its own, and its records are put to the network of all classes together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.attack_network import AttackNetwork, Lane, log_odds
from jaxattack.attacks.membership.observed import read_targets, require_models
from jaxattack.attacks.membership.references import Shadow, several_shadows_of
from jaxattack.types import InputError, Observations

FEWEST = 10
"""Training rows of a class with a network of its own; from fewer it would learn those rows by heart."""


class NetworkAttack(Protocol):
    """A membership attack by attack networks.

    Attributes:
        name: for messages.
        network: how its networks are built and trained.
        by_class: whether each class has a network of its own.
        shadows: how many references play the target, at most.
        seed: of the networks' random draws.
        protocol: whom the references are.
    """

    @property
    def name(self) -> str: ...

    @property
    def network(self) -> AttackNetwork: ...

    @property
    def by_class(self) -> bool: ...

    @property
    def shadows(self) -> int: ...

    @property
    def seed(self) -> int: ...

    @property
    def protocol(self) -> str: ...


class LearnedAttack(NetworkAttack, Protocol):
    """One whose networks are shown features of a single model's answer to a record."""

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record _"], ...]:
        """What its networks are shown, in parts."""
        ...


class Case(NamedTuple):
    """What an attacker of one target learns from.

    Attributes:
        target: its number.
        shadows: the references that play it.
        features: of a model's answers, as the attacker of this target has them, ["record feature"].
    """

    target: int
    shadows: Sequence[Shadow]
    features: Callable[[int], Float[np.ndarray, "record feature"]]


class Job(NamedTuple):
    """What one network is taught and asked.

    Attributes:
        row: of the case among the cases.
        train: Int["own"], the records that it learns from.
        query: Int["asked"], the records that it scores.
    """

    row: int
    train: Int[np.ndarray, "own"]
    query: Int[np.ndarray, "asked"]


def shadow_scores(
    attack: LearnedAttack, observations: Observations, targets: Sequence[int] | None
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each target: log odds of membership, in nats.

    Raises:
        TooFewReferences: fewer than three models.
        InputError: signals NaN or infinite; a shadow without members or without non-members.
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
    answers = _answers(attack, _widths(parts), cases, observations.member, jobs, records, records)
    for job, answer in zip(jobs, answers, strict=True):
        members = int(inside[job.row].sum())
        scores[job.row // 2, job.query] = answer - np.log(members / (len(inside[job.row]) - members))
    return scores


def join_parts(parts: Sequence[Float[np.ndarray, "model record _"]], model: int) -> Float[np.ndarray, "record feature"]:
    """The features of one model's answers, one part after another."""
    return np.concatenate([part[model] for part in parts], axis=1, dtype=np.float32)


def score_cases(
    attack: NetworkAttack, widths: tuple[int, ...], cases: Sequence[Case], observations: Observations
) -> Float[np.ndarray, "target record"]:
    """Scores of every record for each case: log odds of membership, in nats.

    Args:
        attack: whose networks are trained.
        widths: how many features each part has.
        cases: the targets.
        observations: whose members and labels are read.

    Raises:
        InputError: a shadow without members or without non-members.
    """
    member, every = observations.member, np.arange(observations.records)
    for shadow in (shadow for case in cases for shadow in case.shadows):
        shadow.members(member, attack.name)
    classes = _records_by_class(observations.label) if attack.by_class else [every]
    of_classes: list[Job] = []
    pooled: dict[int, list[np.ndarray]] = {}
    for row, case in enumerate(cases):
        for own in classes:
            if len(classes) == 1 or _teach(case.shadows, member, own):
                of_classes.append(Job(row, own, own))
            else:
                pooled.setdefault(row, []).append(own)
    together = [Job(row, every, np.concatenate(records)) for row, records in pooled.items()]
    most = min(attack.shadows, len(member) - 1)
    scores = np.empty((len(cases), len(every)))
    for jobs, largest in ((of_classes, max(map(len, classes))), (together, len(every))):
        answers = _answers(attack, widths, cases, member, jobs, most * largest, largest)
        for job, answer in zip(jobs, answers, strict=True):
            scores[job.row, job.query] = answer
    return scores


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
    queries = _records_by_class(observations.label) if attack.by_class else [np.arange(observations.records)]

    def lane(query: Int[np.ndarray, "asked"]) -> Lane:
        train = np.flatnonzero(shadows.label == observations.label[query[0]]) if attack.by_class else every
        if not _teach(players, shadows.member, train):
            train = every
        x, member = _training(case, shadows.member, train)
        asked = np.concatenate([join_parts(parts, model)[query] for model in chosen])
        return _arranged(attack, Lane(x, member, asked, (attack.seed, 0)))

    lanes = [lane(query) for query in queries]
    rows, asked = max(len(lane.x) for lane in lanes), max(len(lane.query) for lane in lanes)
    scores = np.empty((len(chosen), observations.records))
    for query, answer in zip(queries, log_odds(attack.network, _widths(parts), lanes, rows, asked), strict=True):
        scores[:, query] = answer.reshape(len(chosen), -1)
    return scores


def _widths(parts: Sequence[Float[np.ndarray, "model record _"]]) -> tuple[int, ...]:
    return tuple(part.shape[2] for part in parts)


def _records_by_class(label: Int[np.ndarray, "record"]) -> list[Int[np.ndarray, "own"]]:
    """The records of each class that there is, in order."""
    return np.split(np.argsort(label, kind="stable"), np.cumsum(np.unique(label, return_counts=True)[1])[:-1])


def _teach(
    shadows: Sequence[Shadow], member: Bool[np.ndarray, "model record"], records: Int[np.ndarray, "own"]
) -> bool:
    """Whether shadows have enough rows among some records, of each side."""
    inside = np.concatenate([member[model, records[readable[records]]] for model, readable in shadows])
    return len(inside) >= FEWEST and 0 < inside.sum() < len(inside)


def _training(
    case: Case, member: Bool[np.ndarray, "model record"], records: Int[np.ndarray, "own"]
) -> tuple[Float[np.ndarray, "row feature"], Bool[np.ndarray, "row"]]:
    """The training rows of a case among some records: features and membership, shadow for shadow."""
    read = [(model, records[readable[records]]) for model, readable in case.shadows]
    x = np.concatenate([case.features(model)[own] for model, own in read])
    return x, np.concatenate([member[model, own] for model, own in read])


def _answers(
    attack: NetworkAttack,
    widths: tuple[int, ...],
    cases: Sequence[Case],
    member: Bool[np.ndarray, "model record"],
    jobs: Sequence[Job],
    rows: int,
    queries: int,
) -> Iterator[Float[np.ndarray, "query"]]:
    """What the network of each job says; the most training rows and queries of a job are ``rows`` and ``queries``."""

    def lane(job: Job) -> Lane:
        case = cases[job.row]
        x, inside = _training(case, member, job.train)
        query = case.features(case.target)[job.query]
        return _arranged(attack, Lane(x, inside, query, (attack.seed, case.target)))

    return log_odds(attack.network, widths, map(lane, jobs), rows, queries)


def _arranged(attack: NetworkAttack, lane: Lane) -> Lane:
    """A lane with its features in the order of their means, where each class has a network of its own."""
    if not attack.by_class:
        return lane
    order = np.argsort(-lane.x.mean(axis=0, dtype=np.float64), kind="stable")
    return lane._replace(x=lane.x[:, order], query=lane.query[:, order])
