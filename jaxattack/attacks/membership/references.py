"""Which models are a target's references, and sums over them: the one way by which attacks take references.

Every model is a target in turn, and a target's references are other models of the same sweep. They must not know whom the
target was trained on, as no outside adversary's references would. Two protocols:

- "independent", the default, which reads off the member matrix how members were drawn:

  | the member matrix shows | references of a target | so that |
  | --- | --- | --- |
  | models with the target's members, or with exactly all others (`Halves`) | all models but these | none answers for or against the target, and a record has as many in and out whether the target has it or not |
  | else, every record in the same number of models (`Exact`) | all others but, for each record, one of the side opposite to the target's, drawn by key | a record has as many in and out whether the target has it or not |
  | neither (`Poisson`, `Sized`) | all others | nothing is to be mended |

- "leave-one-out", the published form: all models but the target, whatever the design.

Measured on complementary halves without any leak, leave-one-out at 4 models: AUC .415 (lira-online), .376 (with Bayesian
variance), .398 (attack-r), .534 (calibration); `scripts/null_membership.py` prints such tables for both protocols.

Under "independent" sums are exact: values are rounded beforehand to a grid on which no sum of a record's values rounds, so
that order does not matter and a value that is taken away leaves no trace. Targets with the same answer, whose references
have the same answers, then have the same score to the bit; a last bit that differs would be a tie that membership breaks.
A record's grid is at most 2^-50 of the sum of its absolute values. All targets together cost one pass over the models, and
one look-up a target and model left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.complements import complement_groups, draw_opposite, equal_counts
from jaxattack.attacks.membership.leave_one_out import leave_one_out
from jaxattack.metrics.clusters import once
from jaxattack.types import InputError, Side

PROTOCOLS = ("independent", "leave-one-out")
BIN = 16 * math.log(2)  # nats; confidences are added up in bins of this width, where the grid resolves 2^-25 of each


def check_protocol(protocol: str) -> None:
    """Refuses a protocol that does not exist.

    Raises:
        InputError: not one of `PROTOCOLS`.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol is {protocol!r}: choose from {', '.join(PROTOCOLS)}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class References:
    """The references of some targets.

    Attributes:
        targets: the models under attack, each once.
        left_out: models that are no references beside the target itself, for each target and record; -1 for none. The
            record axis has length 1 where all records leave out the same.
        exact: whether sums are exact in any order; else they are those of the published protocol.
    """

    targets: Int[np.ndarray, "target"]
    left_out: tuple[Int[np.ndarray, "target #record"], ...]
    exact: bool

    def of(self, block: slice) -> References:
        """The same for a block of the records."""
        parts = tuple(models if models.shape[1] == 1 else models[:, block] for models in self.left_out)
        return dataclasses.replace(self, left_out=parts)

    @cached_property
    def twins(self) -> Int[np.ndarray, "set twin"]:
        """The rows of the targets of each set, as `shared_references` has them."""
        rows = np.arange(len(self.targets))[:, None]
        if self.left_out and all(models.shape[1] == 1 for models in self.left_out):
            apart = np.sort(np.stack([self.targets, *(models[:, 0] for models in self.left_out)]), axis=0)
            _, inverse, count = np.unique(apart, axis=1, return_inverse=True, return_counts=True)
            if (count == count[0]).all():
                rows = np.argsort(inverse.ravel(), kind="stable").reshape(-1, count[0])
        return rows

    def rows(self, rows: Int[np.ndarray, "row"]) -> References:
        """Those of some of the targets."""
        return dataclasses.replace(
            self, targets=self.targets[rows], left_out=tuple(models[rows] for models in self.left_out)
        )

    def prepare(self, values: Float[np.ndarray, "model record *query"]) -> Float[np.ndarray, "model record *query"]:
        """Values made ready to be added up over models, in place."""
        return on_grid(values) if self.exact else values

    def count(self, side: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "target record"]:
        """How many references are on a side of membership."""
        out = side.sum(axis=0, dtype=np.int32) - side[self.targets]
        for models in self.left_out:
            out -= entries(side, models)
        return out

    def total(
        self, values: Float[np.ndarray, "model record *query"], side: Bool[np.ndarray, "model record"]
    ) -> Float[np.ndarray, "target record *query"]:
        """The sum of prepared values, which are finite, over the references on a side of membership."""
        # NumPy loops over an axis that is stretched, here the queries, a few values at a time.
        each = np.repeat(side, math.prod(values.shape[2:]), axis=1).reshape(values.shape)
        if not self.exact:
            return leave_one_out(np.add, 0.0, np.where(each, values, 0.0), self.targets)
        return self._of_references(values * each)

    def totals(
        self, values: Float[np.ndarray, "model record *query"], sides: Mapping[Side, Bool[np.ndarray, "model record"]]
    ) -> dict[Side, Float[np.ndarray, "target record *query"]]:
        """The same of each side; where sums are exact, one side is what the other leaves of all references."""
        if not self.exact or len(sides) < 2:
            return {side: self.total(values, models) for side, models in sides.items()}
        inside, outside = self.total(values, sides["in"]), self._of_references(values)
        outside -= inside
        return {"in": inside, "out": outside}

    def _of_references(
        self, values: Float[np.ndarray, "model record *query"]
    ) -> Float[np.ndarray, "target record *query"]:
        """The exact sum of all values but those of the target and of the models that are left out."""
        out = values.sum(axis=0) - values[self.targets]
        for models in self.left_out:
            out -= entries(values, models)
        return out

    def log_means(
        self, x: Float[np.ndarray, "model record query"], sides: Mapping[Side, Bool[np.ndarray, "model record"]]
    ) -> dict[Side, Float[np.ndarray, "target record query"]]:
        """The logarithm of the mean of exp(x) over the references on each side, of which every record has one at least.

        Exact sums are taken in bins of `BIN` nats, counted from the record's largest value, since one grid does not hold
        confidences of all sizes; the bins are then joined from the largest on.
        """
        counts = {side: np.log(self.count(models)[:, :, None]) for side, models in sides.items()}
        if not self.exact:
            means = {}
            for side, models in sides.items():
                own = np.where(models[:, :, None], x, -math.inf)
                means[side] = leave_one_out(np.logaddexp, -math.inf, own, self.targets) - counts[side]
            return means
        top = x.max(axis=0)
        below = top - x
        bin_of = np.floor(below / BIN)
        sums: dict[Side, np.ndarray] = {}
        number = 0.0
        while number < math.inf:
            # Bins are that wide, but for rounding: far down, that of the product is any number.
            share = np.exp(np.clip(number * BIN - below, -2 * BIN, 1.0))
            share *= bin_of == number
            for side, total in self.totals(self.prepare(share), sides).items():
                part = np.log(total, out=np.full(total.shape, -math.inf), where=total > 0)
                part -= number * BIN
                sums[side] = np.logaddexp(sums[side], part) if side in sums else part
            number = float(np.where(bin_of > number, bin_of, math.inf).min())
        return {side: one + top - counts[side] for side, one in sums.items()}

    def includes(self, models: Int[np.ndarray, "target"], records: int) -> Bool[np.ndarray, "target record"]:
        """At which records a model, one for each target, is a reference of it.

        Where every record is in the same number of models, a model has fewer records in common with the target than chance
        has; at the records where it is a reference it has as many in common as not.
        """
        out = np.repeat((models != self.targets)[:, None], records, axis=1)
        for left_out in self.left_out:
            out &= left_out != models[:, None]
        return out


