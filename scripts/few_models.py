"""What membership attacks find with few reference models: 4, 8, 16 and 64, the same for all of them.

    python scripts/few_models.py                              scikit-learn's digits, 66 networks of 128 units
    python scripts/few_models.py --data location30.npz --records 2400 --activation tanh

Every model is attacked. Its K references are K / 2 complementary pairs that do not hold it, so that a record has as many that
were trained on it as not, whether the target was or not. All attacks read the same answers of the same models: what differs is
what they fit to a record. Rates are pooled over targets, with 95% intervals over records and pairs of models; whether an attack
beats LiRA at 8 references is judged by the paired difference, its interval widened for all that are compared (Bonferroni).

Beside it stands what one model alone tells, without any reference: the true-negative rate of its losses at as many false negatives,
which is said to predict LiRA's true-positive rate (Dodd et al. 2025, arXiv 2510.19773).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import by_name
from comparison import Panel, curves_figure, keep, points_table, save_figure

from jaxattack import Observations, Recipe, load, membership
from jaxattack.attacks.membership import FewReferences, lookup
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.audit import evaluate
from jaxattack.metrics import differences, influences, loss_tnr, roc_curve
from jaxattack.metrics.comparison import corrected
from jaxattack.models import Architecture
from jaxattack.report.style import styled
from jaxattack.report.wording import percent, rate
from jaxattack.store import RunFolder
from jaxattack.training.learners import Standard

REFERENCES = (4, 8, 16, 64)
RATES = ("0.01", "0.001", "0.0001")
JUDGED = 8
"""References at which the attacks are compared with LiRA."""
LIRA = "lira-online"
ATTACKS = {
    LIRA: "LiRA",
    "lira-online-bayes": "LiRA, Bayes (BaVarIA-t)",
    "lira-online-bayes-normal": "LiRA, Bayes (BaVarIA-n)",
    "rmia-online-log": "RMIA, log-ratio",
    "base-1": "BASE 1",
    "base-2?scale=log": "BASE 2 of log p",
    "base-3": "BASE 3",
    "pmia-class": "PMIA, class",
    "pmia-global": "PMIA, global",
}
DRAWN = (LIRA, "lira-online-bayes", "rmia-online-log", "base-1", "base-2?scale=log", "pmia-class")


def attacked(observations: Observations, budgets: Sequence[int]) -> dict[int, dict[str, dict[str, Any]]]:
    """The figures of each attack by its name, by the number of references."""
    found = {}
    for budget in budgets:
        few = {name: FewReferences(attack=lookup(name), pairs=budget // 2) for name in ATTACKS}
        entries = by_name(evaluate(observations, tuple(few.values()), growth=False))
        found[budget] = {name: entries[attack.name] | {"references": budget} for name, attack in few.items()}
    return found


def judged(observations: Observations, budget: int) -> dict[str, dict[str, dict[str, Any]]]:
    """What each attack finds more than LiRA, by its name and the rate, with its interval and whether that is above 0."""
    member = observations.member

    def moved(name: str) -> Any:
        scores = FewReferences(attack=lookup(name), pairs=budget // 2)(observations)
        return influences(scores, member, roc_curve(scores.ravel(), member.ravel()), [float(one) for one in RATES])

    lira, others = moved(LIRA), [name for name in ATTACKS if name != LIRA]
    confidence = corrected(len(others) * len(RATES))
    return {
        name: {
            fpr: {"difference": difference.value, "interval": (ends := difference.interval(confidence)), "beats": ends[0] > 0}
            for fpr, difference in zip(RATES, differences(moved(name), lira)[: len(RATES)], strict=True)
        }
        for name in others
    }  # fmt: skip


def headline(by_attack: Mapping[str, Mapping[str, Mapping[str, Any]]], budget: int) -> str:
    """Whether any attack beats LiRA with so few references, in a sentence."""
    better = [
        f"{ATTACKS[name]} at {rate(fpr)} FPR by {100 * one['difference']:.2f} points "
        f"[{100 * one['interval'][0]:.2f}, {100 * one['interval'][1]:.2f}]"
        for name, by_rate in by_attack.items()
        for fpr, one in by_rate.items()
        if one["beats"]
    ]
    if not better:
        return f"With {budget} references none finds more than LiRA beyond the interval of the difference."
    return (
        f"With {budget} references more than LiRA, beyond the interval of the difference, finds: {'; '.join(better)}."
    )


def alone(observations: Observations) -> dict[str, float]:
    """The mean true-negative rate of the losses, by the share of members that may be missed, where that allows one member."""
    loss = loss_of(observations.signal("phi")[:, :, 0])
    targets = list(zip(loss, observations.member, strict=True))
    fewest = observations.member.sum(axis=1).min()
    return {
        fpr: float(np.mean([loss_tnr(*target, missed=float(fpr)) for target in targets]))
        for fpr in RATES
        if float(fpr) * fewest >= 1
    }


def panels(found: Mapping[int, Mapping[str, Mapping[str, Any]]], names: Sequence[str]) -> list[Panel]:
    """A panel a rate: each attack's true-positive rate against the references."""
    return [
        Panel("references", "references", {ATTACKS[name]: [by[name] for by in found.values()] for name in names}, fpr)
        for fpr in RATES
    ]


def study(observations: Observations, budgets: Sequence[int], folder: Path, name: str) -> dict[str, Any]:
    """Attack, print, draw and keep.

    Returns:
        The results as they are kept.
    """
    found, differences, single = attacked(observations, budgets), judged(observations, JUDGED), alone(observations)
    with styled():
        save_figure(folder, name, curves_figure(panels(found, DRAWN)))
    strongest = found[max(budgets)][LIRA]["tpr"]
    tail = "; ".join(f"{percent(single[fpr])} at {rate(fpr)} (LiRA finds {percent(strongest[fpr])})" for fpr in single)
    told = [
        headline(differences, JUDGED),
        f"Without references, the true-negative rate of the loss is {tail}, LiRA with {max(budgets)} references.",
    ]
    results = {
        "models": observations.models,
        "records": observations.records,
        "attacks": [
            {key: one[key] for key in ("name", "references", "auc", "tpr", "tpr_interval", "false_positives")}
            for by in found.values()
            for one in by.values()
        ],
        "differences": differences,
        "loss_tnr": single,
        "told": told,
    }
    keep(folder, name, results, [*map(points_table, panels(found, tuple(ATTACKS))), *told])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--records", type=int)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load(options.data)
    name = f"few_models_{Path(dataset.name).stem}"
    run = Path("jaxattack-runs") / f"{name}-{options.seed}"
    models = max(REFERENCES) + 2
    membership(
        run,
        model=Architecture(name="mlp:128", activation=options.activation),
        dataset=dataset,
        records=options.records,
        learner=Standard(recipe=Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3)),
        models=models,
        seed=options.seed,
        attacks=tuple(map(lookup, ("rmia-online-log", "loss"))),
    )
    study(RunFolder.existing(run).observations(models), REFERENCES, options.out, name)


if __name__ == "__main__":
    main()
