"""RMIA on CIFAR-10 (Zarifzadeh et al. 2024, arXiv 2312.03262): 1, 2 and 4 references, and all.

    python scripts/rmia_cifar10.py --data cifar10.npz            the models of lira_cifar10.py, trained where they are not
    python scripts/rmia_cifar10.py --data cifar10.npz --quick    1,000 records and a small network, two CPU cores

Every model is attacked. With K references a record has K models trained on it and K that were not, from K complementary
pairs that do not hold the target; the offline attack reads those that were not. With all references the target's pair is left
out: 254 of 256, as in the paper; by leave-one-out only the target itself. The paper's settings: soft-margin Taylor confidence at
temperature 2, gamma 2, a = 0.3, majority vote over 18 queries. Beside it the log-ratio, which does not tie at the top, and
LiRA with the same references. Which of the paper's relations are there is judged with intervals (`relations.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cifar10 import TAYLOR, Run, by_name, commanded, described, kept, parse, sweep, sweep_folder
from comparison import Published, comparison, keep, outside, roc_figure, save_figure, told
from relations import Relation, judge, relations_table, score

from jaxattack import Observations
from jaxattack.attacks.membership import FewReferences, lookup
from jaxattack.audit import evaluate
from jaxattack.report.style import styled
from jaxattack.report.wording import percent
from jaxattack.store import RunFolder

SCRIPT = "rmia_cifar10"
PAIRS = (1, 2, 4)
ONLINE, LOG = "rmia-online?confidence=taylor", "rmia-offline-log?confidence=taylor"
LIRA, LIRA_OFFLINE = "lira-online", "lira-offline?variance=global"
ALL = {
    TAYLOR: "offline, all references",
    LOG: "offline, log-ratio, all references",
    ONLINE: "online, all references",
    "rmia-online-log?confidence=taylor": "online, log-ratio, all references",
    LIRA_OFFLINE: "LiRA offline, all references",
    LIRA: "LiRA online, all references",
    f"{TAYLOR}&protocol=leave-one-out": "offline, all references, leave-one-out",
    f"{ONLINE}&protocol=leave-one-out": "online, all references, leave-one-out",
    "loss": "loss",
}
FEW = {TAYLOR: "offline", LOG: "offline, log-ratio", LIRA_OFFLINE: "LiRA offline"}

PUBLISHED = (
    Published("Zarifzadeh et al.", f"{TAYLOR}-4", {"auc": 0.7102, "0.0001": 0.0291}),
    Published("two independent users", f"{TAYLOR}-4", {"auc": 0.647, "0.0001": 0.008}),
    Published("Zarifzadeh et al.", ONLINE, {"auc": 0.7225, "0.0001": 0.0431}),
    Published("Zarifzadeh et al.", LIRA, {"auc": 0.7204, "0.0001": 0.0339}),
)
"""WRN28-2, 25,000 members, 18 queries, means over targets; 254 references where all are meant."""

# From what independent users reached, or the paper's own, to where the replication of LiRA lies above the paper.
FULL = {
    f"{TAYLOR}-4": {"auc": (0.647, 0.76), "0.0001": (0.008, 0.06)},
    ONLINE: {"auc": (0.7225, 0.78), "0.0001": (0.02, 0.08)},
}
EXPECTED = {"fast": FULL, "paper": FULL}


def few_references(models: int) -> dict[FewReferences, str]:
    """The attacks with 1, 2 and 4 references, as far as there are models for them, and what they are called."""
    chosen = [(name, pairs) for pairs in PAIRS if pairs < models // 2 for name in FEW]
    # One reference has no spread, which LiRA needs.
    chosen = [(name, pairs) for name, pairs in chosen if pairs > 1 or name != LIRA_OFFLINE]
    words = {pairs: f"{pairs} reference" + ("s" if pairs > 1 else "") for pairs in PAIRS}
    return {FewReferences(attack=lookup(name), pairs=pairs): f"{FEW[name]}, {words[pairs]}" for name, pairs in chosen}


def reproduce(run: Run) -> dict[str, Any]:
    """Train what is missing, attack, print, draw and keep.

    Returns:
        The results as they are kept.
    """
    models = run.setting.models
    found = sweep(run, tuple(ALL))
    start = time.perf_counter()
    few = few_references(models)
    observations = RunFolder.existing(sweep_folder(run)).observations(models)
    entries = by_name(found.findings) | by_name(evaluate(observations, tuple(few), growth=False))
    few_seconds = time.perf_counter() - start
    start = time.perf_counter()
    labels = {attack.name: words for attack, words in few.items()} | ALL
    expected = EXPECTED.get(run.kind, {}) if run.whole else {}
    table = comparison(
        f"RMIA on CIFAR-10: {run.title}", entries, labels, targets=models, published=PUBLISHED, expected=expected
    )
    with styled():
        drawn = (ONLINE, LIRA, TAYLOR, f"{TAYLOR}-4", f"{TAYLOR}-1", "loss")
        marks = PUBLISHED if run.kind != "quick" else ()
        figure = roc_figure(entries, {name: labels[name] for name in drawn if name in entries}, marks)
        save_figure(run.results, f"{run.name}-roc", figure)
    seconds = {"few references": few_seconds, "report": time.perf_counter() - start}
    results = described(found.findings, seconds) | {
        "attacks": [kept(entries[name], name, label) for name, label in labels.items()],
        "published": [row._asdict() for row in PUBLISHED],
        "expected": expected,
        "outside": outside(entries, expected),
    }
    judged = [judge(one) for one in relations(observations, {attack.name: attack for attack in few})]
    results["relations"] = judged
    tied = max(entries[name]["tied"] for name in labels if name.startswith("rmia"))
    ties = f"At most {percent(tied)} of an RMIA attack's scores are equal to its largest."
    keep(run.results, run.name, results, [table, relations_table(judged), *told(results), ties])
    return results


def relations(observations: Observations, few: Mapping[str, FewReferences]) -> list[Relation]:
    """The paper's relations, on the models of the run.

    Args:
        observations: what they say.
        few: the attacks with few references, by their names.
    """
    member = observations.member
    online = score(ONLINE, observations)
    claims = [
        Relation("online above offline, all references", online, score(TAYLOR, observations), member),
        Relation("online above LiRA online, all references", online, score(LIRA, observations), member),
    ]
    most, fewest = f"{TAYLOR}-{PAIRS[-1]}", f"{TAYLOR}-{PAIRS[0]}"
    if most in few:
        offline = few[most](observations)
        lira = few[f"{LIRA_OFFLINE}-{PAIRS[-1]}"](observations)
        claims += [
            Relation(f"offline, {PAIRS[-1]} references above {PAIRS[0]}", offline, few[fewest](observations), member),
            Relation(f"offline above LiRA offline, {PAIRS[-1]} references", offline, lira, member),
        ]
    return claims


def main() -> None:
    with commanded(SCRIPT):
        reproduce(parse(SCRIPT, __doc__ or ""))


if __name__ == "__main__":
    main()
