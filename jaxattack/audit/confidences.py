"""Logits or probabilities that other code wrote, as logits from which every signal is finite.

- Probabilities are told from logits by their rows: none negative, but for rounding, with a sum of 1 (or 100, in percent).
  Under the other name they are refused: every signal of theirs would be another number. So are logits that all lie from 0 to 1: the largest
  few probabilities with zeros for the rest, or one sigmoid a class. Logits of a trained model differ by more than 1. So are
  probabilities and logarithms on another scale (`jaxattack.oracle.likelihood_scale`), and rows of probabilities among logits.
- A class of probability 0 (a logit of minus infinity) that is not the label adds nothing. It is put `MASKED` below the
  least other logit, where its softmax is exactly 0 in float32; Taylor's confidence alone, which reads logits without their
  differences, has its floor there.
- phi is infinite where the label's probability is 0 or 1. It is bounded by what the file can tell apart: 0 is taken as
  half of its smallest step, at the label or at all other classes together. The step of probabilities rounded to d
  decimals is 10^-d; of others, the smallest positive one of the file or the spacing of its numbers at 1, whichever is
  smaller. The step of logits is the smallest positive number of their kind, as they are written as logarithms of such.
- NaN and plus infinity stay NaN, and are told by their places on the file's own axes.

From probabilities Taylor's confidence is that of their logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from jaxattack.oracle.likelihood_scale import other_scale
from jaxattack.types import InputError

MASKED = 1e4
"""How far below the least other logit a class of probability 0 is put."""

SUM = 1e-3
"""How far the sum of a row of probabilities may be from 1, at least; what ONNX victims are allowed too."""

RECOGNISED = 0.25
"""How far it may be where rows are recognised as probabilities: rounding of many classes must not take in zeros."""

MIXED = 1e-5
"""How far from 1 the sum of a row of probabilities among logits may be: rounded logits come near it by chance."""

BELOW = 1e-6
"""How far below 0 a probability may be by the rounding of what it is computed from, as 1 less a sum in float32."""

CUT = ", and cut what rounding left below 0, as numpy.maximum(p, 0)"

Kind = Literal["logits", "probability"]


class Confidences(NamedTuple):
    """What a file says of every class.

    Attributes:
        kind: "logits" or "probability".
        values: as they are in the file.
        label: the true class of each record.
        decimals: to which the values are rounded; None where they are not.
        step: the smallest probability that the file can tell from 0.
    """

    kind: Kind
    values: Float[np.ndarray, "model record query cls"]
    label: Int[np.ndarray, "record"]
    decimals: int | None
    step: float

    def logits(self) -> Iterator[Float[np.ndarray, "record query cls"]]:
        """Of each model, in float32; NaN where the file holds no confidence."""
        for one in self.values:
            with np.errstate(divide="ignore"):
                z = np.log(one.astype(np.float64)) if self.kind == "probability" else one
            yield bounded_logits(z, self.label, self.step)

    def saturated(self) -> int:
        """How many answers give the label a probability of 0 or 1, as far as the file can tell; none that is NaN."""
        nothing = 0 if self.kind == "probability" else -np.inf
        there = self.values > nothing
        own = there[:, np.arange(len(self.label)), :, self.label].swapaxes(0, 1)  # the axes that are picked come first
        alone = there.sum(axis=-1) == 1
        finite = there.any(axis=-1) & ~(np.isnan(self.values) | np.isposinf(self.values)).any(axis=-1)
        return int((finite & (~own | alone)).sum())


def read_confidences(
    where: str, kind: Kind, values: Float[np.ndarray, "model record query cls"], label: Int[np.ndarray, "record"]
) -> Confidences:
    """Check an array of logits or probabilities.

    Args:
        where: the file, for messages.
        kind: the name that the array has in it.
        values: the array.
        label: the true class of each record.

    Raises:
        InputError: the rows are of the other kind, or of neither.
    """
    for model, one in enumerate(values):
        check_kind(where, kind, one, model)
    decimals = _decimals(values)
    return Confidences(kind, values, label, decimals, _step(kind, values, decimals))


def check_kind(where: str, kind: Kind, values: Float[np.ndarray, "*record cls"], model: int) -> None:
    """Refuse a model's rows that are not of the kind that they are called.

    Args:
        where: the file, for messages.
        kind: what the rows are called.
        values: what one model says.
        model: its number, for messages.

    Raises:
        InputError: the rows are of the other kind, or of neither.
    """
    rows, slack = _finite_rows(values)
    if kind == "probability":
        _require_probabilities(where, model, rows, slack)
    elif total := _summing(rows, min(slack, RECOGNISED)):
        raise InputError(
            f"{where}: logits of model {model} are not negative and sum to {total} in every row, as probabilities do: "
            f"give them under the name probability{'' if total == 1 else ', divided by 100'}{CUT if rows.min() < 0 else ''}."
        )
    elif _shares(rows):
        raise InputError(
            f"{where}: logits of model {model} all lie from 0 to 1 without a sum of 1, as the largest probabilities or one "
            "sigmoid a class do: give logits of every class, or probabilities that sum to 1, under the name probability."
        )
    else:
        _require_natural_logits(where, model, rows)


def recognise_kind(values: Float[np.ndarray, "*record cls"]) -> Kind:
    """What a model's rows are: probabilities where none is negative and each sums to 1, logits otherwise."""
    rows, slack = _finite_rows(values)
    return "probability" if _summing(rows, min(slack, RECOGNISED)) == 1 else "logits"


