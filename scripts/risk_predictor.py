"""Nine membership attacks on six ways to learn, and what predicts them without an attack (He et al. 2022, arXiv 2208.10445).

    python scripts/risk_predictor.py --data location30.npz

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Networks of
128 tanh units learn half of 2,400 records. A predictor is the Jensen-Shannon distance between the histograms of members and of
non-members, of their cross entropy or of the prediction's entropy, less what chance leaves (`jaxattack.metrics.divergence`).

First one training is observed after 10 to 120 passes: the attack by the loss finds ever more, and so must what predicts it.
What is expected are figures of the same protocol with another implementation of the networks; they are measured, nothing
subtracted. There the distance falls from 20 passes on where bins of the cross entropy are of one width, and rises
throughout where they are spaced by its logarithm.

Then every attack is run on every column of a matrix, by references that learn without the defence (static) and with it
(adaptive), and each predictor's rank correlation over columns with what an attack finds stands beside that of the gap between
the accuracies on members and on others. The paper's MemGuard is left out for its price; HAMP stands for what masks answers, and
adversarial regularisation has networks of 128 units in place of 1,024 and 5 of their steps in place of 26 (each model costs
minutes otherwise). Its models leave a third of the records to the defender, so that it has no static attack.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from comparison import keep, save_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from scipy.stats import spearmanr

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import lookup
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.audit import MatrixAudit
from jaxattack.audit.findings.matrix import CellFindings, MatrixFindings
from jaxattack.audit.matrix import run_matrix
from jaxattack.audit.matrix.columns import open_column
from jaxattack.audit.records import choose_records
from jaxattack.cli.columns import columns_from
from jaxattack.data import Halves
from jaxattack.metrics import Bins, auc, risk_distance, roc_curve
from jaxattack.models import Architecture
from jaxattack.report.style import DASHES, MUTED, SERIES, styled
from jaxattack.signals import as_signal
from jaxattack.training import Placement, Sweep, observe_checkpoints
from jaxattack.training.learners import Standard

PASSES = (10, 20, 30, 60, 120)
EXPECTED = {  # after so many passes: AUC of the loss, distance of cross entropy in linear and in log-spaced bins
    10: (0.815, 0.543, 0.547),
    20: (0.879, 0.708, 0.732),
    30: (0.897, 0.697, 0.789),
    60: (0.915, 0.652, 0.843),
    120: (0.925, 0.623, 0.879),
}
ATTACKS = {
    "loss": "loss",
    "entropy": "entropy",
    "modified-entropy": "modified entropy",
    "shokri?shadows=2": "Shokri",
    "ml-leaks-1": "ML-Leaks 1",
    "nsh-joined?shadows=2": "NSH",
    "bit-flips?levels=0.03&copies=32": "bit flips, labels",
    "lira-online": "LiRA",
    "gap": "gap",
}
COLUMNS = ("dropout:0.5", "label-smoothing", "adversarial?units=128&attack_steps=5", "hamp", "dp-sgd?noise=0.5")
SPACINGS = {"log": Bins(), "linear": Bins(logarithmic=False)}
MARKERS = "os^Dvp"
GAP = "accuracy gap"
CE_LOG, CE_LINEAR = "cross entropy, log", "cross entropy, linear"


class Setting(NamedTuple):
    """What is known of some models without an attack, means over them.

    Attributes:
        name: how they learnt.
        accuracy: on members and on others.
        measured: the distance by the predictor's name.
        excess: the same, less what chance leaves; the gap of the accuracies among them.
    """

    name: str
    accuracy: tuple[float, float]
    measured: dict[str, float]
    excess: dict[str, float]


def setting(name: str, observations: Observations) -> Setting:
    """The predictors of some models."""
    member = observations.member
    right = observations.signal("correct")[:, :, 0]
    quantities = {
        "cross entropy": loss_of(observations.signal("phi")[:, :, 0]),
        "entropy": observations.signal("entropy")[:, :, 0],
    }
    distances = {
        f"{quantity}, {spacing}": [
            risk_distance(row[own], row[~own], bins) for row, own in zip(values, member, strict=True)
        ]
        for quantity, values in quantities.items()
        for spacing, bins in SPACINGS.items()
    }
    inside, outside = float(right[member].mean()), float(right[~member].mean())
    return Setting(
        name,
        (inside, outside),
        {key: float(np.mean([one.measured for one in each])) for key, each in distances.items()},
        {GAP: inside - outside} | {key: float(np.mean([one.excess for one in each])) for key, each in distances.items()},
    )  # fmt: skip


def loss_area(observations: Observations) -> float:
    """The area under the curve of the attack by the loss, the mean over targets."""
    scores = lookup("loss")(observations)
    return float(np.mean([auc(roc_curve(row, own)) for row, own in zip(scores, observations.member, strict=True)]))


def _rank_correlation(a: Sequence[Any], b: Sequence[Any]) -> float:
    result: Any = spearmanr(a, b)
    return float(result.statistic)


def correlations(
    settings: Sequence[Setting], areas: Mapping[str, Sequence[float | None]]
) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of each predictor with what each attack finds, over the settings where it was run."""
    table = {}
    for attack, each in areas.items():
        run = [number for number, area in enumerate(each) if area is not None]
        table[attack] = {
            predictor: _rank_correlation([settings[n].excess[predictor] for n in run], [each[n] for n in run])
            for predictor in settings[0].excess
        }
    return table


