"""What membership attacks find of a target for 4, 8, 16, 64 and 256 models trained, the same for all of them.

    python scripts/few_models.py                              scikit-learn's digits, networks of 128 units
    python scripts/few_models.py --data location30.npz --records 2400 --activation tanh --targets 20

So many models, an even number, are attacked. What an attack may train is counted, whatever it trains:

    most attacks    K / 2 complementary pairs that do not hold the target, so that a record has as many references that were trained
                    on it as not, whether the target was or not
    canary queries  half of the K find the queries of all records, the others judge; at 4, where one pair judges, by IMIA's distances
    IMIA            of K, half and at most 16 imitate the target, and the others are ordinary pairs

All attacks read answers of the same models and of the same targets. Rates are pooled over targets; intervals are for new
records and new models, each widened for the number of attacks (Bonferroni); whether an attack beats LiRA at 8 models is judged
by the paired difference, its interval widened for all that are compared. Queries of a canary are found on the same models
for every target, whose luck no interval holds.

Beside it stands what one model alone tells, without any reference: the true-negative rate of its losses at as many false negatives,
which is said to predict LiRA's true-positive rate (Dodd et al. 2025, arXiv 2510.19773).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from comparison import Panel, curves_figure, keep, points_table, save_figure
from jaxtyping import Bool, Float

from jaxattack import Observations, Recipe, load, membership
from jaxattack.attacks.membership import FewReferences, LiRA, lookup
from jaxattack.attacks.membership.imia import IMIA
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import validation_models
from jaxattack.audit import MembershipAudit, run_observations
from jaxattack.audit.optimising import variables_of, work_of
from jaxattack.audit.plan import Plan, planned
from jaxattack.metrics import differences, influences, loss_tnr, roc_curve
from jaxattack.metrics.comparison import corrected
from jaxattack.models import Architecture
from jaxattack.report.style import styled
from jaxattack.report.wording import percent, rate
from jaxattack.signals import CanaryQueries, Imitation, NearestPhi, Phi
from jaxattack.training.afterwards import ask_afterwards, find_queries
from jaxattack.training.learners import Standard
from jaxattack.types import Surrogates

MODELS = (4, 8, 16, 64, 256)
RATES = ("0.01", "0.001", "0.0001")
JUDGED = 8
"""Models trained at which the attacks are compared with LiRA."""
IMITATORS = 16
"""Of a target, at most."""
LIRA = "LiRA"
ATTACKS = {
    LIRA: "lira-online",
    "LiRA, Bayes (BaVarIA-t)": "lira-online-bayes",
    "LiRA, Bayes (BaVarIA-n)": "lira-online-bayes-normal",
    "RMIA, log-ratio": "rmia-online-log",
    "BASE 1": "base-1",
    "BASE 2 of log p": "base-2?scale=log",
    "BASE 3": "base-3",
    "PMIA, class": "pmia-class",
    "PMIA, global": "pmia-global",
    "PMIA, instance": "pmia-instance",
}
DRAWN = (LIRA, "LiRA, Bayes (BaVarIA-t)", "RMIA, log-ratio", "BASE 1", "PMIA, class", "IMIA", "canary")

Scorer = Callable[[int], Float[np.ndarray, "target record"]]
"""The scores of every target for so many models trained."""


def registered(observations: Observations, targets: int) -> dict[str, Scorer]:
    """The attacks by their names here, among pairs."""

    def score(name: str, budget: int) -> Float[np.ndarray, "target record"]:
        return FewReferences(attack=lookup(name), pairs=budget // 2)(observations, range(targets))

    return {label: partial(score, name) for label, name in ATTACKS.items()}


def imitation_scores(
    observations: Observations, outside: Float[np.ndarray, "target record imitator"], budget: int
) -> Float[np.ndarray, "target record"]:
    """IMIA's, of which so many models that imitate a target are part.

    Args:
        observations: the ordinary models, the targets first.
        outside: what imitators of each target say that were not trained on the record.
        budget: models trained.
    """
    imitators = min(budget // 2, IMITATORS)
    phi = observations.signal("phi")[:, :, :1]
    values = np.repeat(phi[..., None], imitators // 2 + 1, axis=-1)
    values[: len(outside), :, 0, :-1] = outside[..., : imitators // 2]
    attack = IMIA(imitators=imitators)
    read = replace(observations, signals={attack.signals[0].name: values})
    return FewReferences(attack=attack, pairs=(budget - imitators) // 2)(read, range(len(outside)))


def canary_scores(plan: Plan, targets: int, budget: int) -> Float[np.ndarray, "target record"]:
    """LiRA's on queries that were found on the last pairs of a run and are judged by the first, those of the targets among them.

    Args:
        plan: of the run, whose weights are kept.
        targets: how many models are attacked.
        budget: models trained; half of them find.
    """
    signal, models = CanaryQueries(), len(plan.member)
    work = work_of(plan, (signal.reads,))
    pairs = budget // 4
    finders, judges = np.arange(models - 2 * pairs, models), np.arange(min(targets + 2 * pairs, models - 2 * pairs))
    member = plan.member[finders]
    learnt = variables_of(plan, work, finders)
    surrogates = Surrogates(learnt, jnp.asarray(member), jnp.asarray(validation_models(member)))
    queries = find_queries(work, signal, plan.records, surrogates)
    member, learnt = plan.member[judges], variables_of(plan, work, judges)
    answers = ask_afterwards(work, plan.sweep.seed, plan.records, judges, member, learnt, queries)
    phi, label = answers[signal.reads.name], plan.records.y
    if pairs > 1:
        judged = Observations(signals={"phi": phi}, member=member, label=label)
        return FewReferences(attack=LiRA(online=True, variance="global"), pairs=pairs)(judged, range(targets))
    attack = IMIA(imitators=2)
    following = 2 * ((np.arange(len(judges)) // 2 + 1) % (len(judges) // 2))
    outside = np.where(member[following][..., None], phi[following + 1], phi[following])
    values = {attack.signals[0].name: np.stack([outside, phi], axis=-1)}
    judged = Observations(signals=values, member=member, label=label)
    return FewReferences(attack=attack, pairs=1)(judged, range(targets))


def measured(
    scorers: Mapping[str, Scorer], member: Bool[np.ndarray, "target record"], budgets: Sequence[int]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, dict[str, Any]]]]:
    """The figures of each attack for every number of models, and what each finds more than LiRA at `JUDGED`.

    Args:
        scorers: the attacks.
        member: of the targets.
        budgets: models trained, `JUDGED` among them.
    """
    fprs, confidence = [float(one) for one in RATES], corrected(len(scorers))
    figures: dict[str, list[dict[str, Any]]] = {label: [] for label in scorers}
    moved = {}
    for budget in budgets:
        for label, score in scorers.items():
            scores = score(budget)
            curve = roc_curve(scores.ravel(), member.ravel())
            influence = influences(scores, member, curve, fprs)
            *rates, area = influence.estimates()
            figures[label].append({
                "models": budget,
                "auc": area.value,
                "tpr": {fpr: one.value for fpr, one in zip(RATES, rates, strict=True)},
                "tpr_interval": {fpr: one.interval(confidence) for fpr, one in zip(RATES, rates, strict=True)},
            })  # fmt: skip
            if budget == JUDGED:
                moved[label] = influence
    confidence = corrected((len(scorers) - 1) * len(RATES))
    return figures, {
        label: {
            fpr: {"difference": more.value, "interval": (ends := more.interval(confidence)), "beats": ends[0] > 0}
            for fpr, more in zip(RATES, differences(influence, moved[LIRA])[: len(RATES)], strict=True)
        }
        for label, influence in moved.items()
        if label != LIRA
    }


def headline(by_attack: Mapping[str, Mapping[str, Mapping[str, Any]]], budget: int) -> str:
    """Whether any attack beats LiRA for so few models, in a sentence."""
    better = [
        f"{label} at {rate(fpr)} FPR by {100 * one['difference']:.2f} points "
        f"[{100 * one['interval'][0]:.2f}, {100 * one['interval'][1]:.2f}]"
        for label, by_rate in by_attack.items()
        for fpr, one in by_rate.items()
        if one["beats"]
    ]
    if not better:
        return f"With {budget} models none finds more than LiRA beyond the interval of the difference."
    return f"With {budget} models more than LiRA, beyond the interval of the difference, finds: {'; '.join(better)}."


def alone(phi: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]) -> dict[str, float]:
    """The mean true-negative rate of the losses, by the share of members that may be missed, where that allows one member."""
    targets = list(zip(loss_of(phi), member, strict=True))
    fewest = member.sum(axis=1).min()
    return {
        fpr: float(np.mean([loss_tnr(*target, missed=float(fpr)) for target in targets]))
        for fpr in RATES
        if float(fpr) * fewest >= 1
    }


def panels(figures: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Panel]:
    """A panel a rate: each attack's true-positive rate against the models trained."""
    return [Panel("models trained", "models", figures, fpr) for fpr in RATES]


