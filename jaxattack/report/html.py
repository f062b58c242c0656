"""The page: one HTML file that needs nothing else, neither network nor script, on a screen or on paper.

Text from the findings is escaped by the templates; only this package's own figures and style sheet go in as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from jaxattack.report import wording
from jaxattack.report.style import Drawing, inline

_WORDS = ("percent", "points", "rate", "number", "count", "spread", "times", "duration", "size", "small", "dollars")


def fill(template: str, findings: Mapping[str, Any], drawings: Mapping[str, Drawing], **values: Any) -> str:
    """A page from its template.

    Args:
        template: its path in this package.
        findings: as `jaxattack.report` describes.
        drawings: figures by name; those that are absent are left out.
        values: what else the template names.

    Returns:
        A whole HTML document.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    environment.globals["zip"] = zip
    environment.filters |= {name: getattr(wording, name) for name in _WORDS}
    return environment.get_template(template).render(
        findings=findings,
        style=Markup(_text("page.css")),
        figures={name: (Markup(inline(drawing.svg, name)), drawing.alt) for name, drawing in drawings.items()},
        settings=list(_flat(findings["config"])),
        surroundings=list(_flat(findings["environment"])),
        **values,
    )


def _text(name: str) -> str:
    return files("jaxattack.report").joinpath(*name.split("/")).read_text(encoding="utf-8")


def phases(seconds: Mapping[str, float | None], names: Mapping[str, str]) -> list[tuple[str, float, float]]:
    """Each phase that was timed: its description, seconds, and share of the longest."""
    rows = [(names.get(name, name), value) for name, value in seconds.items() if value is not None]
    longest = max((value for _, value in rows), default=0) or 1
    return [(name, value, value / longest) for name, value in rows]


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