def cells_of(findings: MatrixFindings, *, adaptive: bool) -> dict[str, list[CellFindings]]:
    """Each attack's cell in every column; where static and adaptive are the same, that one."""
    return {
        attack: [
            next(
                cell
                for cell in findings.cells
                if (cell.attack, cell.defence, cell.repetitions) == (attack, column.name, 1)
                and (cell.static_alike or cell.adaptive == adaptive)
            )
            for column in findings.columns
        ]
        for attack in ATTACKS
    }


def short(column: str) -> str:
    """A column's name without its settings."""
    return column.partition("?")[0].partition(":")[0]


def empty_table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def passes_table(settings: Sequence[Setting], areas: Sequence[float]) -> Table:
    """What is measured after so many passes, beside what is expected, and what chance does not explain."""
    columns = (
        "passes",
        "loss AUC",
        "exp.",
        "JS, linear bins",
        "exp.",
        "JS, log bins",
        "exp.",
        "excess, log",
        "accuracy gap",
    )
    table = empty_table("One training, observed on the way", columns)  # fmt: skip
    for one, area in zip(settings, areas, strict=True):
        values = (area, one.measured[CE_LINEAR], one.measured[CE_LOG])
        expected = EXPECTED.get(int(one.name), ("", "", ""))
        pairs = [
            str(cell) if cell == "" else f"{cell:.3f}" for pair in zip(values, expected, strict=True) for cell in pair
        ]
        table.add_row(one.name, *pairs, f"{one.excess[CE_LOG]:.3f}", f"{one.excess[GAP]:.3f}")  # fmt: skip
    return table


def areas_table(findings: MatrixFindings) -> Table:
    """The AUC of every cell, static / adaptive."""
    table = empty_table(
        "AUC, static / adaptive (one figure: the same)", ("", *(short(column.name) for column in findings.columns))
    )
    both = [cells_of(findings, adaptive=adaptive) for adaptive in (False, True)]
    for attack, label in ATTACKS.items():
        row = []
        for static, adaptive in zip(both[0][attack], both[1][attack], strict=True):
            figures = ["-" if cell.auc is None else f"{cell.auc:.3f}" for cell in (static, adaptive)]
            row.append(figures[0] if static is adaptive else " / ".join(figures))
        table.add_row(label, *row)
    return table


def predictors_table(settings: Sequence[Setting]) -> Table:
    """What predicts, by column."""
    table = empty_table(
        "Predictors: JS distance less chance, by bins, and accuracies", ("", *(short(one.name) for one in settings))
    )
    for predictor in settings[0].excess:
        table.add_row(predictor, *(f"{one.excess[predictor]:.3f}" for one in settings))
    for place, label in enumerate(("accuracy, members", "accuracy, others")):
        table.add_row(label, *(f"{one.accuracy[place]:.3f}" for one in settings))
    return table


def correlations_table(title: str, by_attack: Mapping[str, Mapping[str, float]]) -> Table:
    predictors = [*next(iter(by_attack.values()))]
    table = empty_table(title, ("", *predictors))
    for attack, each in by_attack.items():
        table.add_row(ATTACKS[attack], *(f"{each[predictor]:+.2f}" for predictor in predictors))
    table.add_row("mean", *(f"{np.nanmean([each[key] for each in by_attack.values()]):+.2f}" for key in predictors))
    return table


def draw_passes(axes: Axes, settings: Sequence[Setting], areas: Sequence[float]) -> None:
    """The attack and the distances against passes; rings where they are expected."""
    x = [int(one.name) for one in settings]
    lines = {
        "AUC of the loss": areas,
        "JS of CE, linear bins": [one.measured[CE_LINEAR] for one in settings],
        "JS of CE, log bins": [one.measured[CE_LOG] for one in settings],
    }
    for number, (label, y) in enumerate(lines.items()):
        axes.plot(x, y, color=SERIES[number], linestyle=DASHES[number], marker="o", markersize=2.5, label=label)
        rings = [EXPECTED[one][number] if one in EXPECTED else np.nan for one in x]
        axes.plot(
            x, rings, linestyle="", marker="o", markersize=6, markerfacecolor="none", color=SERIES[number], zorder=4
        )
    axes.set_xscale("log")
    axes.set_xticks(x, [str(one) for one in x])
    axes.minorticks_off()
    axes.set_xlabel("passes (rings: expected)")
    axes.legend(loc="lower right")


