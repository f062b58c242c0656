"""What a kind of audit brings to its report; the folder, the look and the words are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from rich.console import RenderableType

from jaxattack.report.measure import Values as Values
from jaxattack.report.style import FORMATS as FORMATS
from jaxattack.report.style import Drawing, save, save_alone, styled
from jaxattack.types import InputError

Pictures = Mapping[int, UInt8[np.ndarray, "height width channel"]]
Draw = Callable[[Values, Pictures], tuple[Figure, str] | None]
"""Findings and pictures of records -> a figure and what it shows, in words; None where there is nothing to draw."""


def of_findings(draw: Callable[[Values], tuple[Figure, str] | None]) -> Draw:
    """A figure that shows no records."""
    return lambda findings, pictures: draw(findings)  # noqa: ARG005 (as every figure is called)


class Choice(NamedTuple):
    """What of a figure is drawn, and under which names.

    Attributes:
        attacks: those that are drawn, in this order; all that are usually, by default.
        names: of the curves; their own by default.
    """

    attacks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


CURVES = 6
"""As many as can be told apart."""


def check_choice(what: str, drawn: Sequence[str], names: Sequence[str]) -> None:
    """Refuse more curves than can be told apart, one twice, and names that are not one for each.

    Raises:
        InputError: it says which.
    """
    if len(drawn) > CURVES:
        raise InputError(f"{what} has {len(drawn)}: choose at most {CURVES}, which can be told apart.")
    if len({*drawn}) < len(drawn):
        raise InputError(
            f"{what} has {next(one for one in drawn if list(drawn).count(one) > 1)!r} twice: name it once."
        )
    if names and len(names) != len(drawn):
        raise InputError(f"names has {len(names)} and {what} {len(drawn)} ({', '.join(drawn)}): give one each.")
    if wrong := [name for name in names if not name.strip() or not name.isprintable()]:
        raise InputError(f"names has {wrong[0]!r:.60}: give printable names.")


def choose_nothing(findings: Values, choice: Choice) -> Values:
    """The findings as they are, where nothing of a figure can be chosen.

    Raises:
        InputError: something is chosen.
    """
    if choice.attacks or choice.names:
        raise InputError(f"the figures of a report on {findings['kind']} are drawn whole: leave attacks and names out.")
    return findings


def draw_all(figures: Mapping[str, Draw], findings: Values, pictures: Pictures) -> dict[str, Drawing]:
    """Every figure that there is something to draw for, by name, in the order of `figures`."""
    with styled():
        drawings = {name: draw(findings, pictures) for name, draw in figures.items()}
        return {name: save(*drawing) for name, drawing in drawings.items() if drawing is not None}


def draw_alone(draw: Draw, findings: Values, pictures: Pictures, form: str) -> bytes | None:
    """One figure as a file of its own, for print; None where there is nothing to draw.

    Args:
        draw: of the figure.
        findings: what it shows.
        pictures: of records.
        form: "pdf", "svg" or "png".
    """
    with styled():
        drawing = draw(findings, pictures)
        return None if drawing is None else save_alone(drawing[0], form)


class Kind(NamedTuple):
    """How the findings of one kind of audit are shown.

    Attributes:
        figures: all that it may draw, by name.
        render: findings and figures, and what is listed of records -> a whole HTML document.
        files: findings -> further text files, by name.
        table: findings -> what a terminal shows.
        headline: findings -> what matters most, in plain sentences.
        choose: findings and what of them is to be drawn -> findings of that alone.
    """

    figures: Mapping[str, Draw]
    render: Callable[..., str]
    files: Callable[[Values], dict[str, str]]
    table: Callable[[Values], RenderableType]
    headline: Callable[[Values], str]
    choose: Callable[[Values, Choice], Values] = choose_nothing
