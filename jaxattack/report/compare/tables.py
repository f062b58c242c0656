"""A comparison as rows: for the terminal, flat for a spreadsheet, and for a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from jaxattack.report.compare.reading import quoted_rate, strongest_by_family
from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.latex import booktabs
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, number, points, rate

CLEAR = "*"
BOTH = 3
"""Runs up to which a terminal of 80 columns has room for two figures of each."""


def table(findings: Mapping[str, Any]) -> Grid:
    """The strongest attack of each family on every run, for a terminal of 80 columns; or every cell of matrices."""
    tables = {"membership": _runs, "matrix": _matrices, "report": _reports}
    return tables[findings["subject"]](findings)


def _caption(findings: Mapping[str, Any]) -> str:
    return f"{CLEAR}: the 95% interval of the difference from {findings['runs'][0]['name']} leaves 0 out."


def _runs(findings: Mapping[str, Any]) -> Grid:
    quoted, runs = quoted_rate(findings), findings["runs"]
    both = len(runs) <= BOTH and quoted is not None
    heads = []
    for run in runs:
        heads += [f"{run['name']} AUC"] if both or quoted is None else []
        heads += [f"{'' if both else run['name'] + ' '}@{rate(quoted)}"] if quoted is not None else []
    grid = empty_grid("attack", *heads, caption=_caption(findings))
    for attack in strongest_by_family(findings):
        cells = []
        for entry, leak in zip(attack["runs"], (None, *attack["differences"]), strict=True):
            if both or quoted is None:
                cells.append(_figure(entry and number(entry["auc"]), leak and leak["auc"]))
            if quoted is not None:
                cells.append(_figure(entry and points(entry["tpr"][quoted]), leak and leak["tpr"][quoted]))
        grid.add_row(attack["name"], *cells)
    return grid


def _figure(text: str | None, contrast: Mapping[str, Any] | None) -> str:
    return MISSING if text is None else f"{text}{CLEAR if contrast is not None and contrast['clear'] else ''}"


def _matrices(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("cell", *(run["name"] for run in findings["runs"]), caption=_caption(findings))
    for cell in findings["cells"]:
        how = "" if cell["adaptive"] or cell["family"] != "membership" else ", static"
        leaks = zip(cell["leaks"], (None, *cell["differences"]), strict=True)
        name = f"{cell['attack']} on {cell['defence']}{how}"
        grid.add_row(name, *(_figure(None if leak is None else number(leak), one) for leak, one in leaks))
    return grid


def _reports(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("figure", *(run["name"] for run in findings["runs"]), caption=_caption(findings))
    for row in findings["figures"]:
        values = zip(row["values"], (None, *row["contrasts"]), strict=True)
        grid.add_row(row["name"], *(_figure(None if value is None else number(value), one) for value, one in values))
    return grid


def files(findings: Mapping[str, Any]) -> dict[str, str]:
    """The differences as CSV; of runs also as a table for a paper, and the settings that differ."""
    if findings["subject"] == "report":
        return {"figures.csv": comma_separated_rows(_figure_rows(findings)), "settings.csv": settings(findings)}
    if findings["subject"] == "matrix":
        return {"cells.csv": comma_separated_rows(_cell_rows(findings)), "settings.csv": settings(findings)}
    return {
        "differences.csv": comma_separated_rows(_attack_rows(findings)),
        "attacks.tex": latex(findings),
        "settings.csv": settings(findings),
    }


def settings(findings: Mapping[str, Any]) -> str:
    """The settings that differ as CSV, a column a run."""
    names = [run["name"] for run in findings["runs"]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["setting", *names])
    writer.writerows(
        [row["name"], *("" if value is None else value for value in row["values"])] for row in findings["changes"]
    )
    return text.getvalue()


def _attack_rows(findings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row an attack and run; figures are shares from 0 to 1, and unknown values empty."""
    first = findings["runs"][0]["name"]
    for attack in findings["attacks"]:
        for at, pair in enumerate(findings["pairs"]):
            entry, before, leak = attack["runs"][at + 1], attack["runs"][0], attack["differences"][at]
            row = {"run": pair["run"], "than": first, "attack": attack["name"], "family": attack["family"]}
            row |= {"auc": entry and entry["auc"], "auc_than": before and before["auc"]}
            row |= _flat("auc", leak and leak["auc"])
            for name in sorted((entry or before or {}).get("tpr", {}), key=float, reverse=True):
                row |= {f"tpr@{name}": entry and entry["tpr"][name], f"tpr_than@{name}": before and before["tpr"][name]}
                row |= {f"{key}@{name}": value for key, value in _flat("tpr", leak and leak["tpr"][name]).items()}
            yield row | {"common_records": pair["records"], "common_models": pair["models"]}


def _cell_rows(findings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    first, *others = findings["runs"]
    for cell in findings["cells"]:
        for at, run in enumerate(others):
            row = {"run": run["name"], "than": first["name"]}
            row |= {key: cell[key] for key in ("defence", "attack", "family", "repetitions")}
            row |= {"adaptive": "true" if cell["adaptive"] else "false"}
            row |= {
                "leak": cell["leaks"][at + 1],
                "leak_than": cell["leaks"][0],
                **_flat("leak", cell["differences"][at]),
            }
            yield row


def _figure_rows(findings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    first, *others = findings["runs"]
    for row in findings["figures"]:
        for at, run in enumerate(others):
            flat = _flat("value", row["contrasts"][at]) | {"value_difference": row["differences"][at]}
            yield {
                "run": run["name"], "than": first["name"], "figure": row["name"], "value": row["values"][at + 1],
                "value_than": row["values"][0], **flat,
            }  # fmt: skip


def _flat(name: str, contrast: Mapping[str, Any] | None) -> dict[str, Any]:
    low, high = (None, None) if contrast is None else contrast["interval"]
    return {
        f"{name}_difference": contrast and contrast["difference"],
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_clear": "" if contrast is None else "true" if contrast["clear"] else "false",
    }


def latex(findings: Mapping[str, Any]) -> str:
    """Every attack on every run for a paper; a star where the difference from the first is clear."""
    quoted, runs = quoted_rate(findings), findings["runs"]
    heads = ["Attack"]
    for run in runs:
        heads += [f"{run['name']}: AUC", *([f"TPR at {rate(quoted)} (%)"] if quoted else [])]
    rows = []
    for attack in findings["attacks"]:
        row = [attack["name"]]
        for entry, leak in zip(attack["runs"], (None, *attack["differences"]), strict=True):
            row.append(_figure(entry and number(entry["auc"]), leak and leak["auc"]))
            if quoted:
                row.append(_figure(entry and points(entry["tpr"][quoted]), leak and leak["tpr"][quoted]))
        rows.append(row)
    first = runs[0]["name"]
    caption = (
        f"What each attack finds. {CLEAR}: the 95% interval of the difference from {first}, for new records and new models and "
        f"allowing for {findings['allowance']} differences, leaves 0 out."
    )
    return booktabs(heads, rows, caption=caption, label="comparison")
