"""One of the audits that are compared: what its models say, of which records, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.audit.findings.comparison import RunCost
from jaxattack.audit.observation_scoring import unread_records
from jaxattack.audit.observations import read_observations
from jaxattack.audit.scoring import open_run, records_of, scored_observations, training_cost
from jaxattack.disk import read_json
from jaxattack.types import InputError, MembershipAttack, Observations

POSITION, IDS, LABELS = (
    "the same data",
    "ids",
    "as many records, of the same labels in the same order",
)
"""By what records are told to be the same, in words."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """An audit to be compared.

    Attributes:
        name: by which it is told from the others.
        title: its data, its model and how many there are.
        observations: what its models say of the records that are scored.
        cost: what it cost; of the attacks nothing yet.
        settings: what was asked for, as plain values; nothing of observations that other code made.
        data: the fingerprint of its records; None where it is not known.
        unread: records whose signals are NaN or infinite somewhere; None where there are none.
    """

    name: str
    title: str
    observations: Observations
    cost: RunCost
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    unread: Bool[np.ndarray, "record"] | None = None


def side_of_run(folder: Path, name: str) -> Side:
    """A run folder, as far as it went; nothing is trained.

    Raises:
        InputError: no run, a damaged one, or fewer than 4 models.
    """
    run, models = open_run(folder)
    records, identity = records_of(run), run.identity
    observations = scored_observations(run, models)
    if records is not None:
        observations = replace(observations, names=records.names, ids=records.ids[: observations.records])
    training = training_cost(run, models)
    return Side(
        name=name,
        title=f"{identity['data']['name']} · {identity['victim']['model']} · {models} models",
        observations=observations,
        cost=RunCost(
            models=models,
            gradient_steps=training.gradient_steps,
            queries=models * observations.records * identity["queries"],
            train=training.compile + training.train,
            observe=training.observe,
            score=None,
            device=training.device,
        ),
        settings={key: value for key, value in identity.items() if key not in ("format", "signals")}
        | {"models": models},
        data=identity["data"]["sha256"],
    )


def side_of_observations(observations: Observations, name: str) -> Side:
    """What other code's models say.

    Raises:
        InputError: fewer than 4 models.
    """
    if observations.models < 4:
        raise InputError(f"{name} has {observations.models} models: give at least 4.")
    queries = observations.signal("phi").shape[2] if "phi" in observations.signals else 1
    return Side(
        name=name,
        title=f"{name} · {observations.models} models",
        observations=observations,
        cost=RunCost(
            models=observations.models,
            gradient_steps=None,
            queries=observations.models * observations.records * queries,
            train=None,
            observe=None,
            score=None,
            device=None,
        ),
        settings={"models": observations.models, "records": observations.records, "queries": queries},
        unread=unread_records(observations),
    )


def side_of_path(path: Path, name: str, attacks: tuple[MembershipAttack, ...]) -> Side:
    """A run folder, or a file of observations.

    Args:
        path: of either.
        name: by which it is told from the others.
        attacks: whose signals are computed from a file.

    Raises:
        InputError: it is neither, or a damaged one.
    """
    if path.suffix == ".npz":
        return side_of_observations(read_observations(path, attacks), name)
    if (path / "run.json").exists():
        return side_of_run(path, name)
    copies = sorted(folder.parent.name for folder in path.glob("copies-*/run.json"))
    if copies:
        raise InputError(f"{path} is of a poisoned audit: give its runs, as {path / copies[0]}.")
    if (path / "report.json").exists():
        kind = read_json(path / "report.json").get("kind")
        if kind != "membership":
            raise InputError(
                f"{path} holds a report on {kind!s:.40}: compare membership runs and files of observations with one another, and "
                "any other report with reports of its own kind."
            )
        raise InputError(
            f"{path} holds a report without what its models answered: give the run folder or the observations that it was "
            "made of."
        )
    raise InputError(f"{path} is no run: give a run folder, a matrix, or an .npz of observations.")


def common_records(first: Side, other: Side) -> tuple[Int[np.ndarray, "common_record 2"], str]:
    """The place in either of each record that both have, and by what they are told to be the same.

    Returns:
        No places, and no words, where no record is known to be the same.
    """
    ours, theirs = first.observations, other.observations
    if first.data is not None and first.data == other.data:
        return _by_place(min(ours.records, theirs.records)), POSITION
    if ours.ids and theirs.ids:
        place = {one: at for at, one in enumerate(ours.ids)}
        pairs = [(place[one], at) for at, one in enumerate(theirs.ids) if one in place]
        return np.array(pairs, int).reshape(-1, 2), IDS if pairs else ""
    if None in (first.data, other.data) and np.array_equal(ours.label, theirs.label):
        return _by_place(ours.records), LABELS
    return _by_place(0), ""


def _by_place(count: int) -> Int[np.ndarray, "common_record 2"]:
    return np.repeat(np.arange(count)[:, np.newaxis], 2, axis=1)
