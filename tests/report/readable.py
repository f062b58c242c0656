"""What any report must be for a person: words instead of names of fields, short numbers, and tables that no terminal breaks."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

from rich.console import Console

from jaxattack.report import table

WIDTHS, LEFT_OUT = (50, 80, 120), "Left out, for want of width:"
_FIELD = re.compile(r"\b[a-z][a-z0-9]*_[a-z0-9_]+\b")
_DIGITS = re.compile(r"\d*\.\d+")
_JOINED = re.compile(r"[^\-?&+,/]*[\-?&+,/]?")


class _Prose(HTMLParser):
    """The text of a page that is neither code nor style sheet."""

    def __init__(self, html):
        super().__init__()
        self.hidden, self.parts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag in ("code", "pre", "style", "script", "title"):
            self.hidden.append(tag)

    def handle_endtag(self, tag):
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def check_page(html, names=()):
    """No name of a field and no number of more than six digits stands in a page's prose, but those of files and papers.

    Args:
        html: of the page.
        names: that the user gave, which may be of any form.
    """
    prose = " ".join(_Prose(html).parts)
    for name in names:
        prose = prose.replace(name, "")
    prose = re.sub(r"\S+\.(json|csv|npz|txt|html|toml)\b|arXiv \S+", "", prose)
    assert not _FIELD.findall(prose)
    long = [number for number in _DIGITS.findall(prose) if len(number.replace(".", "").lstrip("0")) > 6]
    assert not long


def figures(names):
    """The stems of the figures among the names of a report's files."""
    return {name.removesuffix(".svg") for name in names if name.endswith(".svg")}


def check_whole(html, count):
    """A page has so many figures, no program, and nothing that it would have to fetch."""
    assert html.count("<figure ") == html.count("</figure>") == count
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#|data:)', html)


def printed(findings, width=80):
    """What a terminal of a width shows of findings."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table(findings))
    return console.file.getvalue()  # type: ignore[attr-defined]


def check_table(findings):
    """At no width is a line too long, or a word broken that a wide terminal shows whole but where hyphens and the like join it."""
    wide = {*printed(findings, 1000).split(), *LEFT_OUT.split()}
    pieces = {piece for word in wide for piece in _JOINED.findall(word)}
    for width in WIDTHS:
        text = printed(findings, width)
        assert max(map(len, text.splitlines())) <= width
        for word in text.replace("─", "").split():
            # The note on columns that are left out puts a comma or a stop behind their heads.
            whole = {word, word[:-1]} & wide or pieces.issuperset(_JOINED.findall(word))
            assert whole, (width, word, text)


def check_report(folder, names=()):
    """The page and the table of a report's folder; names as in `check_page`."""
    check_page((folder / "report.html").read_text(encoding="utf-8"), names)
    check_table(json.loads((folder / "report.json").read_text(encoding="utf-8")))
