"""What it costs to steal a model: the published tables of model extraction, and ours beside them.

    python benchmarks/extraction.py [--tables FOLDER] [--only linear relu ...] [--seeds 5] [--out extraction.json]

Sections, each with the rows of its paper where there are any:

    linear    logistic and softmax regression from d + 1 queries (Tramèr et al. 2016, section 4.1)
    race      softmax, one-vs-rest and a tanh network on Adult-Race (their Table 4)
    rounding  confidences rounded to so many decimals (their Figure 5)
    kernel    kernel logistic regression, whose representers are training records (their section 4.1.3)
    trees     decision trees by path finding, complete and partial queries (their Table 6)
    binned    binning and one-hot encoding before a regression, as Amazon's service did (their Table 7)
    labels    labels alone: Lowd-Meek and adaptive retraining (their section 6)
    curves    labels alone: agreement against queries, of three ways to choose them
    relu      exact extraction of networks with one hidden layer (Carlini, Jagielski, Mironov 2020)
    deep      with two and three hidden layers
    heldout   exact extraction of networks of other shapes, that nothing was tuned on, and of networks trained by scikit-learn and
              answered through ONNX in float64 and float32, as numbers, softmax and sigmoid, on which float32 and sigmoid were tuned
    head      the last layer of a language model (Carlini et al. 2024)

Queries are the attack's own, without those that verify what was stolen, and errors are exact; seconds are of this process,
oracle included, on the device that is printed. Every row is a mean over seeds, which draw the victim, its split and the attack.
R_test and R_unif are the shares of held-out records and of 10,000 random inputs on which the labels differ. Tables that no
package embeds are read from `--tables` (`tables.py`), and their rows are left out where it is absent.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from extraction_networks import deep, head, heldout, relu
from extraction_services import curves, kernel, labels, linear, race, rounding
from extraction_theft import Row
from extraction_trees import binned, trees
from rich.console import Console
from rich.table import Table

from jaxattack.audit.environment import device

SECTIONS: dict[str, Callable[[Path | None, int], Iterator[Row]]] = {
    "linear": linear, "race": race, "rounding": rounding, "kernel": kernel, "trees": trees, "binned": binned, "labels": labels,
    "curves": curves, "relu": relu, "deep": deep, "heldout": heldout, "head": head,
}  # fmt: skip


def summed_up(rows: list[Row]) -> list[Row]:
    """Rows of one name as one: means, and standard deviations over seeds."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["what"]].append(row)
    return [_mean(what, group) for what, group in groups.items()]


def _mean(what: str, group: list[Row]) -> Row:
    made: Row = {
        "what": what,
        "published": group[0]["published"],
        "seeds": len(group),
        "complete": sum(row["complete"] for row in group),
    }
    for name in group[0]:
        values = [
            row[name] for row in group if isinstance(row.get(name), int | float) and not isinstance(row[name], bool)
        ]
        if values:
            made[name] = {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
                          "least": float(min(values)), "most": float(max(values))}  # fmt: skip
    return made


def show(console: Console, section: str, rows: list[Row]) -> None:
    """One section as a table."""
    measures = [name for name in rows[0] if isinstance(rows[0][name], dict) and name not in ("queries", "seconds")]
    made = Table(title=section, title_justify="left")
    for column in ("what", "n", "done", "queries", "seconds", *measures, "published"):
        made.add_column(column, overflow="fold", justify="left" if column in ("what", "published") else "right")
    for row in rows:
        cells = [f"{row[name]['mean']:.3g}" if name in row else "" for name in measures]
        queries, seconds = row["queries"], row["seconds"]
        made.add_row(
            row["what"], str(row["seeds"]), str(row["complete"]), f"{queries['mean']:,.0f} ± {queries['sd']:,.0f}",
            f"{seconds['mean']:.2f} ± {seconds['sd']:.2f}", *cells, row["published"],
        )  # fmt: skip
    console.print(made)


def main() -> None:
    """Run the sections and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="folder of adult.npz, german_credit.npz, ...")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("extraction.json"))
    arguments = parser.parse_args()
    console = Console()
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"sections": {}}
    packages = ("jaxattack", "jax", "numpy", "scipy", "scikit-learn")
    results["environment"] = {name: version(name) for name in packages} | {
        "python": platform.python_version(), "device": device(),
    }  # fmt: skip
    for section in arguments.only:
        rows: list[Row] = []
        for row in SECTIONS[section](arguments.tables, arguments.seeds):
            rows.append(row)
            # What is there is kept, should a later row take longer than one wants to wait.
            results["sections"][section] = summed_up(rows)
            arguments.out.write_text(json.dumps(results, indent=1))
        if rows:
            show(console, section, summed_up(rows))
        else:
            console.print(f"{section}: no table at hand; give --tables.")


if __name__ == "__main__":
    main()