def draw_columns(axes: Axes, settings: Sequence[Setting], areas: Sequence[float | None], predictor: str) -> None:
    """What an attack finds in every column against a predictor."""
    for number, (one, area) in enumerate(zip(settings, areas, strict=True)):
        if area is not None:
            axes.plot(
                one.excess[predictor], area, MARKERS[number], markersize=4, color=SERIES[number], label=short(one.name)
            )
    axes.axhline(0.5, color=MUTED, linewidth=0.5)
    axes.margins(x=0.25, y=0.15)
    axes.set_xlabel(predictor.replace("cross entropy", "JS of CE") + " bins" * (predictor != GAP))


def figure_of(
    after: Sequence[Setting], losses: Sequence[float], settings: Sequence[Setting], best: Sequence[float | None]
) -> Figure:
    """One training; then the largest AUC of any attack on each column against three predictors."""
    figure = Figure(figsize=(9.6, 2.5))
    panels = figure.subplots(1, 4)
    draw_passes(panels[0], after, losses)
    for axes, predictor in zip(panels[1:], (CE_LOG, CE_LINEAR, GAP), strict=True):
        draw_columns(axes, settings, best, predictor)
    panels[1].set_ylabel("largest AUC of an attack")
    panels[1].legend(loc="lower right")
    return figure


def observed_passes(audit: MatrixAudit, models: int, passes: Sequence[int]) -> tuple[Observations, ...]:
    """A few undefended models after so many passes."""
    records = choose_records(audit.dataset, audit.records, audit.seed)
    assert isinstance(audit.model, Architecture)
    assert isinstance(audit.learner, Standard)
    recipe = Recipe(epochs=max(passes), batch=audit.learner.recipe.batch, learning_rate=1e-3)
    sweep = Sweep(
        model=audit.model.build(records.shape, records.classes),
        recipe=Standard(recipe=recipe),
        signals=tuple(map(as_signal, ("phi", "correct", "entropy"))),
        seed=audit.seed,
    )
    return observe_checkpoints(sweep, records, Halves()(models, len(records), audit.seed), passes)


def study(audit: MatrixAudit, run: Path, folder: Path, *, models: int, passes: Sequence[int]) -> dict[str, Any]:
    """Train, attack, predict, print, draw and keep.

    Args:
        audit: the matrix.
        run: the folder of the matrix.
        folder: of the results.
        models: that are observed on the way.
        passes: after which they are.

    Returns:
        The results as they are kept.
    """
    observed = observed_passes(audit, models, passes)
    after = [setting(str(count), one) for count, one in zip(passes, observed, strict=True)]
    losses = [loss_area(one) for one in observed]
    findings = run_matrix(run, audit).findings
    settings = []
    for column in audit.columns:
        opened = open_column(run, audit, column, placement=Placement(), cluster=None, progress=None)
        observations = opened.observations.take(slice(audit.targets))
        settings.append(setting(column.name, observations.take_records(np.arange(opened.scored))))
    areas = {
        kind: {attack: [cell.auc for cell in each] for attack, each in cells_of(findings, adaptive=flag).items()}
        for kind, flag in (("static", False), ("adaptive", True))
    }
    ranks = {kind: correlations(settings, by_attack) for kind, by_attack in areas.items()}
    best = [max(each[n] or 0.0 for each in areas["adaptive"].values()) for n in range(len(settings))]
    with styled():
        save_figure(folder, "risk_predictor", figure_of(after, losses, settings, best))
    told = [
        f"Columns: {', '.join(column.name for column in audit.columns)}.",
        *dict.fromkeys(cell.reason for cell in findings.cells if cell.reason),
        "Over 6 columns chance reaches a rank correlation of .89 or -.89 in 3% of cases, over 5 one of 1 or -1 in 2%.",
    ]
    results = {
        "passes": [one._asdict() | {"loss_auc": area} for one, area in zip(after, losses, strict=True)],
        "columns": [one._asdict() for one in settings],
        "auc": areas,
        "correlation": ranks,
        "strongest": best,
        "told": told,
    }
    tables = [
        correlations_table(f"Rank correlation with an attack's AUC over columns, {k}", v) for k, v in ranks.items()
    ]
    shown = [passes_table(after, losses), areas_table(findings), predictors_table(settings), *tables, *told]
    keep(folder, "risk_predictor", results, shown)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="location30.npz, or a name that jaxattack data lists")
    parser.add_argument("--records", type=int, default=2400)
    parser.add_argument("--models", type=int, default=10, help="of each column")
    parser.add_argument("--targets", type=int, default=4, help="that are attacked, of each column")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load(options.data)
    recipe = Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3)
    source = Architecture(name="mlp:128", activation="tanh")
    audit = MatrixAudit(
        model=source,
        dataset=dataset,
        columns=columns_from(COLUMNS, recipe, source),
        attacks=tuple(map(lookup, ATTACKS)),
        learner=Standard(recipe=recipe),
        records=options.records,
        models=options.models,
        targets=options.targets,
        seed=options.seed,
    )
    run = Path("jaxattack-runs") / f"risk_predictor_{Path(dataset.name).stem}-{options.seed}"
    study(audit, run, options.out, models=options.targets, passes=PASSES)


if __name__ == "__main__":
    main()
