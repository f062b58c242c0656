"""Defences that mask answers, by attackers who know of them and who do not: MemGuard, HAMP and SELENA on Location-30.

    python scripts/masking.py --data location30.npz     half an hour of a core

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Of 3,000
records a third is set aside for the defender in every column, so that all have the same members; each model learns half of
the others. Every attack is run by references that do without the defence (static) and by ones that answer behind it (adaptive).

| expected | of |
| --- | --- |
| the AUC of the highest confidence within .03 of .5 at epsilon 1 | MemGuard (Jia et al. 2019, whose figure falls to even odds) |
| no label changed, mean distance within epsilon, the gap attack as without a defence | MemGuard, by its construction |
| an attack that reads labels alone, or an adaptive one, above all static ones that read confidences | all three |

The victim is a network of 128 tanh units; MemGuard's authors have 1,024, 512, 256 and 128 rectified ones, which
``--model mlp:1024-512-256-128 --activation relu`` trains. Their saved answers, on which the modified entropy falls from .781 to
.688, are not here. The table is benchmarks/results/masking.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from jaxattack import Recipe, load
from jaxattack.attacks.membership import lookup
from jaxattack.audit import MatrixAudit
from jaxattack.audit.findings.matrix import CellFindings, MatrixFindings
from jaxattack.audit.matrix import run_matrix
from jaxattack.cli.columns import columns_from
from jaxattack.models import Architecture
from jaxattack.report.style import MUTED, SERIES, styled
from jaxattack.training.learners import Standard

RESERVE = 1 / 3
MEMGUARD = {f"memguard?epsilon={epsilon}&reserve={RESERVE}": f"MemGuard {epsilon}" for epsilon in (0.3, 1.0)}
COLUMNS = MEMGUARD | {"hamp": "HAMP", "selena": "SELENA"}
CONFIDENCE = {
    "ml-leaks-3": "highest confidence",
    "entropy": "entropy",
    "ml-leaks-1": "network, top 3",
    "loss": "label's confidence",
    "modified-entropy-classwise": "modified entropy by class",
    "nsh-joined?shadows=2": "network, all and label",
    "lira-online": "LiRA",
}
LABELS = {"bit-flips?levels=0.03&copies=32": "labels of noisy copies", "gap": "gap"}
ATTACKS = CONFIDENCE | LABELS


def cell_of(findings: MatrixFindings, attack: str, column: str, *, adaptive: bool) -> CellFindings:
    """An attack's cell of a column; where static and adaptive are the same, that one."""
    return next(
        cell
        for cell in findings.cells
        if (cell.attack, cell.defence, cell.repetitions) == (attack, column, 1)
        and (cell.static_alike or cell.adaptive == adaptive)
    )


def area(cell: CellFindings) -> float:
    """The area under a cell's curve.

    Raises:
        SystemExit: the cell was not measured.
    """
    if cell.auc is None:
        raise SystemExit(cell.reason)
    return cell.auc


def areas_of(findings: MatrixFindings) -> dict[str, dict[str, dict[str, float]]]:
    """static or adaptive -> attack -> column -> AUC."""
    return {
        kind: {
            attack: {
                column.name: area(cell_of(findings, attack, column.name, adaptive=flag)) for column in findings.columns
            }
            for attack in ATTACKS
        }
        for kind, flag in (("static", False), ("adaptive", True))
    }


def name_of(column: str) -> str:
    return COLUMNS.get(column, column)


def empty_table(title: str, findings: MatrixFindings) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(("", *(name_of(column.name) for column in findings.columns))):
        table.add_column(column, justify="right" if number else "left")
    return table


def areas_table(findings: MatrixFindings, areas: dict[str, Any]) -> Table:
    """The AUC of every cell, static / adaptive."""
    table = empty_table("AUC, static / adaptive (one figure: the same attack)", findings)
    for attack, label in ATTACKS.items():
        row = []
        for column in findings.columns:
            alike = cell_of(findings, attack, column.name, adaptive=True).static_alike
            figures = [f"{areas[kind][attack][column.name]:.3f}" for kind in ("static", "adaptive")]
            row.append(figures[0] if alike else " / ".join(figures))
        table.add_row(label, *row)
    return table


