"""How often the nominal 95% intervals of a sweep hold what new records and new models give: simulated and real sweeps.

    python scripts/coverage.py [--data mnist.npz] [--repeats 200] [--out benchmarks/results]

A simulated score is a record's effect, a model's effect, a shift by membership that differs from record to record, and
noise, which the two models of a complementary pair share with opposite signs as measured on real ones (correlation -.5).
`digits` has 1,797 records, of which few are given away: half of the true positives at 0.1% come from about 2% of the
records. `location` has 5,010 that leak evenly. The truth is that of four million new records, each of a new model.

`--data` holds x and y, as `jaxattack.load` reads them: it is cut into disjoint sets of 1,000 records, and 256 networks are
trained on complementary halves of each set and attacked by online LiRA, in groups of 8, 16, 64 and 256. The truth for
one set is the mean over all other sets. The kept table has MNIST's training images, averaged over 2x2 pixels, in 50 sets
(`--sets 50`). What was measured before of other records is kept. For comparison, `binomial` is the Clopper-Pearson interval of the pooled count.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack import Recipe, load, train_ensemble
from jaxattack.attacks.membership import LiRA
from jaxattack.data.designs import Halves
from jaxattack.metrics import auc, clopper_pearson, influences, roc_curve
from jaxattack.models import build

RATES = (0.01, 0.001, 0.0001)
FIGURES = ("TPR at 1%", "TPR at 0.1%", "TPR at 0.01%", "AUC")
MODELS = (8, 16, 64, 256)
RECORDS = {"digits": 1797, "location": 5010}
SET = 1000
GROUPS = 4  # groups of models of one size from one set of real records
SHARED = 0.5  # of the noise's variance, between the two models of a pair


class Repeat(NamedTuple):
    """What one sweep gives.

    Attributes:
        value: of each figure.
        interval: of each figure, low and high.
        binomial: the Clopper-Pearson interval of each pooled true-positive rate.
        negatives: how many scores of non-members there are.
    """

    value: np.ndarray
    interval: np.ndarray
    binomial: np.ndarray
    negatives: int


def measure(scores: np.ndarray, member: np.ndarray) -> Repeat:
    """The figures of one sweep with their intervals."""
    roc = roc_curve(scores.ravel(), member.ravel())
    estimates = influences(scores, member, roc, RATES).estimates()
    counts = np.array([round(estimate.value * roc.positives) for estimate in estimates[:-1]])
    binomial = np.stack(clopper_pearson(counts, roc.positives), axis=1)
    value = np.array([*(estimate.value for estimate in estimates[:-1]), auc(roc)])
    return Repeat(value, np.array([estimate.interval() for estimate in estimates]), binomial, roc.negatives)


def draw_records(kind: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New records: how far membership shifts their score, their effect, and the scale of their noise."""
    if kind == "digits":
        heavy = rng.random(count) < 0.06
        shift = np.where(heavy, rng.gamma(4.0, 0.9, count), rng.gamma(0.6, 0.35, count))
    else:
        shift = rng.gamma(2.0, 0.8, count)
    return shift, 0.3 * rng.normal(size=count), np.exp(0.2 * rng.normal(size=count))


