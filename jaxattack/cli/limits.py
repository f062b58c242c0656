"""Limits on the figures of a report, as ``tpr@0.001=0.02``: above one, a command ends with a status of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jaxattack.error import InputError


class Limit(NamedTuple):
    """A figure and the most that it may be.

    Attributes:
        name: of the figure.
        most: the largest value that is no failure.
    """

    name: str
    most: float

    def __str__(self) -> str:
        return f"{self.name}={self.most:g}"


def limits_from(words: Iterable[str]) -> tuple[Limit, ...]:
    """The limits of some words.

    Raises:
        InputError: a word that is none.
    """
    return tuple(map(_limit, words))


def _limit(word: str) -> Limit:
    name, _, number = word.partition("=")
    try:
        most = float(number)
    except ValueError:
        most = math.nan
    if not name or not math.isfinite(most):
        raise InputError(f"fail-above is {word!r}: give a figure and a limit, as tpr@0.001=0.02 or auc=0.6.")
    return Limit(_canonical(name), most)


def _canonical(name: str) -> str:
    """A name with its rate as reports write it: tpr@1e-3 is tpr@0.001."""
    figure, at, rate = name.partition("@")
    try:
        value = float(rate)
    except ValueError:
        return name
    return f"{figure}{at}{value:.12f}".rstrip("0").rstrip(".")


def check_limits(limits: Iterable[Limit], names: Iterable[str]) -> None:
    """Refuse a limit on a figure that there is not.

    Raises:
        InputError: it lists those that there are.
    """
    known = tuple(names)
    for limit in limits:
        if limit.name not in known:
            choices = f"choose from {', '.join(known)}" if known else "leave it out: nothing here is measured so"
            raise InputError(f"fail-above is {limit} and {limit.name} is not measured: {choices}.")


def violations(limits: Iterable[Limit], figures: Mapping[str, float | None]) -> list[str]:
    """What is above its limit, in a sentence each.

    Raises:
        InputError: a limit on a figure that was not measured: nothing says that it holds.
    """
    finite = {name: value for name, value in figures.items() if value is not None}
    bounds = tuple(limits)
    check_limits(bounds, finite)
    return [
        f"{limit.name} is {finite[limit.name]:.4g}, above its limit of {limit.most:g}."
        for limit in bounds
        if finite[limit.name] > limit.most
    ]
