"""What a kind of audit brings to its report; the folder, the look and the words are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from rich.console import RenderableType

from jaxattack.report.style import Drawing

Values = Mapping[str, Any]
Pictures = Mapping[int, UInt8[np.ndarray, "height width channel"]]


class Kind(NamedTuple):
    """How the findings of one kind of audit are shown.

    Attributes:
        needed: parts of the findings without which there is nothing to show.
        figures: the names of all figures it may draw.
        draw: findings and pictures of records -> the figures there are, by name.
        render: findings and figures -> a whole HTML document.
        files: findings -> further text files, by name.
        table: findings -> what a terminal shows.
        headline: findings -> what matters most, in plain sentences.
    """

    needed: tuple[str, ...]
    figures: tuple[str, ...]
    draw: Callable[[Values, Pictures], dict[str, Drawing]]
    render: Callable[[Values, Mapping[str, Drawing]], str]
    files: Callable[[Values], dict[str, str]]
    table: Callable[[Values], RenderableType]
    headline: Callable[[Values], str]
