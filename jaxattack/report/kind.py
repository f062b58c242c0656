"""What a kind of audit brings to its report; the folder, the look and the words are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from rich.console import RenderableType

from jaxattack.report.measure import Measure
from jaxattack.report.measure import Values as Values
from jaxattack.report.style import Drawing

Pictures = Mapping[int, UInt8[np.ndarray, "height width channel"]]


class Kind(NamedTuple):
    """How the findings of one kind of audit are shown.

    Attributes:
        needed: parts of the findings without which there is nothing to show.
        figures: the names of all figures it may draw.
        draw: findings and pictures of records -> the figures there are, by name.
        render: findings and figures, and what is listed of records -> a whole HTML document.
        files: findings -> further text files, by name.
        table: findings -> what a terminal shows.
        headline: findings -> what matters most, in plain sentences.
        measures: figures that a limit may be set on, by name, what matters most first.
        unfinished: findings -> why the attack stopped before its end, in a sentence; empty where it did not.
    """

    needed: tuple[str, ...]
    figures: tuple[str, ...]
    draw: Callable[[Values, Pictures], dict[str, Drawing]]
    render: Callable[..., str]
    files: Callable[[Values], dict[str, str]]
    table: Callable[[Values], RenderableType]
    headline: Callable[[Values], str]
    measures: Mapping[str, Measure] = MappingProxyType({})
    unfinished: Callable[[Values], str] = lambda findings: ""  # noqa: ARG005 (most have no end but their own)
