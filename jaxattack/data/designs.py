"""Designs: which records each model of a sweep is trained on, as Bool["model record"].

| design | members of a model | row i depends on | CLI |
| --- | --- | --- | --- |
| `Halves` | half of the records; models 2k and 2k + 1 share out all of them | seed, i, records | ``halves`` |
| `Exact` | each record is in exactly half of the models | seed, models, records | ``exact`` |
| `Poisson` | each record with probability ``rate``, independently | seed, i, records | ``poisson:0.5`` |
| `Sized` | ``members`` records, uniformly without replacement | seed, i, records | ``sized:1200`` |
| `Mask` | as the caller says | the mask | ``mask:PATH.npy`` |

A design is ``extendable`` when more models leave the earlier rows as they were: a sweep can then grow. `Exact` is
not. It is the design of the reference code of Carlini et al., "Membership Inference Attacks From First Principles"
(2022); complementary halves give the same balance, one pair of models at a time.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import field
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from jaxattack.npz import UnreadableError, read_npy, reason
from jaxattack.types import InputError, config


@runtime_checkable
class Design(Protocol):
    """Who is in: a frozen configuration that is called with the numbers of models and records, and a seed.

    Attributes:
        extendable: whether adding models leaves the earlier rows as they were.
    """

    extendable: ClassVar[bool]

    @property
    def describe(self) -> str:
        """The design in a word, equal for equal designs; `design` reads it back (except that of `Mask`)."""
        ...

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix.

        Args:
            models: how many models, at least 1.
            records: how many records, at least 1.
            seed: of the draw, at least 0.

        Raises:
            InputError: a number out of range, or a model that would have no members.
        """
        ...

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """The places for members that every model is given: at least as many as any model has.

        The number of training steps follows from it, so where a design is extendable it stays the same as models are
        added.

        Args:
            member: a matrix of this design.
        """
        ...


@config
class Halves:
    """Complementary halves: model 2k has ``records // 2`` records at random, model 2k + 1 all the others.

    Example:
        >>> member = Halves()(models=2, records=5, seed=0)
        >>> bool((member[0] ^ member[1]).all())
        True
    """

    extendable: ClassVar[bool] = True

    @property
    def describe(self) -> str:
        """``halves``."""
        return "halves"

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix (see `Design`)."""
        _check_counts(models, records, seed)
        member = np.zeros((models, records), bool)
        for model in range(0, models, 2):
            members = _generator(seed, model // 2).permutation(records)[: records // 2]
            member[model, members] = True
            member[model + 1 : model + 2] = ~member[model]
        return _with_members(member, self.describe)

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """The larger half (see `Design`)."""
        return -(-member.shape[1] // 2)


@config
class Exact:
    """Every record is in exactly half of the models, at random. Models cannot be added later.

    Example:
        >>> member = Exact()(models=4, records=6, seed=0)
        >>> member.sum(axis=0).tolist()  # each record is in half of the models
        [2, 2, 2, 2, 2, 2]
    """

    extendable: ClassVar[bool] = False

    @property
    def describe(self) -> str:
        """``exact``."""
        return "exact"

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix (see `Design`).

        Raises:
            InputError: an odd number of models.
        """
        _check_counts(models, records, seed)
        if models % 2:
            raise InputError(f"exact: models={models} is odd: give an even number, or use the design halves.")
        half = np.arange(models)[:, np.newaxis] < models // 2
        every = np.broadcast_to(half, (models, records))
        return _with_members(_generator(seed, 0).permuted(every, axis=0), self.describe)

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """As many as the largest model has (see `Design`)."""
        return int(member.sum(axis=1).max())


