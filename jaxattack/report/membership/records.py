"""Every record as a row, for a spreadsheet or a notebook."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from jaxattack.audit.record_table import RecordTable

RECORDS = "records.csv"


def records_csv(table: RecordTable) -> str:
    """The records as CSV, in the order of the data; shares are from 0 to 1, and unknown values empty.

    id, record                      what it is called, else its number; its number in the data, from 0
    label, class                    the number of its class, and its name where there are names
    rank                            from 1, the most vulnerable
    vulnerability, _low, _high      as `jaxattack.metrics.vulnerability`, with its 95% interval for new models
    sensitivity_index               by which equal vulnerability is ranked, as `jaxattack.metrics.sensitivity_index`
    beyond_chance                   true or false
    tpr@R, fpr@R                    the shares of the models with and without the record that the attack calls its members,
                                    with R of all non-members accused
    phi_in, phi_out                 the mean of phi over the models with and without it, in nats; correct_in and correct_out,
                                    shares that are right, where labels alone are answered
    difficulty                      the mean loss of the models without it, in nats; the share that are wrong
    attack                          whose rates they are
    """
    exposure, count = table.exposure, len(table.label)
    columns: dict[str, Any] = {
        "id": table.record_names,
        "record": exposure.number.tolist(),
        "label": table.label.tolist(),
        "class": table.class_names,
        "rank": table.rank.tolist(),
        "vulnerability": exposure.vulnerability,
        "vulnerability_low": table.interval[0],
        "vulnerability_high": table.interval[1],
        "sensitivity_index": exposure.sensitivity_index,
        "beyond_chance": ["true" if beyond else "false" for beyond in exposure.beyond],
    }
    for rate, share in table.detections.items():
        columns |= {f"tpr@{rate}": share.tpr, f"fpr@{rate}": share.fpr}
    signal = "correct" if exposure.labels_alone else "phi"
    columns |= {
        f"{signal}_in": table.mean_in,
        f"{signal}_out": table.mean_out,
        "difficulty": table.difficulty,
        "attack": [table.attack] * count,
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_cell, row) for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Six digits of a fraction, which is more than models resolve; what is unknown is empty."""
    if not isinstance(value, float) or math.isinf(value):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
