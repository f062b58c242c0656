"""What every room shares: how bad input is refused, and how progress is told."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class InputError(ValueError):
    """What the caller asked for cannot be done; the message names the field, the value and the remedy.

    The command line prints the message as one sentence and exits with status 2.
    """
