"""Names beside points, placed so that few of them overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

_SIZE = 5.6
_WIDE, _HIGH = 0.52, 1.15
"""Of a letter, in font sizes."""
_OFFSETS = tuple(
    (side, height) for height in (0.0, 0.6, -0.6, 1.3, -1.3, 2.1, -2.1, 2.9, -2.9) for side in ("left", "right")
)
"""Where a name may stand: to the right or to the left of its point, so many lines above it; the nearest first."""


def put_labels(
    axes: Axes, points: Sequence[tuple[float, float, str]], nameless: Sequence[tuple[float, float]] = ()
) -> None:
    """Write a name beside each point, one after the other, where it covers least of what is there.

    Args:
        axes: with its limits settled.
        points: x, y and name.
        nameless: x and y of markers that have no name and are not to be covered.
    """
    axes.autoscale_view()
    left, right = axes.get_xlim()
    axes.set_xlim(left, right)
    markers = [(x, y) for x, y, _ in points] + [*nameless]
    places = np.array([axes.transData.transform(marker) for marker in markers]).reshape(-1, 2) * 72 / axes.figure.dpi
    box = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted()).extents * 72  # in points
    boxes = [(x - 2, y - 2, x + 2, y + 2) for x, y in places]
    for (x, y), (at, height_at, name) in zip(places[: len(points)], points, strict=True):
        width, height = _WIDE * _SIZE * len(name), _HIGH * _SIZE

        def extent(side: str, lines: float, x=x, y=y, width=width, height=height) -> tuple[float, float, float, float]:
            start = x + 4 if side == "left" else x - 4 - width
            bottom = y + lines * height - height / 2
            return start, bottom, start + width, bottom + height

        side, lines = min(_OFFSETS, key=lambda offset: _covered(extent(*offset), boxes, box))
        boxes.append(extent(side, lines))
        axes.annotate(
            name, (at, height_at), xytext=(4 if side == "left" else -4, lines * height), textcoords="offset points",
            ha=side, va="center_baseline", fontsize=_SIZE,
        )  # fmt: skip


def _covered(one: tuple[float, ...], others: Sequence[tuple[float, ...]], frame: Sequence[float]) -> float:
    """The area that a box shares with others, or lies outside of a frame."""
    area = (one[2] - one[0]) * (one[3] - one[1])
    shared = sum(_overlap(one, other) for other in others)
    return shared + (area - _overlap(one, frame))


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
