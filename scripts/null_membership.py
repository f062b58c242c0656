"""What every membership attack finds where nothing leaks: nothing, whatever the design, the number of models and the answers.

    python scripts/null_membership.py                              a quarter of an hour on one core
    python scripts/null_membership.py --protocol leave-one-out     what the published protocol finds

Answers do not depend on membership. They are continuous; rounded, so that many tie; the same for every model at a record; or
constant. For each attack, design and number of models stand the mean AUC and, below it, by how many points the true-positive
rate at 1% false positives is above what chance gives there, over repeats with fresh members and answers; * marks an AUC more
than three standard errors from one half, or a rate as much above chance (by Student's t, as there are few repeats). A dash: too
few models for the attack.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import expit, log_expit, xlogy
from scipy.stats import t

from jaxattack import Observations
from jaxattack.attacks.membership import ATTACKS, PROTOCOLS, by_label, lookup, under_protocol
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.data.designs import Design, Exact, Halves, Poisson
from jaxattack.metrics import auc, roc_curve, tpr_at_fpr
from jaxattack.types import MembershipAttack

ANSWERS = ("continuous", "rounded", "same", "constant")
DESIGNS: tuple[Design, ...] = (Halves(), Exact(), Poisson())
MODELS = (4, 8, 16, 64)
SCORES = (
    160_000  # of each attack in a cell: its AUC is then known to .001, or .0015 where scores of a record go together
)
CLASSES = 4
ODDS = 370  # three standard errors, where they are known exactly; they are estimated from the repeats


def answers(kind: str, models: int, records: int, rng: np.random.Generator) -> np.ndarray:
    """phi [model, record, 1] of models that know nothing of their members."""
    hardness = rng.normal(2, 2, (1, records))
    if kind == "constant":
        phi = np.full((models, records), 2.3)
    elif kind == "same":
        phi = np.repeat(hardness, models, axis=0)
    else:
        spread = 0.1 if kind == "rounded" else 1.0
        phi = hardness + rng.normal(0, spread, (models, records))
    return (np.round(phi, 1) if kind == "rounded" else phi).astype(np.float32)[:, :, None]


def observe(design: Design, kind: str, models: int, records: int, seed: int) -> Observations:
    """Observations that leak nothing, with every signal that attacks read, as of two classes."""
    rng = np.random.default_rng((seed, models))
    phi = answers(kind, models, records, rng)
    p = expit(phi.astype(np.float64))
    signals = {
        "phi": phi,
        "correct": phi > 0,
        "entropy": -xlogy(p, p) - xlogy(1 - p, 1 - p),
        "modified_entropy": -2 * (1 - p) * log_expit(phi),
        "softmax_t2": log_expit(phi / 2),
    }
    return Observations(
        signals={name: values.astype(np.float32) for name, values in signals.items()},
        member=design(models, records, seed),
        label=rng.integers(0, CLASSES, records),
    )


def cell(
    design: Design,
    kind: str,
    models: int,
    records: int,
    repeats: int,
    attacks: Mapping[str, MembershipAttack],
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Mean and standard error over repeats of each attack's pooled AUC and TPR at 1%; attacks that cannot run are absent."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in attacks}
    for repeat in range(repeats):
        observations = observe(design, kind, models, records, seed + repeat)
        for name, attack in attacks.items():
            try:
                scores = attack(observations)
            except TooFewReferences:
                continue
            curve = roc_curve(scores.ravel(), observations.member.ravel())
            figures[name].append((auc(curve), tpr_at_fpr(curve, 0.01).tpr - chance(curve.negatives)))
    return {name: _spread(np.array(each)) for name, each in figures.items() if len(each) > 1}


def chance(negatives: int) -> float:
    """The members above the threshold of 1% false positives where scores know nothing, on average: a little more than 1%.

    The lowest threshold with k false positives lies just above the score of the non-member that is next, which k + 1 of
    n + 1 members exceed.
    """
    return (int(0.01 * negatives + 1e-9) + 1) / (negatives + 1)


def _spread(each: np.ndarray) -> dict[str, float]:
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return {"auc": mean[0], "auc_error": error[0], "tpr_excess": mean[1], "tpr_error": error[1], "repeats": len(each)}


def astray(figure: dict[str, float], odds: float = ODDS) -> bool:
    """Whether an attack finds something, farther from nothing than chance goes once in so many figures."""
    allowed = t.isf(1 / (2 * odds), figure["repeats"] - 1)
    rounding = 1e-12
    return bool(
        abs(figure["auc"] - 0.5) > allowed * figure["auc_error"] + rounding
        or figure["tpr_excess"] > allowed * figure["tpr_error"] + rounding
    )


def study(
    attacks: Mapping[str, MembershipAttack], kinds: Sequence[str], sizes: Sequence[int], records: int
) -> Iterator[tuple[str, str, int, dict[str, dict[str, float]]]]:
    """Every cell: answers, design, models and what each attack finds."""
    for kind in kinds:
        for design in DESIGNS:
            for models in sizes:
                repeats = max(10, SCORES // (models * records))
                yield kind, design.describe, models, cell(design, kind, models, records, repeats, attacks)


def show(kind: str, cells: dict[tuple[str, int], dict[str, dict[str, float]]], attacks: Iterable[str]) -> Table:
    """The table of one kind of answers."""
    table = Table(
        title=f"{kind} answers: AUC, and members found above chance (points) at 1% false positives",
        title_justify="left",
    )
    table.add_column("attack", no_wrap=True)
    for design, models in cells:
        table.add_column(f"{design} {models}", justify="right")
    for name in attacks:
        row = [found.get(name) for found in cells.values()]
        table.add_row(name, *("–" if one is None else _text(one) for one in row))
    return table


def _text(figure: dict[str, float]) -> str:
    return f"{figure['auc']:.3f}{'*' if astray(figure) else ''}\n{100 * figure['tpr_excess']:+.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS))
    parser.add_argument("--answers", nargs="+", choices=ANSWERS, default=ANSWERS)
    parser.add_argument("--models", nargs="+", type=int, default=MODELS)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    attacks = by_label(under_protocol(lookup(name), options.protocol) for name in options.attacks)
    console, kept = Console(width=210), []
    cells: dict[str, dict[tuple[str, int], Any]] = {kind: {} for kind in options.answers}
    for kind, design, models, found in study(attacks, options.answers, options.models, options.records):
        cells[kind][design, models] = found
        kept += [
            {"answers": kind, "design": design, "models": models, "attack": name, **one} for name, one in found.items()
        ]
        if len(cells[kind]) == len(DESIGNS) * len(options.models):
            console.print(show(kind, cells[kind], attacks))
    wrong = [one for one in kept if astray(one)]
    worst = max(abs(one["auc"] - 0.5) for one in kept)
    console.print(
        f"{len(kept)} cells, {options.protocol}: {len(wrong)} are more than three standard errors from finding nothing (by "
        f"chance {0.003 * sum(one['auc_error'] > 0 for one in kept):.0f} would be); the AUC farthest from .5 is off by {worst:.4f}."
    )
    if options.out:
        options.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
