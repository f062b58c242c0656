"""How often an audit of models that leak nothing claims a leak: real networks, members that they never saw.

    python scripts/null_runs.py [--repeats 200] [--out benchmarks/results]

128 networks are trained on 797 of scikit-learn's digits and asked about the other 1,000. Each run takes some of them at
random, draws complementary halves of the 1,000 as if these had been members, and runs every attack. What it says of
these "members" is chance.

all              the headline claims that the strongest of all attacks finds more than chance
declared         the same where lira-online was declared beforehand
uncorrected      the 95% interval of the strongest attack lies above chance
binomial         the same by the Clopper-Pearson interval of the pooled count
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxattack import Observations, Recipe, build, load, train_ensemble
from jaxattack.attacks.membership import ATTACKS, lookup, signals_for
from jaxattack.audit import evaluate
from jaxattack.data.membership import Halves
from jaxattack.metrics import clopper_pearson
from jaxattack.report.membership.reading import beats_chance, claimed

MODELS = (4, 8, 16, 32)
RULES = ("all", "declared", "uncorrected", "binomial")
DECLARED = "lira-online"
SCORED = 1000


def observe(models: int) -> Observations:
    """What networks that were trained on other records say of the scored ones."""
    digits = load("digits")
    order = np.random.default_rng(0).permutation(len(digits))
    scored, trained = np.sort(order[:SCORED]), order[SCORED:]
    member = np.zeros((models, len(digits)), bool)
    member[:, trained] = Halves()(models, len(trained), 0)
    model = build("mlp:64", digits.shape, digits.classes)
    _, observed = train_ensemble(model, Recipe(epochs=20, batch=32), digits, member, signals=signals_for())
    signals = {name: values[:, scored] for name, values in observed.signals.items()}
    return Observations(signals=signals, member=member[:, scored], label=digits.y[scored])


def run(observed: Observations, models: int, seed: int) -> dict[str, bool]:
    """One audit of models that leak nothing, and what each rule claims."""
    rng = np.random.default_rng([models, seed])
    chosen = rng.permutation(observed.models)[:models]
    audit = Observations(
        signals={name: values[chosen] for name, values in observed.signals.items()},
        member=Halves()(models, observed.records, int(rng.integers(2**31))),
        label=observed.label,
    )
    found = evaluate(audit, lookup(tuple(ATTACKS)), growth=False)
    rate, strongest = found["claim"]["rate"], claimed(found)
    declared = next(attack for attack in found["attacks"] if attack["name"] == DECLARED)
    hits = round(strongest["tpr"][rate] * strongest["roc"]["positives"])
    return {
        "all": beats_chance(strongest, rate),
        "declared": declared["tpr_interval"][rate][0] > float(rate),  # what is declared is not widened
        "uncorrected": strongest["tpr_interval"][rate][0] > float(rate),
        "binomial": bool(clopper_pearson(hits, strongest["roc"]["positives"])[0] > float(rate)),
    }


def measured(repeats: int) -> Iterator[dict[str, Any]]:
    """A row for each number of models: how many of the runs claim a leak, by each rule."""
    observed = observe(128)
    for models in MODELS:
        runs = [run(observed, models, seed) for seed in range(repeats)]
        yield {"models": models, "repeats": repeats} | {rule: sum(one[rule] for one in runs) for rule in RULES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    results = list(measured(options.repeats))
    lines = [f"| models | runs | {' | '.join(RULES)} |", "| --- " * (2 + len(RULES)) + "|"]
    for row in results:
        lines.append("| " + " | ".join(str(row[key]) for key in ("models", "repeats", *RULES)) + " |")
    text = (
        "Runs without any leak that claim one (`python scripts/null_runs.py`; its description says by what rule).\n\n"
        + "\n".join(lines)
        + "\n"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "null_runs.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "null_runs.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
