"""Findings to something a person reads: a self-contained HTML page, figures, JSON, CSV, and a table for the terminal.

Everything shown comes from the findings, so a report can be made again without the models. Findings are plain values;
what could not be measured is null. Every kind of audit has

    format, kind        1, and "membership", "matrix", "extraction", "inversion", "evasion", "reconstruction",
                        "epsilon", "target" or "compare"
    title               one line
    command             optional: what to type to run the audit again
    cost                what it cost; the keys depend on the kind, "seconds" by phase and "device" are always there
    config, environment plain values

and the keys that the dataclasses of `jaxattack.audit.findings` document, a module a family.
"""

from __future__ import annotations

from jaxattack.report.folder import (
    KINDS,
    check_figure,
    draw,
    fragment,
    frame,
    headline,
    measures,
    read,
    table,
    unfinished,
    write,
)
from jaxattack.report.kept_pictures import read_pictures

__all__ = [
    "KINDS",
    "check_figure",
    "draw",
    "fragment",
    "frame",
    "headline",
    "measures",
    "read",
    "read_pictures",
    "table",
    "unfinished",
    "write",
]
