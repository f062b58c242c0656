"""The page: one HTML file that needs nothing else, on a screen or on paper; where it has a script, all is told without it too.

Text from the findings is escaped by the templates; only this package's own figures, style sheets and script go in as they
are. The page's policy lets no other script run than this one, which it knows by its hash, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from jaxattack.report import wording
from jaxattack.report.style import Drawing, inline

_WORDS = ("percent", "points", "rate", "number", "count", "spread", "times", "duration", "size", "small", "dollars")


def fill(
    template: str,
    findings: Mapping[str, Any],
    drawings: Mapping[str, Drawing],
    *,
    styles: Sequence[str] = (),
    script: str | None = None,
    **values: Any,
) -> str:
    """A page from its template.

    Args:
        template: its path in this package.
        findings: as `jaxattack.report` describes.
        drawings: figures by name; those that are absent are left out.
        styles: style sheets beside that of all pages, by their paths in this package.
        script: its script, by its path in this package.
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
    code = None if script is None else _text(script)
    return environment.get_template(template).render(
        findings=findings,
        style=Markup("\n".join(map(_text, ("page.css", *styles)))),
        script=None if code is None else Markup(code),
        script_hash=None if code is None else _policy_hash(code),
        figures={name: (Markup(inline(drawing.svg, name)), drawing.alt) for name, drawing in drawings.items()},
        settings=list(_flat(findings["config"])),
        surroundings=list(_flat(findings["environment"])),
        **values,
    )


def _policy_hash(code: str) -> str:
    """By which a page's policy knows a script (Content Security Policy Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


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
