"""The page: one HTML file that needs nothing else, on a screen or on paper; where it has a script, all is told without it too.

Text from the findings is escaped by the templates; only this package's own figures, style sheets and script go in as they
are. The page's policy lets no other script run than this one, which it knows by its hash, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from jaxattack.report import wording
from jaxattack.report.style import Drawing, inline

_WORDS = (
    "percent", "points", "rate", "number", "count", "spread", "times", "duration", "size", "small", "dollars", "words", "shown",
    "quantity",
)  # fmt: skip


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
    environment.filters |= {"rows": lambda values: list(setting_rows(values)), "contents": contents}
    return environment.get_template(template).render(
        findings=findings,
        style=Markup("\n".join(map(_text, ("page.css", *styles)))),
        script=None if code is None else Markup(code),
        script_hash=None if code is None else _policy_hash(code),
        figures={name: (Markup(inline(drawing.svg, name)), drawing.alt) for name, drawing in drawings.items()},
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


class Contents(NamedTuple):
    """A page's body with anchors, and the list of them.

    Attributes:
        body: in which every section with a heading has an anchor.
        entries: anchor and title of each, in order.
    """

    body: Markup
    entries: list[tuple[str, Markup]]


_SECTION = re.compile(r"<section(?P<attributes>[^>]*)>(?P<space>\s*)<h2>(?P<title>.*?)</h2>")


def contents(body: Markup) -> Contents:
    """Give the sections of a page's body anchors: the identifier that they have, or their title in lower case."""
    entries: list[tuple[str, Markup]] = []

    def anchored(section: re.Match[str]) -> str:
        title = Markup(section["title"])
        own = re.search(r'\bid="([^"]+)"', section["attributes"])
        anchor = own[1] if own else re.sub(r"[^a-z0-9]+", "-", title.striptags().lower()).strip("-")
        entries.append((anchor, title))
        return section[0] if own else section[0].replace("<section", f'<section id="{anchor}"', 1)

    return Contents(Markup(_SECTION.sub(anchored, body)), entries)


class SettingRow(NamedTuple):
    """A value of a configuration as a page shows it.

    Attributes:
        name: in words.
        text: of the value.
        code: whether it is shown as code: a path, an address, or a name that programs use.
    """

    name: str
    text: str
    code: bool


def setting_rows(values: Mapping[str, Any], place: str = "") -> Iterator[SettingRow]:
    """Nested plain values as rows, each named by the words that lead to it."""
    for name, value in values.items():
        words = f"{place} · {wording.words(str(name))}" if place else wording.words(str(name))
        if isinstance(value, Mapping) and value:
            yield from setting_rows(value, words)
        else:
            text = wording.shown(value)
            yield SettingRow(words, text, any(mark in text for mark in "_/?="))