def shared_references(references: References) -> tuple[References, Int[np.ndarray, "set twin"]]:
    """Those of one target of each set with the same references, and the rows of the targets of each set.

    A target and its complement have the same: what is said of references need be computed once for both. The sets are of one
    size; where that cannot be, or references differ by record, every target is a set.
    """
    return references.rows(references.twins[:, 0]), references.twins


class TooFewReferences(InputError):
    """There are too few models for an attack; others may still be run on the same observations."""


@once
def choose_references(
    member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"], protocol: str
) -> References:
    """The references of each target under a protocol (see the module's table).

    Args:
        member: the truth.
        targets: the models under attack, each once.
        protocol: one of `PROTOCOLS`.
    """
    if protocol == "leave-one-out":
        return References(targets=targets, left_out=(), exact=False)
    group, side = complement_groups(member)
    together = group[targets][:, None] == group
    together[np.arange(len(targets)), targets] = False
    count = together.sum(axis=1)
    table = np.argsort(~together, axis=1, kind="stable")[:, : count.max()]
    table[np.arange(table.shape[1]) >= count[:, None]] = -1
    left_out = [table[:, [at]] for at in range(table.shape[1])]
    if equal_counts(member):
        partners = [row[row >= 0] for row in table]
        # Twins and complements that are left out may leave a record as many in and out already, as in pairs.
        surplus = [abs(int(side[t] + side[row].sum())) for t, row in zip(targets, partners, strict=True)]
        if any(surplus):
            left_out.extend(draw_opposite(member, targets, partners, surplus))
    return References(targets=targets, left_out=tuple(left_out), exact=True)


