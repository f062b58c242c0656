"""The page: one HTML file that needs nothing else, neither network nor script, on a screen or on paper.

Text from the findings is escaped by the template; only this package's own figures and style sheet go in as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from jaxattack.report import wording
from jaxattack.report.reading import beats_chance, drawn, quoted_rate, ranked, rates, sentences, strongest
from jaxattack.report.style import Drawing, inline

_PHASES = {
    "compile": "compile",
    "train": "train",
    "observe": "observe (query every model about every record)",
    "score": "score (run the attacks)",
    "report": "report",
    "total": "total",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an audit.

    Args:
        findings: as `jaxattack.report` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        name: getattr(wording, name)
        for name in ("percent", "points", "rate", "number", "count", "spread", "times", "duration", "size")
    }
    package = files("jaxattack.report")
    template = environment.from_string(package.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        findings=findings,
        style=Markup(package.joinpath("page.css").read_text(encoding="utf-8")),
        figures={name: (Markup(inline(drawing.svg, name)), drawing.alt) for name, drawing in drawings.items()},
        headline=sentences(findings),
        rates=rates(findings),
        quoted=quoted_rate(findings),
        best=strongest(findings),
        ranked=ranked(findings),
        drawn=drawn(findings),
        beats_chance=beats_chance,
        others=findings["models"]["records"] - findings["models"]["members"],
        decimals=_decimals,
        chance_spread=1 / math.sqrt(3 * max(findings["models"]["count"], 1)),
        phases=_phases(findings["cost"]["seconds"]),
        settings=list(_flat(findings["config"])),
        surroundings=list(_flat(findings["environment"])),
    )


def _decimals(name: str) -> int:
    """How many decimals a percentage near this rate needs: 1 at 1%, 2 at 0.1%."""
    return max(1, 1 - math.floor(math.log10(100 * float(name)) + 1e-9))


def _phases(seconds: Mapping[str, float | None]) -> list[tuple[str, float, float]]:
    """Each phase that was timed: its description, seconds, and share of the longest."""
    known = [(_PHASES.get(name, name), value) for name, value in seconds.items() if value is not None]
    longest = max((value for _, value in known), default=0) or 1
    return [(name, value, value / longest) for name, value in known]


def _flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """Nested plain values as rows of dotted name and text."""
    for name, value in values.items():
        path = f"{place}.{name}" if place else str(name)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        elif isinstance(value, list | tuple):
            yield path, ", ".join(map(str, value))
        else:
            yield path, wording.MISSING if value is None else str(value)
