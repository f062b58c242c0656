"""The attacks as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.latex import booktabs
from jaxattack.report.membership.reading import quoted_rate, ranked, rates
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, number, points, rate

FEW = 10
"""False positives below which a true-positive rate is shown with how many there were."""


def table(findings: Mapping[str, Any]) -> Grid:
    """The attacks for a terminal of 80 columns, strongest first; a narrower one keeps the quoted rate and AUC longest.

    Returns:
        One row an attack: AUC, balanced accuracy, and the true-positive rate in percent at each false-positive rate,
        followed by the count of false positives where they are few; "n/r" where the rate is not resolvable.
    """
    names, quoted = rates(findings), quoted_rate(findings)
    grid = empty_grid(
        "attack", "AUC", "bal.", *(f"@{rate(name)}" for name in names),
        last=("AUC", *([f"@{rate(quoted)}"] if quoted else [])),
        caption="bal.: balanced accuracy. @: members found (%), with at most this share of the non-members accused. (n): false "
        f"positives, where fewer than {FEW}. n/r: not resolvable, the rate allows not one.",
    )  # fmt: skip
    for attack in ranked(findings):
        cells = [_cell(attack, name) for name in names]
        grid.add_row(attack["name"], number(attack["auc"]), number(attack["balanced_accuracy"]), *cells)
    return grid


def _cell(attack: Mapping[str, Any], name: str) -> Text:
    if not attack["resolvable"][name]:
        return Text("n/r", style="dim")
    text = Text(points(attack["tpr"][name]))
    if attack["false_positives"][name] < FEW:
        text.append(f" ({attack['false_positives'][name]})", style="dim")
    return text


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The attacks as CSV, one row an attack, strongest first; rates are shares from 0 to 1, and unknown values empty."""
    return comma_separated_rows(_row(attack) for attack in ranked(findings))


def latex(findings: Mapping[str, Any]) -> str:
    """The attacks for a paper, strongest first: what is found in percent at each rate that is resolved, with its 95% interval."""
    names = [name for name in rates(findings) if any(attack["resolvable"][name] for attack in findings["attacks"])]
    heads = ["Attack", "AUC", *(f"TPR at {rate(name)} (%)" for name in names)]
    rows = [
        [
            attack["name"],
            _with_interval(number(attack["auc"]), map(number, attack["auc_interval"])),
            *(
                _with_interval(points(attack["tpr"][name]), map(points, attack["tpr_interval"][name]))
                if attack["resolvable"][name]
                else MISSING
                for name in names
            ),
        ]
        for attack in ranked(findings)
    ]
    caption = (
        f"{findings['title']}: members found with at most the given share of non-members accused, all targets pooled; 95% "
        "intervals for new records and new models."
    )
    return booktabs(heads, rows, caption=caption, label="attacks")


def _with_interval(text: str, ends: Iterable[str]) -> str:
    low, high = ends
    return f"{text} [{low}, {high}]"


def _row(attack: Mapping[str, Any]) -> dict[str, Any]:
    """The scalars of an attack under flat names, such as tpr@0.001 and ppv@0.1@0.001 (prior, then rate)."""
    row = {"name": attack["name"], "description": attack["description"]}
    row |= {key: attack[key] for key in ("auc", "balanced_accuracy", "advantage")}
    row["auc_low"], row["auc_high"] = attack["auc_interval"]
    for name in sorted(attack["tpr"], key=float, reverse=True):
        low, high = attack["tpr_interval"][name]
        row |= {
            f"tpr@{name}": attack["tpr"][name],
            f"tpr_low@{name}": low,
            f"tpr_high@{name}": high,
            f"tpr_corrected_low@{name}": attack["tpr_interval_corrected"][name][0],
            f"tpr_corrected_high@{name}": attack["tpr_interval_corrected"][name][1],
            f"false_positives@{name}": attack["false_positives"][name],
            f"resolvable@{name}": "true" if attack["resolvable"][name] else "false",
        }
    for key in ("auc", "balanced_accuracy"):
        row |= _spread(f"target_{key}", attack["per_target"][key])
    for name, figure in attack["per_target"]["tpr"].items():
        row |= _spread("target_tpr", figure, name)
    for name, realised in attack["transferred"].items():
        row |= _spread("transferred_fpr", realised["fpr"], name) | _spread("transferred_tpr", realised["tpr"], name)
    for prior, by_rate in attack["ppv"].items():
        row |= {f"ppv@{prior}@{name}": precision for name, precision in by_rate.items()}
    for part, findings in (attack.get("by_label") or {}).items():
        low, high = findings["auc_interval"]
        row |= {f"auc@{part}": findings["auc"], f"auc_low@{part}": low, f"auc_high@{part}": high}
    return row | {key: attack.get(key) for key in ("tied", "seconds")}


def _spread(column: str, figure: Mapping[str, float | None], name: str = "") -> dict[str, float | None]:
    at = f"@{name}" if name else ""
    return {f"{column}_{part}{at}": figure[part] for part in ("mean", "sd")}