def price_table(findings: MatrixFindings) -> Table:
    """What each column answers."""
    table = empty_table("What the defence costs", findings)
    rows = {
        "accuracy, members": [
            f"{column.train_accuracy.mean:.3f}" for column in findings.columns if column.train_accuracy
        ],
        "accuracy, others": [f"{column.test_accuracy.mean:.3f}" for column in findings.columns if column.test_accuracy],
        "labels changed": [
            "" if column.label_changes is None else f"{column.label_changes:g}" for column in findings.columns
        ],
        "mean distance, L1": [
            "" if column.distortion is None else f"{column.distortion:.3f}" for column in findings.columns
        ],
        "seconds of asking": [f"{column.observe_seconds:.0f}" for column in findings.columns],
    }
    for label, row in rows.items():
        table.add_row(label, *row)
    return table


def strongest(areas: dict[str, dict[str, float]], attacks: dict[str, str], column: str) -> tuple[float, str]:
    """The largest area of some attacks on a column, and whose it is."""
    return max((areas[attack][column], label) for attack, label in attacks.items())


def verdicts(findings: MatrixFindings, areas: dict[str, Any]) -> list[str]:
    """What was expected, and what came."""
    lines = []
    for column in (column.name for column in findings.columns if column.name != "none"):
        static = strongest(areas["static"], CONFIDENCE, column)
        adaptive = strongest(areas["adaptive"], CONFIDENCE, column)
        labels = strongest(areas["adaptive"], LABELS, column)
        lines.append(
            f"{name_of(column)}: of attacks on confidences the strongest static one is {static[1]} ({static[0]:.3f}), the strongest "
            f"adaptive one {adaptive[1]} ({adaptive[0]:.3f}); of attacks on labels {labels[1]} ({labels[0]:.3f})."
        )
    return lines


def figure_of(findings: MatrixFindings, areas: dict[str, Any]) -> Figure:
    """Each attack's area against columns: static and adaptive."""
    figure = Figure(figsize=(7.2, 2.8))
    panels = figure.subplots(1, 2, sharey=True)
    names = [name_of(column.name) for column in findings.columns]
    for axes, kind in zip(panels, ("static", "adaptive"), strict=True):
        for number, (attack, label) in enumerate(ATTACKS.items()):
            y = [areas[kind][attack][column.name] for column in findings.columns]
            style = "--" if attack in LABELS else "-"
            axes.plot(
                names,
                y,
                style,
                marker="os"[number // len(SERIES)],
                markersize=3,
                color=SERIES[number % len(SERIES)],
                label=label,
            )
        axes.axhline(0.5, color=MUTED, linewidth=0.5)
        axes.set_title(kind)
        axes.tick_params(axis="x", rotation=40)
    panels[0].set_ylabel("AUC")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="location30.npz, or a name that jaxattack data lists")
    parser.add_argument("--model", default="mlp:128")
    parser.add_argument("--activation", default="tanh", choices=("tanh", "relu"))
    parser.add_argument("--defend", nargs="+", default=[*COLUMNS], help="the columns")
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--models", type=int, default=6, help="of each column")
    parser.add_argument("--targets", type=int, default=3, help="that are attacked, of each column")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="masking", help="of the results")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load(options.data)
    recipe = Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3)
    source = Architecture(name=options.model, activation=options.activation)
    audit = MatrixAudit(
        model=source,
        dataset=dataset,
        columns=columns_from(options.defend, recipe, source),
        attacks=tuple(map(lookup, ATTACKS)),
        learner=Standard(recipe=recipe),
        records=options.records,
        models=options.models,
        targets=options.targets,
        reserve=RESERVE,
        seed=options.seed,
    )
    run = Path("jaxattack-runs") / f"{options.name}_{Path(dataset.name).stem}-{options.seed}"
    findings = run_matrix(run, audit).findings
    areas = areas_of(findings)
    with styled():
        save_figure(options.out, options.name, figure_of(findings, areas))
    told = verdicts(findings, areas)
    columns = {
        column.name: {"label_changes": column.label_changes, "distortion": column.distortion}
        for column in findings.columns
    }
    keep(
        options.out,
        options.name,
        {"auc": areas, "columns": columns, "told": told},
        [areas_table(findings, areas), price_table(findings), *told],
    )


if __name__ == "__main__":
    main()
