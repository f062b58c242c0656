"""Findings to something a person reads: a self-contained HTML page, figures, JSON, CSV, and a table for the terminal.

Everything shown comes from the findings, so a report can be made again without the models. Findings are plain values;
what could not be measured is null. Every kind of audit has

    format, kind        1, and a key of `jaxattack.report.document.NEEDED`
    title               one line
    command             optional: what to type to run the audit again
    cost                what it cost; the keys depend on the kind, "seconds" by phase and "device" are always there
    config, environment plain values

and the keys that the dataclasses of `jaxattack.audit.findings` document, a module a family.

A name is imported when it is first asked for: drawing takes longer to import than a list takes to print.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes

if TYPE_CHECKING:
    from jaxattack.report.document import measures as measures
    from jaxattack.report.document import read as read
    from jaxattack.report.document import unfinished as unfinished
    from jaxattack.report.folder import KINDS as KINDS
    from jaxattack.report.folder import check_figure as check_figure
    from jaxattack.report.folder import draw as draw
    from jaxattack.report.folder import fragment as fragment
    from jaxattack.report.folder import frame as frame
    from jaxattack.report.folder import headline as headline
    from jaxattack.report.folder import table as table
    from jaxattack.report.folder import write as write
    from jaxattack.report.kept_pictures import read_pictures as read_pictures

_DOCUMENT = ("measures", "read", "unfinished")
_FOLDER = ("KINDS", "check_figure", "draw", "fragment", "frame", "headline", "table", "write")
_HOMES = (
    dict.fromkeys(_DOCUMENT, "jaxattack.report.document")
    | dict.fromkeys(_FOLDER, "jaxattack.report.folder")
    | {"read_pictures": "jaxattack.report.kept_pictures"}
)

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
