"""Tables for a spreadsheet: CSV, its first row the names of the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def comma_separated_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Rows as CSV; what a row lacks, or has as None, is empty.

    Args:
        rows: their cells by column.
        columns: in order; cells of others are left out. By default all, as they first come.

    Example:
        >>> comma_separated_rows([{"attack": "loss", "auc": 0.5}, {"attack": "gap"}])
        'attack,auc\\nloss,0.5\\ngap,\\n'
    """
    every = list(rows)
    names = list(dict.fromkeys(column for row in every for column in row)) if columns is None else list(columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(every)
    return text.getvalue()
