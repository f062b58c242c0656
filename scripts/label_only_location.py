"""Membership inference from labels alone on Location-30: how far flipped bits get, and queries that are optimised.

    python scripts/label_only_location.py --data location30.npz

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). For each
seed, which draws 2,400 records, networks of 128 tanh units train on 1,200 of them; figures are means over all networks. What
is expected (exp.) are means over three such networks trained elsewhere. Queries are optimised on half of the networks and asked
of the other half; canaries are of confidences. Without --out nothing is kept.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from jaxattack import Recipe, load, membership
from jaxattack.attacks.membership import lookup
from jaxattack.audit import MembershipResult
from jaxattack.models import Architecture
from jaxattack.training.learners import Standard

EXPECTED = {  # AUC, best balanced accuracy, TPR at 1% FPR
    "gap": (0.705, 0.705, 0.0),
    "loss": (0.904, 0.902, 0.015),
    "bit-flips?levels=0.01": (0.877, 0.866, 0.0),
    "bit-flips?levels=0.03": (0.896, 0.878, 0.0),
    "bit-flips?levels=0.06": (0.883, 0.864, 0.0),
    "bit-flips": (0.896, 0.878, 0.0),
    "merlin": (0.525, 0.526, 0.010),
}
OPTIMISED = ("yoqo?judged=false", "yoqo", "oslo", "canary")  # whose queries are found on half of a seed's networks


def figures(options: argparse.Namespace, out: Path, seed: int) -> dict[str, np.ndarray]:
    """AUC, best balanced accuracy and TPR at 1% FPR of every attack, means over its targets."""
    result = membership(
        out / str(seed),
        model=Architecture(name="mlp:128", activation="tanh"),
        dataset=load(str(options.data)),
        records=2400,
        learner=Standard(recipe=Recipe(epochs=30, batch=50, learning_rate=1e-3)),
        models=options.models,
        seed=seed,
        attacks=tuple(map(lookup, (*EXPECTED, *OPTIMISED))),
    )
    measured = {}
    assert isinstance(result, MembershipResult)  # of a sweep, not of one target
    for attack in result.findings.attacks:
        one = attack.per_target
        measured[attack.name] = np.array([one.auc.mean, one.balanced_accuracy.mean, one.tpr["0.01"].mean])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="location30.npz")
    parser.add_argument("--models", type=int, default=12, help="networks of a seed, at least 12")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the networks in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [figures(options, options.out or Path(folder), seed) for seed in range(options.seeds)]
    table = Table(
        title=f"Location-30, {options.seeds} seeds of {options.models} networks",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("attack", no_wrap=True)
    for column in ("AUC", "exp.", "accuracy", "exp.", "TPR 1%", "exp."):
        table.add_column(column, justify="right")
    for name in (*EXPECTED, *OPTIMISED):
        means = np.mean([run[name] for run in runs], axis=0)
        expected = [f"{value:.3f}" for value in EXPECTED.get(name, ())] or ["", "", ""]
        cells = (cell for mean, there in zip(means, expected, strict=True) for cell in (f"{mean:.3f}", there))
        table.add_row(name, *cells)
    spread = max(np.std([run[name][0] for run in runs]) for name in runs[0])
    Console().print(table, f"The AUC of an attack has a deviation of at most {spread:.3f} between seeds.")


if __name__ == "__main__":
    main()