def _finite_rows(values: Float[np.ndarray, "*record cls"]) -> tuple[Float[np.ndarray, "row cls"], float]:
    """The rows without NaN or infinity, and how far the sum of one may be from 1."""
    slack = _slack(values, _decimals(values[np.newaxis]))
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    return rows[np.isfinite(rows).all(axis=1)], slack


def bounded_logits(
    z: Float[np.ndarray, "record query cls"], label: Int[np.ndarray, "record"], step: float
) -> Float[np.ndarray, "record query cls"]:
    """Logits in float32 with every minus infinity made finite, as the module says; NaN where there is no confidence.

    Args:
        z: of one model.
        label: the true class of each record.
        step: the smallest probability that can be told from 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _bounded(z.astype(np.float64), label, np.log(step) - np.log(2)).astype(np.float32)


def _bounded(
    z: Float[np.ndarray, "record query cls"], label: Int[np.ndarray, "record"], floor: float
) -> Float[np.ndarray, "record query cls"]:
    """Logits with every minus infinity made finite: the label's at a floor, the others' far below the largest."""
    z = np.where(np.isposinf(z), np.nan, z)
    own = np.arange(z.shape[-1]) == label[:, None, None]
    zero = np.isneginf(z)
    largest = z.max(axis=-1, keepdims=True)
    total = np.asarray(logsumexp(z, axis=-1, keepdims=True))
    others = z.shape[-1] - 1
    alone = (zero | own).all(axis=-1, keepdims=True)
    z = np.where(zero, np.minimum(np.where(zero, np.inf, z).min(axis=-1, keepdims=True), largest) - MASKED, z)
    z = np.where(zero & own, total + floor, z)
    return np.where(alone & ~own, total + floor - np.log(others), z)


def _require_natural_logits(where: str, model: int, rows: Float[np.ndarray, "row cls"]) -> None:
    """Refuse logarithms to another base, probabilities times a number, and rows of probabilities among others.

    A row of raw outputs of four and more classes that none is negative and sums to 1 to five digits is a rarity: one in
    fifty is no chance.
    """
    if scale := other_scale(rows):
        what, remedy = scale
        raise InputError(f"{where}: logits of model {model} are {what} in every row: {remedy}.")
    probabilities = (rows >= -BELOW).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) < MIXED)
    if rows.shape[1] > 3 and probabilities.sum() > max(2, 0.02 * len(rows)):
        raise InputError(
            f"{where}: logits of model {model} hold {int(probabilities.sum())} rows of {len(rows)} that are probabilities, none "
            "negative with a sum of 1, and others that are not: give either in every row."
        )


def _require_probabilities(where: str, model: int, rows: Float[np.ndarray, "row cls"], slack: float) -> None:
    if not len(rows):
        return
    if rows.min() < 0:
        remedy = "give logits, or logarithms of probabilities, under the name logits"
        if _summing(rows, slack):
            remedy = CUT.removeprefix(", and ")
        raise InputError(f"{where}: probability of model {model} holds {rows.min():g}, which is negative: {remedy}.")
    total = rows.sum(axis=1)
    worst = float(total[np.abs(total - 1).argmax()])
    if abs(worst - 1) > slack:
        percent = _summing(rows, slack) == 100
        raise InputError(
            f"{where}: a row of probability of model {model} sums to {worst:g}: "
            + ("divide by 100." if percent else "give one probability a class, which sum to 1 over the classes.")
        )


def _summing(rows: Float[np.ndarray, "row cls"], slack: float) -> int | None:
    """What every row sums to, 1 or 100, where none is negative but for rounding; None where they are no probabilities."""
    if not len(rows) or rows.min() < -BELOW:
        return None
    totals = rows.sum(axis=1)
    return next((total for total in (1, 100) if np.abs(totals / total - 1).max() <= slack), None)


def _shares(rows: Float[np.ndarray, "row cls"]) -> bool:
    """Whether all numbers lie from 0 to 1, and are not all the same, as those of a model that answers nothing are."""
    return bool(len(rows)) and 0 <= rows.min() < rows.max() <= 1


def _slack(values: np.ndarray, decimals: int | None) -> float:
    """How far the sum of a row may be from 1: by the roundings of its classes."""
    rounding = 0.0 if decimals is None else values.shape[-1] * 0.5 * 10.0**-decimals
    return max(SUM, 4 * float(np.finfo(values.dtype).eps), rounding)


def _decimals(values: np.ndarray) -> int | None:
    """The fewest decimals to which every value is rounded, up to 6 and as far as the numbers resolve them."""
    spacing = float(np.finfo(values.dtype).eps)
    fewest = 0
    for one in values:  # a model at a time: most files are told by their first
        finite = one[np.isfinite(one)].astype(np.float64)
        while not (_rounded(finite[:99], fewest, spacing) and _rounded(finite, fewest, spacing)):
            fewest += 1
            if fewest > 6 or 10.0**fewest * spacing > 0.01:
                return None
    return fewest


def _rounded(finite: Float[np.ndarray, "value"], decimals: int, spacing: float) -> bool:
    scaled = finite * 10.0**decimals
    nearest = np.rint(scaled)
    slip = 10.0**decimals * spacing * np.maximum(np.abs(finite), 1)
    vanished = (nearest == 0) & (finite != 0)
    return bool((np.abs(scaled - nearest) <= slip).all() and not vanished.any())


def _step(kind: Kind, values: np.ndarray, decimals: int | None) -> float:
    info = np.finfo(values.dtype)
    if kind == "logits":
        return float(info.smallest_subnormal)
    if decimals is not None:
        return 10.0**-decimals
    return min(float(np.min(values, where=values > 0, initial=1.0)), float(info.eps))


def told_places(where: str, name: str, bad: Bool[np.ndarray, "model record *rest"]) -> str:
    """In a sentence, where an array is NaN or infinite, on its own axes, and what follows.

    Raises:
        InputError: fewer than half of the records are without.
    """
    first = tuple(map(int, np.argwhere(bad)[0]))
    last = "cls" if name in ("logits", "probability") else "query"
    by_model = bad.reshape(*bad.shape[:2], -1).any(axis=2)
    records = int(by_model.any(axis=0).sum())
    axes = {2: "[model, record]", 3: f"[model, record, {last}]", 4: "[model, record, query, cls]"}[bad.ndim]
    places = f"{where}: {name} is NaN or infinite in {int(bad.sum())} places, first at {first} of {axes}"
    if 2 * records <= bad.shape[1]:
        return f"{places}: {records} of {bad.shape[1]} records are left out for it."
    most = np.flatnonzero(2 * by_model.sum(axis=1) > bad.shape[1])
    models = f"leave out the models that answer so ({', '.join(map(str, most[:5]))})" if len(most) else "mend them"
    raise InputError(
        f"{places}, in {records} of {bad.shape[1]} records, too many to leave out: {models}, or observe anew."
    )
