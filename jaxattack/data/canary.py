"""Canaries: records that a coin puts in or leaves out of each model, so that an attack may be asked which.

| kind | x | y | source |
| --- | --- | --- | --- |
| natural | of a record | its own | |
| mislabelled | of a record | another, uniformly | Steinke et al. 2023 (arXiv 2305.08846), section 6 |
| blank | the mean record; with more canaries than classes, and a random sign in every feature | each class in turn | Nasr et al. 2023 (arXiv 2302.07956) |
| clipbkd | along a direction in which records hardly vary | the least likely one there | Jagielski et al. 2020 (arXiv 2006.07709), algorithm 2 |

Natural and mislabelled canaries are records of the set, which it then lacks; the others are added behind them. Of ClipBKD
each canary has a direction of its own, from the last principal component on, because copies of one would be a group.

A canary's coin is fair, and independent of the other canaries and models; every other record is always in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from sklearn.linear_model import LogisticRegression

from jaxattack.types import Dataset, InputError

Kind = Literal["natural", "mislabelled", "blank", "clipbkd"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BACKGROUND, CANARY = 0, 1  # roles


class Planted(NamedTuple):
    """A data set with canaries.

    Attributes:
        dataset: canaries and the background.
        role: 1 for canaries, 0 for records that are always in.
    """

    dataset: Dataset
    role: UInt8[np.ndarray, "record"]


def natural(dataset: Dataset, count: int, seed: int) -> Planted:
    """So many records, as they are.

    Raises:
        InputError: fewer than one, or none would be left.
    """
    role = np.full(len(dataset), BACKGROUND, np.uint8)
    role[_sample(dataset, count, seed)] = CANARY
    return Planted(_rename(dataset, count, "natural"), role)


def mislabelled(dataset: Dataset, count: int, seed: int) -> Planted:
    """So many records, each with another label than its own, uniformly drawn.

    Raises:
        InputError: fewer than one, or none would be left.
    """
    planted = natural(dataset, count, seed)
    canary = planted.role == CANARY
    shift = _generator(seed, 1).integers(1, dataset.classes, size=count)
    y = dataset.y.copy()
    y[canary] = (y[canary] + shift) % dataset.classes
    return Planted(replace(_rename(dataset, count, "mislabelled"), y=y), planted.role)


def blank(dataset: Dataset, count: int, seed: int) -> Planted:
    """The mean record under so many labels; with more canaries than classes, as far from it as records are, each its own way.

    Raises:
        InputError: fewer than one.
    """
    _require(dataset, count)
    flat = dataset.x.reshape(len(dataset), -1).astype(np.float64)
    middle = flat.mean(axis=0)
    x = np.tile(middle, (count, 1))
    if count > dataset.classes:
        distance = float(np.median(np.linalg.norm(flat - middle, axis=1)))
        signs = np.where(_generator(seed, 2).random(x.shape) < 0.5, -1.0, 1.0)
        x = x + signs * distance / math.sqrt(x.shape[1])
    return _added(dataset, x, np.arange(count) % dataset.classes, "blank")


def clipbkd(dataset: Dataset, count: int, seed: int) -> Planted:  # noqa: ARG001 (nothing about it is random)
    """Canaries along the last principal components, as long as records are, each under the label least likely there.

    The label is a logistic regression's, fitted on the records.

    Raises:
        InputError: images of bytes, which cannot hold such records; or more canaries than features.
    """
    _require(dataset, count)
    flat = dataset.x.reshape(len(dataset), -1).astype(np.float64)
    if dataset.x.dtype == np.uint8:
        raise InputError(
            f"{dataset.name} holds bytes and clipbkd makes records outside of their range: give floats, or canaries that are "
            "mislabelled."
        )
    if count > flat.shape[1]:
        raise InputError(
            f"canaries is {count} and {dataset.name} has {flat.shape[1]} features, each a direction of clipbkd: ask for at "
            "most that many."
        )
    _, _, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=True)
    x = directions[::-1][:count] * float(np.median(np.linalg.norm(flat, axis=1)))
    fitted = LogisticRegression(max_iter=1000).fit(flat, dataset.y)
    return _added(dataset, x, fitted.classes_[fitted.predict_proba(x).argmin(axis=1)], "clipbkd")


MAKERS: Mapping[str, Callable[[Dataset, int, int], Planted]] = {
    "natural": natural,
    "mislabelled": mislabelled,
    "blank": blank,
    "clipbkd": clipbkd,
}


def flip_coins(role: UInt8[np.ndarray, "record"], models: int, seed: int) -> Bool[np.ndarray, "model record"]:
    """Who is in: the background always, each canary by a fair coin of its own in each model.

    Row i depends on the seed, on i and on the number of canaries alone, so that models may be added.
    """
    member = np.tile(role == BACKGROUND, (models, 1))
    canaries = int((role == CANARY).sum())
    for model in range(models):
        member[model, role == CANARY] = _generator(seed, 3, model).random(canaries) < 0.5
    return member


def slots(role: UInt8[np.ndarray, "record"]) -> int:
    """Places for members: the background, and canaries six standard deviations above their mean."""
    canaries = int((role == CANARY).sum())
    return len(role) - canaries + min(canaries, math.ceil(canaries / 2 + 3 * math.sqrt(canaries)))


def _generator(seed: int, *what: int) -> np.random.Generator:
    # A spawn key of its own length, so that canaries are independent of the choice of records and of members.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0, *what)))


def _require(dataset: Dataset, count: int) -> None:
    if count < 1:
        raise InputError(f"canaries is {count}: give at least 1.")
    if count > 2**20:
        raise InputError(f"canaries is {count} for {len(dataset)} records: give at most {2**20}.")


def _sample(dataset: Dataset, count: int, seed: int) -> np.ndarray:
    _require(dataset, count)
    if count > len(dataset) - 2:
        raise InputError(
            f"canaries is {count} and {dataset.name} has {len(dataset)} records: leave at least 2 that are always in."
        )
    return _generator(seed, 0).permutation(len(dataset))[:count]


def _rename(dataset: Dataset, count: int, kind: str) -> Dataset:
    return replace(dataset, name=f"{dataset.name} with {count} {kind} canaries")


def _added(dataset: Dataset, x: np.ndarray, y: Shaped[np.ndarray, "canary"], kind: str) -> Planted:
    """Canaries behind the records, in the records' type."""
    if dataset.x.dtype == np.uint8:
        x = np.clip(np.rint(x), 0, 255)
    extension = _rename(dataset, len(x), kind).extend(x.reshape(len(x), *dataset.shape), y, kind=f"{kind} canary")
    return Planted(extension, np.repeat(np.array([BACKGROUND, CANARY], np.uint8), [len(dataset), len(x)]))