@config
class Poisson:
    """An independent coin for each model and record.

    Attributes:
        rate: the probability of being in, between 0 and 1.

    Example:
        >>> Poisson(rate=0.5)(models=2, records=1000, seed=0).shape
        (2, 1000)
    """

    rate: float = 0.5
    extendable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise InputError(f"poisson: rate={self.rate}: give a probability between 0 and 1.")

    @property
    def describe(self) -> str:
        """``poisson:RATE``."""
        return f"poisson:{self.rate!r}"

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix (see `Design`)."""
        _check_counts(models, records, seed)
        rows = [_generator(seed, model).random(records) < self.rate for model in range(models)]
        return _with_members(np.stack(rows), self.describe)

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """Six standard deviations above the mean, which one model in a thousand million exceeds (see `Design`)."""
        records = member.shape[1]
        deviation = math.sqrt(records * self.rate * (1 - self.rate))
        return min(records, math.ceil(records * self.rate + 6 * deviation))


@config
class Sized:
    """The same number of members for each model, drawn uniformly without replacement.

    Attributes:
        members: how many, at least 1 and at most the number of records.

    Example:
        >>> Sized(members=3)(models=2, records=6, seed=0).sum(axis=1).tolist()
        [3, 3]
    """

    members: int
    extendable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.members < 1:
            raise InputError(f"sized: members={self.members}: give at least 1.")

    @property
    def describe(self) -> str:
        """``sized:MEMBERS``."""
        return f"sized:{self.members}"

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix (see `Design`).

        Raises:
            InputError: more members than records.
        """
        _check_counts(models, records, seed)
        if self.members > records:
            raise InputError(f"{self.describe} asks for more members than the {records} records there are: lower it.")
        member = np.zeros((models, records), bool)
        for model in range(models):
            member[model, _generator(seed, model).permutation(records)[: self.members]] = True
        return member

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """``members`` (see `Design`)."""
        del member
        return self.members


@config
class Mask:
    """Membership as the caller says.

    Attributes:
        mask: Bool["model record"], of at least as many models as are trained: the first rows are used.
        sha256: of the mask, in hexadecimal; what two such designs are compared by.
    """

    mask: Bool[np.ndarray, "model record"] = field(repr=False, compare=False)
    sha256: str = field(init=False)
    extendable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        mask = np.array(self.mask, order="C")
        if mask.dtype != np.bool_ or mask.ndim != 2:
            raise InputError(
                f"the mask has dtype {mask.dtype} and shape {mask.shape}: give a Boolean array [model, record]."
            )
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "sha256", hashlib.sha256(f"{mask.shape}".encode() + mask.tobytes()).hexdigest())

    @property
    def describe(self) -> str:
        """``mask:`` and the SHA-256 of the mask."""
        return f"mask:{self.sha256}"

    def __call__(self, models: int, records: int, seed: int) -> Bool[np.ndarray, "model record"]:
        """The member matrix (see `Design`); the seed does not matter.

        Raises:
            InputError: a mask of another number of records, or of fewer models.
        """
        _check_counts(models, records, seed)
        if self.mask.shape[0] < models or self.mask.shape[1] != records:
            raise InputError(
                f"the mask has shape {self.mask.shape} and there are {models} models and {records} records: give a "
                "row for each model and a column for each record."
            )
        return _with_members(self.mask[:models].copy(), "mask")

    def slots(self, member: Bool[np.ndarray, "model record"]) -> int:
        """As many as the largest model of the whole mask has (see `Design`)."""
        del member
        return int(self.mask.sum(axis=1).max())


_FORMS = "halves, exact, poisson:RATE, sized:MEMBERS or mask:PATH.npy"


def design(text: str) -> Design:
    """A design as written on the command line (see the table above).

    Raises:
        InputError: another form, or a mask that cannot be read.
    """
    kind, colon, value = text.partition(":")
    try:
        if kind == "halves" and not colon:
            return Halves()
        if kind == "exact" and not colon:
            return Exact()
        if kind == "poisson":
            return Poisson(rate=float(value)) if colon else Poisson()
        if kind == "sized":
            return Sized(members=int(value))
        if kind == "mask" and value:
            return Mask(mask=_read_mask(value))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the design {text!r} has no number after {kind}: write {_FORMS}.") from error
    raise InputError(f"there is no design {text!r}: write {_FORMS}.")


def _read_mask(path: str) -> np.ndarray:
    try:
        return read_npy(Path(path).expanduser())
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"the mask {path} cannot be read ({reason(error)}): write a Boolean array [model, record] with numpy.save."
        ) from error


def _generator(seed: int, index: int) -> np.random.Generator:
    # A spawn key keeps the streams of different indices apart whatever the size of the seed.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def _check_counts(models: int, records: int, seed: int) -> None:
    for name, value, least in (("models", models, 1), ("records", records, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"{name}={value}: give at least {least}.")


def _with_members(member: Bool[np.ndarray, "model record"], describe: str) -> Bool[np.ndarray, "model record"]:
    empty = np.flatnonzero(~member.any(axis=1))
    if len(empty):
        raise InputError(
            f"{describe}: model {empty[0]} would have no members among {member.shape[1]} records: give more records "
            "or a design with more members."
        )
    return member
