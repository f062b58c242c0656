"""How often an audit of models that leak nothing claims a leak: real networks, members that they never saw.

    python scripts/null_runs.py [--repeats 200] [--out benchmarks/results]

128 networks are trained on 797 of scikit-learn's digits and asked about the other 1,000. Each run takes some of them at
random, draws complementary halves of the 1,000 as if these had been members, and runs every attack. What it says of
these "members" is chance.

all              the headline claims that the strongest of all attacks finds more than chance
declared         the same where lira-online was declared beforehand, or loss among the 4 models that are too few for it
uncorrected      the 95% interval of the strongest attack lies above chance
binomial         the same by the Clopper-Pearson interval of the pooled count
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxattack import InputError, Observations, Recipe, load, train_ensemble
from jaxattack.attacks.membership import ATTACKS, signals_of
from jaxattack.audit import evaluate
from jaxattack.audit.claim import Correction, claimed_rate
from jaxattack.audit.curves import FPRS, rate_key
from jaxattack.audit.findings import values
from jaxattack.audit.scorable import scorable
from jaxattack.data.designs import Halves
from jaxattack.metrics import Estimate, auc, clopper_pearson, influences, roc_curve
from jaxattack.models import build
from jaxattack.report.membership.reading import beats_chance, claimed
from jaxattack.types import MembershipAttack

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
    _, observed = train_ensemble(
        model, Recipe(epochs=20, batch=32), digits, member, signals=signals_of(ATTACKS.values())
    )
    signals = {name: values[:, scored] for name, values in observed.signals.items()}
    return Observations(signals=signals, member=member[:, scored], label=digits.y[scored])


def run(observed: Observations, models: int, seed: int) -> dict[str, bool]:
    """One audit of models that leak nothing, and what each rule claims: the figures of `jaxattack.audit.evaluate` alone."""
    rng = np.random.default_rng([models, seed])
    chosen = rng.permutation(observed.models)[:models]
    audit = Observations(
        signals={name: values[chosen] for name, values in observed.signals.items()},
        member=Halves()(models, observed.records, int(rng.integers(2**31))),
        label=observed.label,
    )
    rate = claimed_rate(int((~audit.member).sum()), FPRS)
    assert rate is not None
    attacks = scorable(audit.member, ATTACKS).attacks
    found = {name: _figures(attack, audit, rate) for name, attack in attacks.items()}
    found = {name: figures for name, figures in found.items() if figures is not None}
    name = max(found, key=lambda name: (found[name][0].value, found[name][1]))
    strongest, _, positives = found[name]
    correction = Correction(attacks=tuple(attacks))
    hits = round(strongest.value * positives)
    claims = {
        "all": strongest.interval(correction.confidence(name))[0] > rate,
        "declared": found.get(DECLARED, found["loss"])[0].interval()[0] > rate,
        "uncorrected": strongest.interval()[0] > rate,
        "binomial": bool(clopper_pearson(hits, positives)[0] > rate),
    }
    if seed == 0:
        told = values(evaluate(audit, ATTACKS.values(), growth=False))
        assert claimed(told)["name"] == name
        assert beats_chance(claimed(told), rate_key(rate)) == claims["all"]
    return claims


def _figures(attack: MembershipAttack, audit: Observations, rate: float) -> tuple[Estimate, float, int] | None:
    """The true-positive rate with its uncertainty, the AUC, and how many scores of members there are."""
    try:
        scores = attack(audit)
    except InputError:
        return None  # too few models for it: the audit leaves it out
    roc = roc_curve(scores.ravel(), audit.member.ravel())
    return influences(scores, audit.member, roc, (rate,)).estimates()[0], auc(roc), roc.positives


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
