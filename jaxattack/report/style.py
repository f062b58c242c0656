"""How figures look, and how they are saved: for a paper's column, in print, and on a dark page.

Figures use a sans-serif face that papers have, text stays text in SVG, and nothing in a file depends on the day. The
colours are after Okabe and Ito (2008), told apart by colour-blind readers and darkened for white paper; dashes tell
them apart in grey. On the page each colour becomes a CSS variable, so that the page decides for light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLUMN = 3.4
WIDE = 5.0
SCALE = 2.25
"""Pixels a point on the page, at most, so that letters are of one size in all figures."""
LEAST_SCALE = 1.25
"""And at least, so that letters stay readable on a telephone: a wider figure is scrolled."""
_FEW = 2.5
"""Decades below which a logarithmic axis has ticks within them."""
INK, MUTED, RULE, SURFACE = "#1d2126", "#666d75", "#d4d8dc", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#008a64", "#b85c93", "#b87a00", "#3a97cf")
DASHES = ("-", (0, (5, 1.2)), (0, (3, 1, 1, 1)), (0, (1.2, 0.9)), (0, (7, 1.2, 1, 1.2, 1, 1.2)), (0, (2.5, 1)))
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", SURFACE: "--surface"} | {
    colour: f"--series-{index}" for index, colour in enumerate(SERIES, start=1)
}
FACES = ("Helvetica", "Arial", "Liberation Sans", "Nimbus Sans", "DejaVu Sans")
"""Of papers, the best first; the last comes with Matplotlib and has every sign that is written here, such as a raised minus."""
_SETTINGS: dict[Any, Any] = {
    "font.sans-serif": [*FACES],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": SURFACE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.4,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "figure.facecolor": SURFACE,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType: letters that can be selected and edited
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxattack",
}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A finished figure.

    Attributes:
        svg: a file of its own.
        png: the same at 200 dots an inch.
        alt: what it shows, for those who cannot see it.
    """

    svg: str
    png: bytes
    alt: str


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's settings for these figures, whatever the user's are; the user's come back afterwards.

    Matplotlib's settings belong to the process: no other thread should draw meanwhile.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        matplotlib.rcParams["font.family"] = _families(*get_font_names())
        yield


def _families(*installed: str) -> list[str]:
    """The best face, the one that has the signs it lacks, and all of them by the name of their kind for who reads the SVG elsewhere."""
    best = next((face for face in FACES if face in installed), FACES[-1])
    return [*dict.fromkeys((best, FACES[-1])), "sans-serif"]


def label_logarithmic(axis: Axis, words: Callable[[float], str], decades: float) -> None:
    """Name the ticks of a logarithmic axis: whole decades, and 2 and 5 of each where there are few.

    Args:
        axis: of a figure.
        words: what stands at a value.
        decades: that it spans.
    """
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < _FEW else (1.0,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(NullFormatter())


def power(exponent: float) -> str:
    """A power of ten as text: "10⁻¹⁵"."""
    return "10" + f"{exponent:g}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def save(figure: Figure, alt: str) -> Drawing:
    """A figure in both formats, the same bytes each time; to be called where it was drawn, within `styled`."""
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    # The layout stands; finding it anew takes as long as drawing.
    figure.set_layout_engine("none")
    figure.savefig(png, format="png", metadata={"Software": None})
    return Drawing(svg=svg.getvalue(), png=png.getvalue(), alt=alt)


PRINT = 600
"""Dots an inch of a bitmap for print, which journals ask for of line art."""

FORMATS = ("pdf", "svg", "png")
_NO_DATE = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "png": {"Software": None},
}


def save_alone(figure: Figure, form: str) -> bytes:
    """A figure as a file for print, the same bytes each time; to be called where it was drawn, within `styled`.

    Args:
        figure: finished.
        form: one of `FORMATS`; letters stay letters in pdf and svg.
    """
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=PRINT, metadata=_NO_DATE[form])
    return file.getvalue()


def inline(svg: str, prefix: str) -> str:
    """The `<svg>` of a file as part of an HTML page: identifiers made unique, colours from the page, no namespaces."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<style.*?</style>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body, count=2)
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt" height="[^"]*"', body)
    assert width is not None
    body = body.replace(
        width[0],
        width[0].partition(" width=")[0]
        + f' style="max-width:{SCALE * float(width[1]):.0f}px;min-width:{LEAST_SCALE * float(width[1]):.0f}px"',
        1,
    )
    # Only identifiers that are referred to stay: Matplotlib gives two equal pictures the same one.
    references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda match: f' id="{prefix}-{match[1]}"' if match[1] in references else "", body)
    body = re.sub(r'\b(href="#|url\(#)', rf"\g<1>{prefix}-", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    return body.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
