"""What Shokri's attack learns on Location-30 from shadows of records that are not real (Shokri et al. 2017, section V-C).

    python scripts/shadow_data_location.py --data location30.npz     three minutes of a core

The file is that of scripts/learned_attacks_location.py, and so are victims and shadows: eight, of a half each of 2,400 records.
Those are real ones that the victim never saw; the same with a tenth and with a fifth of their bits flipped; as many drawn from
each class's marginals; and what hill climbing makes of the victim's answers alone, by as many chains. Precision and recall are
those of records that are called members at even odds; the paper reports a precision of .678 of real records, .666 and .613
of noisy ones, with other splits and other networks. Figures are means over seeds and their deviation; the table is
benchmarks/results/shadow_data_location.txt.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxattack import Recipe, load
from jaxattack.attacks.membership import HillClimb, Shokri, transfer_scores
from jaxattack.data import marginals, noisy
from jaxattack.metrics import auc, roc_curve, tpr_at_fpr
from jaxattack.models import Architecture
from jaxattack.oracle import from_model
from jaxattack.training import Placement, train_ensemble
from jaxattack.types import Dataset, Inputs, Oracle

RECORDS, SHADOWS, RECIPE = 2400, 8, Recipe(epochs=30, batch=50, learning_rate=1e-3)


def train(dataset: Dataset, models: int, seed: int):
    """So many models, each of a random half of the records, and what they say of all."""
    rng = np.random.default_rng(seed)
    member = rng.permuted(np.tile(np.arange(len(dataset)) < len(dataset) // 2, (models, 1)), axis=1)
    model = Architecture(name="mlp:128", activation="tanh").build(dataset.shape, dataset.classes)
    placement = Placement(chunk=models, vmap=models)
    ensemble, observed = train_ensemble(
        model, RECIPE, dataset, member, seed=seed, signals=["confidence_vector"], placement=placement
    )
    return model, jax.tree.map(lambda leaf: leaf[0], ensemble.variables), observed


def synthesise(victim: Oracle, dataset: Dataset, seed: int) -> tuple[Dataset, str]:
    """Records that the victim is sure of, and what they cost."""
    classes = np.arange(RECORDS) % dataset.classes
    made = HillClimb()(victim, classes, seed=seed)
    told = f"synthesised: {made.emitted.mean():.0%} of chains, {made.queries.sum() / max(made.emitted.sum(), 1):.0f} queries a record"
    return replace(dataset, x=made.x[made.emitted], y=classes[made.emitted], ids=()), told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="location30.npz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--width", type=int, default=100, help="of the table, in characters")
    options = parser.parse_args()
    dataset = load(str(options.data))
    measured: dict[str, list[tuple[float, ...]]] = {}
    notes = []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(dataset))
        own, other = (dataset.take(part) for part in (order[:RECORDS], order[RECORDS : 2 * RECORDS]))
        model, variables, observed = train(own, 1, seed)
        documented = Inputs(low=np.zeros(own.shape), high=np.ones(own.shape), categories=np.full(own.shape, 2))
        victim = from_model(model, variables, inputs=documented, classes=dataset.classes)
        synthesised, told = synthesise(victim, own, seed)
        notes.append(told)
        for name, records in (
            ("real", other),
            ("a tenth of bits flipped", noisy(other, share=0.1, seed=seed)),
            ("a fifth of bits flipped", noisy(other, share=0.2, seed=seed)),
            ("marginals of each class", marginals(other, records=RECORDS, seed=seed)),
            ("synthesised", synthesised),
        ):
            shadows = train(records, SHADOWS, seed)[2]
            score, member = transfer_scores(Shokri(), shadows, observed)[0], observed.member[0]
            roc, called = roc_curve(score, member), score > 0
            figures = auc(roc), tpr_at_fpr(roc, 0.01).tpr, member[called].mean(), called[member].mean()
            measured.setdefault(name, []).append(tuple(map(float, figures)))
    shown = Table(title=f"Shokri's attack, Location-30, {options.seeds} victims", title_justify="left")
    for column in ("shadows' records", "AUC", "TPR at 1% FPR", "precision", "recall"):
        shown.add_column(column, justify="left" if column.startswith("shadows") else "right")
    for name, rows in measured.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=min(1, len(rows) - 1))
        shown.add_row(name, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)))
    console = Console(width=options.width)
    console.print(shown)
    for note in notes:
        console.print(note)


if __name__ == "__main__":
    main()