def draw_models(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """New models: their effect on every score, and how strongly they remember."""
    return 0.15 * rng.normal(size=count), np.exp(0.1 * rng.normal(size=count))


def sweep(kind: str, models: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a simulated sweep on complementary halves, and the truth."""
    count = RECORDS[kind]
    shift, effect, scale = draw_records(kind, count, rng)
    level, gain = (part[:, None] for part in draw_models(models, rng))
    half = np.stack([rng.permutation(count) < count // 2 for _ in range(models // 2)])
    member = np.stack([half, ~half], axis=1).reshape(models, count)
    common = rng.normal(size=(models // 2, 1, count)) * np.array([1.0, -1.0])[:, None]
    own = rng.normal(size=(models // 2, 2, count))
    noise = (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own).reshape(models, count)
    return effect + level + gain * shift * member + scale * noise, member


def truth(kind: str, rng: np.random.Generator, count: int = 4_000_000) -> np.ndarray:
    """Every figure of new records, each under a new model."""
    sides = []
    for member in (0.0, 1.0):
        shift, effect, scale = draw_records(kind, count, rng)
        level, gain = draw_models(count, rng)
        sides.append(np.sort(effect + level + member * gain * shift + scale * rng.normal(size=count)))
    others, members = sides
    tprs = [1 - np.searchsorted(members, others[count - round(rate * count)]) / count for rate in RATES]
    return np.array([*tprs, np.searchsorted(others, members).mean() / count])


def simulated(repeats: int) -> Iterator[dict[str, Any]]:
    """A row for each kind of simulated records, number of models and figure."""
    for kind in RECORDS:
        true = truth(kind, np.random.default_rng([1, RECORDS[kind]]))
        for models in MODELS:
            found = [measure(*sweep(kind, models, np.random.default_rng([2, models, at]))) for at in range(repeats)]
            yield from rows(kind, models, found, np.tile(true, (repeats, 1)))


def real(path: str, sets: int) -> Iterator[dict[str, Any]]:
    """A row for each number of models and figure, from disjoint sets of real records."""
    every = load(path)
    order = np.random.default_rng(0).permutation(len(every))
    sets = min(sets, len(every) // SET)
    model, recipe = build("mlp:32", every.shape, every.classes), Recipe(epochs=20, batch=50)
    attack = LiRA(online=True)
    found: dict[int, list[list[Repeat]]] = {models: [] for models in MODELS}
    for at in range(sets):
        records = every.take(np.sort(order[at * SET : (at + 1) * SET]))
        member = Halves()(max(MODELS), SET, at)
        _, observed = train_ensemble(model, recipe, records, member, seed=at)
        for models in MODELS:
            groups = [slice(first, first + models) for first in range(0, len(member), models)][:GROUPS]
            parts = [observed.take(group) for group in groups]
            found[models].append([measure(attack(part), part.member) for part in parts])
    for models, by_set in found.items():
        values = np.array([np.mean([repeat.value for repeat in groups], axis=0) for groups in by_set])
        others = (values.sum(axis=0) - values) / (sets - 1)
        flat = [repeat for groups in by_set for repeat in groups]
        yield from rows("real", models, flat, np.repeat(others, len(by_set[0]), axis=0))


def rows(kind: str, models: int, found: Sequence[Repeat], true: np.ndarray) -> Iterator[dict[str, Any]]:
    """A row a figure: how often its interval holds the truth, lies below and lies above it."""
    low, high = np.stack([repeat.interval for repeat in found]).transpose(2, 0, 1)
    binomial = np.stack([repeat.binomial for repeat in found]).transpose(2, 0, 1)
    allowed = [int(rate * found[0].negatives + 1e-9) for rate in RATES]
    for at, figure in enumerate(FIGURES):
        resolvable = at == len(RATES) or allowed[at] >= 1
        row = {"records": kind, "models": models, "figure": figure, "repeats": len(found), "resolvable": resolvable}
        row["false_positives"] = allowed[at] if at < len(RATES) else None
        if resolvable:
            row |= {
                "truth": float(true[:, at].mean()),
                "covered": float(((low[:, at] <= true[:, at]) & (true[:, at] <= high[:, at])).mean()),
                "below": float((high[:, at] < true[:, at]).mean()),
                "above": float((low[:, at] > true[:, at]).mean()),
                "width": float(np.median((high - low)[:, at] / true[:, at])),
            }
        if resolvable and at < len(RATES):
            holds = (binomial[0][:, at] <= true[:, at]) & (true[:, at] <= binomial[1][:, at])
            row["binomial_covered"] = float(holds.mean())
        yield row


def table(results: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table: covered in percent, by figure; the binomial interval in brackets."""
    lines = [f"| records | models | repeats | {' | '.join(FIGURES)} |", "| --- " * (3 + len(FIGURES)) + "|"]
    for kind, models in dict.fromkeys((row["records"], row["models"]) for row in results):
        cells = [row for row in results if (row["records"], row["models"]) == (kind, models)]
        told = " | ".join(_cell(row) for row in cells)
        lines.append(f"| {kind} | {models} | {cells[0]['repeats']} | {told} |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    if not row["resolvable"]:
        return "n/r"
    few = row["false_positives"]
    text = f"{100 * row['covered']:.0f}"
    if "binomial_covered" in row:
        text += f" ({100 * row['binomial_covered']:.0f})"
    return text + (f", {few} FP" if few is not None and few < 10 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="real records as FILE.npz or another name that jaxattack.load takes")
    parser.add_argument("--sets", type=int, default=60, help="disjoint sets of real records, at most")
    parser.add_argument("--repeats", type=int, default=200, help="of each simulated sweep; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    fresh = [*(simulated(options.repeats) if options.repeats else ())]
    fresh += real(options.data, options.sets) if options.data else ()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "coverage.json"
    before = json.loads(file.read_text()) if file.exists() else []
    kinds = {row["records"] for row in fresh}
    results = [*(row for row in before if row["records"] not in kinds), *fresh]
    file.write_text(json.dumps(results, indent=1) + "\n")
    text = (
        "Percent of sweeps in which the nominal 95% interval holds the value of new records and new models "
        "(`python scripts/coverage.py`).\nIn brackets the Clopper-Pearson interval of the pooled count. FP: false "
        "positives that the rate allows, where fewer than ten; n/r: not one.\n\n" + table(results)
    )
    (options.out / "coverage.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
