"""What every room shares: how bad input is refused, and how progress is told."""

from __future__ import annotations

import math
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class InputError(ValueError):
    """What the caller asked for cannot be done; the message names the field, the value and the remedy.

    The command line prints the message as one sentence and exits with status 2.

    Example:
        >>> ja.Recipe(epochs=0)
        Traceback (most recent call last):
        ...
        jaxattack.error.InputError: epochs is 0: ...
    """


class FolderError(InputError):
    """A folder does not hold what is asked of it, or cannot be written to: damage, a full disk, another run.

    Other than what an attack or a defence refuses by itself, it is true of the disk as it is now and no finding.
    """


class InputWarning(UserWarning):
    """What the caller gave was taken, and the message says how or with what loss: names, counts and the remedy.

    The command line prints the message as one sentence and goes on.
    """


def at_least(least: int, **fields: int | None) -> None:
    """Refuse a field that is given and lower.

    Raises:
        InputError: it names the first.
    """
    for name, value in fields.items():
        if value is not None and value < least:
            raise InputError(f"{name} is {value}: give at least {least}.")


def above_zero(**fields: float) -> None:
    """Refuse a field that is not a finite number above 0.

    Raises:
        InputError: it names the first.
    """
    for name, value in fields.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} is {value}: give a number above 0.")


def within_memory(values: int, **fields: int | str) -> None:
    """Refuse fields that ask for more numbers at once than free memory holds, in float64 and with a copy.

    Args:
        values: how many numbers the fields ask for.
        fields: what is refused.

    Raises:
        InputError: it names the fields, what they need and what is free.
    """
    import psutil  # here alone: without it a mistaken option is told sooner

    need, free = 16 * values, psutil.virtual_memory().available
    if need > free:
        names = " and ".join(f"{name} is {_text_of(value)}" for name, value in fields.items())
        raise InputError(f"{names}: that takes {need / 2**30:,.0f} GiB and {free / 2**30:,.0f} are free: give fewer.")


def _text_of(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
