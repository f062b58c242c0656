"""What attack networks say of records: which rows each is taught, which it is asked about, and their scores side by side.

A network of one class takes its features in the order of their means over its own training rows: the numbering of the
classes then tells it nothing. A class that has fewer than `FEWEST` training rows, or rows of one side alone, has no network
of its own, and its records are put to the network of all classes together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.attack_network import AttackNetwork, Lane, log_odds
from jaxattack.attacks.membership.references import PROTOCOLS, Shadow, check_protocol
from jaxattack.types import Needs, Observations, at_least, config

FEWEST = 10
"""Training rows of a class with a network of its own; from fewer it would learn those rows by heart."""


@config
class NetworkAttack:
    """A membership attack by attack networks: what those share.

    Attributes:
        by_class: whether each class has a network of its own.
        network: how its networks are built and trained.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the networks' random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    name = "network"
    family = "learned"
    references = True
    by_class: ClassVar[bool] = False

    network: AttackNetwork = AttackNetwork()
    shadows: int = 1
    seed: int = 0
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        at_least(1, shadows=self.shadows)
        at_least(0, seed=self.seed)
        check_protocol(self.protocol)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references beside the shadows."""
        return Needs()


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
    classes = records_by_class(observations.label) if attack.by_class else [every]
    of_classes: list[Job] = []
    pooled: dict[int, list[np.ndarray]] = {}
    for row, case in enumerate(cases):
        for own in classes:
            if len(classes) == 1 or can_teach(case.shadows, member, own):
                of_classes.append(Job(row, own, own))
            else:
                pooled.setdefault(row, []).append(own)
    together = [Job(row, every, np.concatenate(records)) for row, records in pooled.items()]
    most = min(attack.shadows, len(member) - 1)
    scores = np.empty((len(cases), len(every)))
    for jobs, largest in ((of_classes, max(map(len, classes))), (together, len(every))):
        answers = log_odds_of(attack, widths, cases, member, jobs, most * largest, largest)
        for job, answer in zip(jobs, answers, strict=True):
            scores[job.row, job.query] = answer
    return scores


def records_by_class(label: Int[np.ndarray, "record"]) -> list[Int[np.ndarray, "own"]]:
    """The records of each class that there is, in order."""
    return np.split(np.argsort(label, kind="stable"), np.cumsum(np.unique(label, return_counts=True)[1])[:-1])


def can_teach(
    shadows: Sequence[Shadow], member: Bool[np.ndarray, "model record"], records: Int[np.ndarray, "own"]
) -> bool:
    """Whether shadows have enough rows among some records, of each side."""
    inside = np.concatenate([member[model, records[readable[records]]] for model, readable in shadows])
    return len(inside) >= FEWEST and 0 < inside.sum() < len(inside)


def training_rows(
    case: Case, member: Bool[np.ndarray, "model record"], records: Int[np.ndarray, "own"]
) -> tuple[Float[np.ndarray, "row feature"], Bool[np.ndarray, "row"]]:
    """The training rows of a case among some records: features and membership, shadow for shadow."""
    read = [(model, records[readable[records]]) for model, readable in case.shadows]
    x = np.concatenate([case.features(model)[own] for model, own in read])
    return x, np.concatenate([member[model, own] for model, own in read])


def log_odds_of(
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
        x, inside = training_rows(case, member, job.train)
        query = case.features(case.target)[job.query]
        return arrange(attack, Lane(x, inside, query, (attack.seed, case.target)))

    return log_odds(attack.network, widths, map(lane, jobs), rows, queries)


def arrange(attack: NetworkAttack, lane: Lane) -> Lane:
    """A lane with its features in the order of their means, where each class has a network of its own."""
    if not attack.by_class:
        return lane
    order = np.argsort(-lane.x.mean(axis=0, dtype=np.float64), kind="stable")
    return lane._replace(x=lane.x[:, order], query=lane.query[:, order])
