"""How a command ends: its exit status, and the sentence that goes before it."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

BAD_INPUT, ABOVE_LIMIT, UNFINISHED, INTERRUPTED = 2, 3, 4, 130

STATUSES = {
    0: "done",
    BAD_INPUT: "the input cannot be used: one sentence says why",
    ABOVE_LIMIT: "all is written, and a figure is above its limit (`--fail-above`)",
    UNFINISHED: "all is written, and the attack stopped before its end, as where its budget was gone; an attack that came to its "
    "end and found little, or that nothing verifies, is done, and so is a theft that trains a substitute on as many answers as it gets",
    INTERRUPTED: "stopped by Ctrl-C: the same command goes on, or begins anew, as it says",
}
"""What each exit status means."""


def status_help() -> str:
    """The exit statuses for the help, in Markdown."""
    return "Exit status:\n\n" + "\n".join(f"- **{number}**: {meaning}" for number, meaning in STATUSES.items())


def end(status: int, sentence: str) -> NoReturn:
    """Say why a command ends as it does, and end it."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"jaxattack: {sentence}", markup=False)
    raise SystemExit(status) from None
