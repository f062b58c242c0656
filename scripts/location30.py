"""Membership inference on Location-30 (Shokri et al. 2017): how much more LiRA finds than a threshold does.

    python scripts/location30.py location30.npz

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Each
of 18 networks of 128 tanh units trains on 1,200 of 2,400 records, so that a target has 16 references, or 17 by the published
leave-one-out; figures are the mean over targets. Shokri et al. report a precision of 0.678 for their attack networks here.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jaxattack import Recipe, load, membership
from jaxattack.attacks.membership import lookup
from jaxattack.audit import MembershipResult
from jaxattack.models import Architecture
from jaxattack.training.learners import Standard

EXPECTED = {  # AUC and TPR at 1% FPR, means over targets of 18 such networks trained elsewhere, by leave-one-out
    "lira-online?protocol=leave-one-out": (0.986, 0.742),
    "lira-offline?protocol=leave-one-out": (0.954, 0.628),
    "loss": (0.905, 0.020),
}
ATTACKS = ("lira-online", "lira-offline", *EXPECTED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="location30.npz")
    parser.add_argument("--models", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("jaxattack-runs/location30"))
    options = parser.parse_args()
    result = membership(
        options.out,
        model=Architecture(name="mlp:128", activation="tanh"),
        dataset=load(str(options.data)),
        records=2400,
        learner=Standard(recipe=Recipe(epochs=30, batch=50, learning_rate=1e-3)),
        models=options.models,
        seed=options.seed,
        attacks=tuple(map(lookup, ATTACKS)),
    )
    table = Table(title="Location-30, mean over targets", title_justify="left")
    for column in ("attack", "AUC", "expected", "TPR at 1% FPR", "expected"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    assert isinstance(result, MembershipResult)  # of a sweep, not of one target
    for attack in result.findings.attacks:
        area, rate = attack.per_target.auc, attack.per_target.tpr["0.01"]
        expected = EXPECTED.get(attack.name)
        table.add_row(
            attack.name,
            f"{area.mean:.3f} ± {area.sd:.3f}",
            f"{expected[0]:.3f}" if expected else "",
            f"{rate.mean:.1%} ± {rate.sd:.1%}",
            f"{expected[1]:.1%}" if expected else "",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
