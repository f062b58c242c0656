"""Records that are pictures, in rows and columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from jaxattack.report.style import WIDE

Picture = UInt8[np.ndarray, "height width channel"]


def grid(
    rows: Sequence[Sequence[Picture | None]],
    words: Sequence[str],
    titles: Sequence[str],
    stretched: Collection[int] = (),
) -> Figure:
    """A figure of pictures.

    Args:
        rows: the pictures; None leaves a place empty.
        words: beside each row.
        titles: above each column.
        stretched: the rows whose contrast is stretched from black to white.
    """
    across = len(titles)
    shape = next(picture for row in rows for picture in row if picture is not None).shape
    side = WIDE / max(across, 5)
    figure = Figure(figsize=(side * across + 0.5, side * shape[0] / shape[1] * len(rows) + 0.3))
    for at, row in enumerate(rows):
        for column, picture in enumerate(row):
            axes = figure.add_subplot(len(rows), across, at * across + column + 1)
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set_visible(False)
            if picture is not None:
                pixels = _stretched(picture) if at in stretched else picture
                axes.imshow(
                    pixels if pixels.shape[-1] == 3 else pixels[..., 0],
                    cmap="gray",
                    vmin=0,
                    vmax=255,
                    interpolation="nearest",
                )
            if at == 0:
                axes.set_title(titles[column], fontsize=7, pad=2)
            if column == 0:
                axes.set_ylabel(words[at], fontsize=6.5, labelpad=2)
    return figure


def _stretched(picture: Picture) -> Picture:
    """Its contrast from black to white, for a reconstruction is as faint as the victim lets it be."""
    low, high = np.percentile(picture, (1, 99))
    return np.clip((picture - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