def study(
    scorers: Mapping[str, Scorer],
    phi: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    budgets: Sequence[int],
    folder: Path,
    name: str,
) -> dict[str, Any]:
    """Attack, print, draw and keep.

    Args:
        scorers: the attacks.
        phi: of the targets.
        member: of the targets.
        budgets: models trained.
        folder: of the results.
        name: of the results.

    Returns:
        The results as they are kept.
    """
    figures, more = measured(scorers, member, budgets)
    single = alone(phi, member)
    drawn = {label: figures[label] for label in DRAWN if label in figures}
    with styled():
        save_figure(folder, name, curves_figure(panels(drawn)))
    strongest = figures[LIRA][-1]["tpr"]
    tail = "; ".join(f"{percent(single[fpr])} at {rate(fpr)} (LiRA finds {percent(strongest[fpr])})" for fpr in single)
    told = [
        headline(more, JUDGED),
        f"Intervals hold together for {len(scorers)} attacks; differences for {(len(scorers) - 1) * len(RATES)} comparisons.",
        f"Without references, the true-negative rate of the loss is {tail}, LiRA with {max(budgets)} models.",
    ]
    targets, records = member.shape
    results = {"targets": targets, "records": records, "attacks": figures, "differences": more, "loss_tnr": single}
    keep(folder, name, results | {"told": told}, [*map(points_table, panels(figures)), *told])
    return results | {"told": told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--records", type=int)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--targets", type=int, default=66)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load(options.data)
    name = f"few_models_{Path(dataset.name).stem}"
    audit = MembershipAudit(
        model=Architecture(name="mlp:128", activation=options.activation),
        dataset=dataset,
        records=options.records,
        learner=Standard(recipe=Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3)),
        models=max(MODELS) + 2,
        seed=options.seed,
        attacks=tuple(map(lookup, ("rmia-online-log", "loss"))),
        keep_weights=True,
    )

    def trained(models: int) -> tuple[Path, MembershipAudit]:
        run, own = Path("jaxattack-runs") / f"{name}-{options.seed}-{models}", replace(audit, models=models)
        settings = ("model", "dataset", "records", "learner", "models", "seed", "attacks", "keep_weights")
        membership(run, **{setting: getattr(own, setting) for setting in settings})
        return run, own

    run, own = trained(audit.models)
    observations = run_observations(run, own)
    signals = {name: observations.signal(name) for name in observations.signals}
    observations = replace(observations, signals=signals | {NearestPhi().name: observations.of(NearestPhi())}, ask=None)
    imitated = run_observations(*trained(options.targets)).of(Imitation(imitators=IMITATORS))
    plan = planned(run, own)
    scorers = registered(observations, options.targets) | {
        "IMIA": partial(imitation_scores, observations, imitated[:, :, 0, :-1]),
        "canary": partial(canary_scores, plan, options.targets),
    }
    phi = observations.signal(Phi.name)[: options.targets, :, 0]
    study(scorers, phi, observations.member[: options.targets], MODELS, options.out, name)


if __name__ == "__main__":
    main()
