"""Whether a paper's relations hold here: that one thing finds more than another, judged on the same targets and records.

A small reproduction cannot reach a paper's figures; it can show their order. Each relation is the difference of two
attacks' scores of the same models and records, with its 95% interval over records and pairs of models
(`jaxattack.metrics.uncertainty`). It holds where the whole interval is above 0, does not where it is below, and cannot be
resolved where 0 is within.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from rich import box
from rich.table import Table

from jaxattack import Observations
from jaxattack.attacks.membership import lookup
from jaxattack.metrics import differences, influences, roc_curve
from jaxattack.report.wording import rate

RATES = {"0.01": 0.01, "0.001": 0.001}
FEWEST = 10
"""False positives that a rate must allow, or it is not judged."""


class Relation(NamedTuple):
    """What a paper finds.

    Attributes:
        claim: in words.
        more: scores of what finds more there.
        less: scores of what finds less.
        member: the truth of both.
    """

    claim: str
    more: Float[np.ndarray, "target record"]
    less: Float[np.ndarray, "target record"]
    member: Bool[np.ndarray, "target record"]


def score(name: str, observations: Observations) -> Float[np.ndarray, "target record"]:
    """The scores of an attack named as in `jaxattack.attacks.membership`."""
    return lookup(name)(observations)


def score_in_groups(name: str, observations: Observations, size: int) -> Float[np.ndarray, "target record"]:
    """The scores of an attack whose references are the others of the target's own group of consecutive models."""
    groups = range(0, observations.models, size)
    return np.concatenate([score(name, observations.take(slice(start, start + size))) for start in groups])


def judge(relation: Relation) -> dict[str, Any]:
    """The difference in each figure, with its interval and what follows.

    Returns:
        ``claim`` and ``figures``: by "auc" and by false-positive rate the ``difference``, its ``interval`` and ``verdict``.
    """
    member = relation.member
    names = [name for name, fpr in RATES.items() if fpr * (~member).sum() >= FEWEST]
    each = [
        influences(scores, member, roc_curve(scores.ravel(), member.ravel()), [RATES[name] for name in names])
        for scores in (relation.more, relation.less)
    ]
    figures = {}
    for name, difference in zip((*names, "auc"), differences(each[0], each[1]), strict=True):
        low, high = difference.interval()
        figures[name] = {"difference": difference.value, "interval": [low, high], "verdict": verdict(low, high)}
    return {"claim": relation.claim, "figures": figures}


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says of a relation."""
    if low > 0:
        return "holds"
    return "does not hold" if high < 0 else "cannot be resolved"


def relations_table(judged: Sequence[dict[str, Any]]) -> Table:
    """The relations, a row each: the difference in points, its interval, and the verdict."""
    columns = ("auc", *(name for name in RATES if any(name in one["figures"] for one in judged)))
    table = Table(
        title="The paper's relations on the same targets", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("")
    for name in columns:
        table.add_column("AUC x 100" if name == "auc" else f"TPR at {rate(name)} (points)", justify="right")
    for one in judged:
        table.add_row(one["claim"], *(_cell(one["figures"].get(name)) for name in columns))
    table.caption = "Difference [95% interval over records and pairs of models], each judged by itself."
    table.caption_justify = "left"
    return table


def _cell(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return ""
    low, high = (100 * end for end in figure["interval"])
    return f"{100 * figure['difference']:+.2f} [{low:+.2f}, {high:+.2f}] {figure['verdict']}"
