"""Every record as a row, for a spreadsheet or a notebook."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from jaxattack.audit.record_table import RecordTable

NAME = "records.csv"


def records_csv(table: RecordTable) -> str:
    """The records as CSV, in the order of the data; shares are from 0 to 1, and unknown values empty.

    ``detected@R`` and ``falsely@R`` are the shares of the models with and without the record that the attack calls its
    members, with R of all non-members accused; the other columns are fields of `jaxattack.audit.record_table.RecordTable`.
    """
    columns: dict[str, Any] = {
        "record": table.number,
        "label": table.label,
        "rank": table.rank,
        "vulnerability": table.vulnerability,
        "vulnerability_low": table.interval[0],
        "vulnerability_high": table.interval[1],
        "beyond_chance": ["true" if beyond else "false" for beyond in table.beyond_chance],
    }
    for rate, share in table.detections.items():
        columns |= {f"detected@{rate}": share.with_record, f"falsely@{rate}": share.without_record}
    columns |= {
        "shown_with": table.shown_with,
        "shown_without": table.shown_without,
        "difficulty": table.difficulty,
        "attack": [table.attack] * len(table.number),
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_shown, row) for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _shown(value: Any) -> Any:
    """Six digits of a fraction, which is more than models resolve; what is unknown is empty."""
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else ""
