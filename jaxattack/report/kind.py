"""What a kind of audit brings to its report; the folder, the look and the words are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from rich.console import RenderableType

from jaxattack.report.measure import Measure
from jaxattack.report.measure import Values as Values
from jaxattack.report.style import Drawing, save, styled

Pictures = Mapping[int, UInt8[np.ndarray, "height width channel"]]
Draw = Callable[[Values, Pictures], tuple[Figure, str] | None]
"""Findings and pictures of records -> a figure and what it shows, in words; None where there is nothing to draw."""


def of_findings(draw: Callable[[Values], tuple[Figure, str] | None]) -> Draw:
    """A figure that shows no records."""
    return lambda findings, pictures: draw(findings)  # noqa: ARG005 (as every figure is called)


def draw_all(figures: Mapping[str, Draw], findings: Values, pictures: Pictures) -> dict[str, Drawing]:
    """Every figure that there is something to draw for, by name, in the order of `figures`."""
    with styled():
        drawings = {name: draw(findings, pictures) for name, draw in figures.items()}
        return {name: save(*drawing) for name, drawing in drawings.items() if drawing is not None}


class Kind(NamedTuple):
    """How the findings of one kind of audit are shown.

    Attributes:
        needed: parts of the findings without which there is nothing to show.
        figures: all that it may draw, by name.
        render: findings and figures, and what is listed of records -> a whole HTML document.
        files: findings -> further text files, by name.
        table: findings -> what a terminal shows.
        headline: findings -> what matters most, in plain sentences.
        measures: figures that a limit may be set on, by name, what matters most first.
        unfinished: findings -> why the attack stopped before its end, in a sentence; empty where it did not.
    """

    needed: tuple[str, ...]
    figures: Mapping[str, Draw]
    render: Callable[..., str]
    files: Callable[[Values], dict[str, str]]
    table: Callable[[Values], RenderableType]
    headline: Callable[[Values], str]
    measures: Mapping[str, Measure] = MappingProxyType({})
    unfinished: Callable[[Values], str] = lambda findings: ""  # noqa: ARG005 (most have no end but their own)