def model_groups(member: Bool[np.ndarray, "model record"], protocol: str) -> Int[np.ndarray, "model"]:
    """For each model a number that it shares with the models which are no references of it under a protocol, for every
    record."""
    return np.arange(len(member)) if protocol == "leave-one-out" else complement_groups(member)[0]


def query_folds(member: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "model"]:
    """Two folds of the models, 0 and 1: queries that are optimised on one are asked of the other.

    Models that have the same members, or exactly all others, are in one fold, so that the surrogates of a target do not know
    its members.
    """
    return complement_groups(member)[0] % 2


def validation_models(member: Bool[np.ndarray, "model record"]) -> Bool[np.ndarray, "model"]:
    """Every fourth group of some models, the second first: who judges what is found on the others."""
    return np.unique(complement_groups(member)[0], return_inverse=True)[1] % 4 == 1


def choose_shadows(
    group: Int[np.ndarray, "model"], targets: Int[np.ndarray, "target"], place: int = 0
) -> Int[np.ndarray, "target"]:
    """For each target a reference that plays the target: the first of models t + 2, t + 3, ... outside its group.

    Args:
        group: as `model_groups` has it.
        targets: the models under attack.
        place: how many of those models to pass over; where no other is left, the target itself stands.
    """
    following = (targets[:, None] + 2 + np.arange(len(group))) % len(group)
    rank = np.cumsum(group[following] != group[targets, None], axis=1)
    chosen = following[np.arange(len(targets)), (rank == place + 1).argmax(axis=1)]
    return np.where(rank[:, -1] > place, chosen, targets)


class Shadow(NamedTuple):
    """A reference that plays a target.

    Attributes:
        model: its number.
        records: at which records it is a reference of the target; its membership is read there alone.
    """

    model: int
    records: Bool[np.ndarray, "record"]

    def members(self, member: Bool[np.ndarray, "model record"], attack: str) -> Bool[np.ndarray, "known"]:
        """Which of its records it was trained on.

        Raises:
            TooFewReferences: all of them, or none; ``attack`` is who needs some of each side.
        """
        inside = member[self.model, self.records]
        if inside.all() or not inside.any():
            raise TooFewReferences(
                f"{attack}: the shadow model has {inside.sum()} members among {len(inside)} records: give it some of each side."
            )
        return inside


def shadows_of(
    member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"], protocol: str
) -> list[Shadow]:
    """The shadow of each target under a protocol, as `choose_shadows` chooses it."""
    return [first for (first,) in several_shadows_of(member, targets, protocol, 1)]


@once
def several_shadows_of(
    member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"], protocol: str, most: int
) -> list[list[Shadow]]:
    """So many shadows of each target under a protocol, or as many as it has references, in the order of `choose_shadows`."""
    group, references = model_groups(member, protocol), choose_references(member, targets, protocol)
    shadows: list[list[Shadow]] = [[] for _ in targets]
    for place in range(min(most, len(member) - 1)):
        models = choose_shadows(group, targets, place)
        records = references.includes(models, member.shape[1])
        for own, target, model, row in zip(shadows, targets, models, records, strict=True):
            if model != target:
                own.append(Shadow(int(model), row))
    return shadows


def entries(values: np.ndarray, models: Int[np.ndarray, "target #record"]) -> np.ndarray:
    """values[model, record] of one model for each target and record, 0 where the model is -1."""
    if models.shape[1] == 1:
        out = values[models[:, 0]]
        out[models[:, 0] < 0] = 0
        return out
    out = values[models, np.arange(values.shape[1])]
    out[models < 0] = 0
    return out


def on_grid(values: Float[np.ndarray, "model *rest"]) -> Float[np.ndarray, "model *rest"]:
    """Rounds values, in place, to multiples of a power of two such that sums over models are exact in any order.

    With S the sum of a column's absolute values, S < 2^e, the grid is 2^(e - 51): every sum of some of the values is a
    multiple of it below 2^(e + 1), which float64 holds. Adding and taking away 3 * 2^e rounds to it.
    """
    lift = np.ldexp(3.0, np.frexp(np.abs(values).sum(axis=0))[1])
    values += lift
    values -= lift
    return values
