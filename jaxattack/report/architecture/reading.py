"""What in the findings of an inference of architecture matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxattack.metrics import clopper_pearson
from jaxattack.metrics.comparison import corrected
from jaxattack.report.measure import ARCHITECTURE
from jaxattack.report.wording import count, dollars, duration, percent, quantity

SPLITS: Mapping[str, str] = {
    "random": "networks held out at random",
    "architecture": "architectures held out",
    "depth": "deepest networks held out",
    "shuffled": "attributes shuffled",
}
"""How the zoo was cut, in words."""

PUBLISHED: Mapping[str, float] = {"pooling": 0.948, "dropout": 0.770, "kernel": 0.885}
"""What Oh et al. (2018) report of kennen-i on the 11,282 networks of MNIST-NET, one question an attribute."""


def headline(findings: Mapping[str, Any]) -> str:
    """What the victim is taken for, how good such an inference is, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    return _guess(findings), _quality(findings)


def split_of(findings: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The attributes of one split; empty where there is none of that name."""
    return next((split["attributes"] for split in findings["splits"] if split["name"] == name), ())


def unread(findings: Mapping[str, Any]) -> frozenset[str]:
    """The attributes that are not read more often than by chance of networks held out at random.

    A posterior of one of them says nothing, however high: what learns from noise is sure of it. The intervals by which they are told
    hold for all attributes together with 95% (Bonferroni): of nine that nothing tells one would else be above chance in every
    sixth inference, and the one to be quoted.
    """
    split = next((split for split in findings["splits"] if split["name"] == "random"), None)
    if split is None:
        return frozenset()
    rows = [row for row in split["attributes"] if row["accuracy"] is not None]
    confidence = corrected(max(len(rows), 1))
    read = {
        row["attribute"]
        for row in rows
        if clopper_pearson(round(row["accuracy"] * split["nets"]), split["nets"], confidence)[0] > row["chance"]
    }
    return frozenset(row["attribute"] for row in split["attributes"]) - read


def right(findings: Mapping[str, Any]) -> int | None:
    """How many attributes of the victim were guessed right; None where they are not known."""
    known = [attribute for attribute in findings["attributes"] if attribute["truth"] is not None]
    return sum(attribute["guess"] == attribute["truth"] for attribute in known) if known else None


def _guess(findings: Mapping[str, Any]) -> str:
    attack, cost = findings["attack"], findings["cost"]
    took = f"{quantity(cost['queries'], 'query')}" + (f" ({dollars(cost['price'])})" if cost["price"] else "")
    if not attack["complete"]:
        return f"{attack['name']} did not read the victim: {attack['reason'].rstrip('.')}."
    by_chance = unread(findings)
    sure = sorted(
        (attribute for attribute in findings["attributes"] if attribute["name"] not in by_chance),
        key=lambda attribute: -max(attribute["posterior"]) * len(attribute["values"]),
    )[:3]
    words = ", ".join(f"{one['name']} {one['guess']} ({percent(max(one['posterior']))})" for one in sure)
    text = (
        f"{attack['name']} takes the victim, by {took}, for {words}"
        if sure
        else f"{attack['name']} read nothing of the victim by {took}: it reads no attribute of held-out networks more often than chance"
    )
    hits = right(findings)
    return text + (
        "." if hits is None else f"; {hits} of its {len(findings['attributes'])} attributes are guessed right."
    )


def _quality(findings: Mapping[str, Any]) -> str:
    zoo, cost = findings["zoo"], findings["cost"]
    mean = ARCHITECTURE["accuracy"](findings)
    chance = sum(1 / len(attribute["values"]) for attribute in findings["attributes"]) / len(findings["attributes"])
    basis = f"It learnt from {count(zoo['nets'])} networks in {duration(cost['seconds']['total'])}"
    if mean is None:
        return f"{basis}; how good it is was not measured."
    return f"{basis}, and reads {percent(mean)} of the attributes of networks that it has not seen; chance is {percent(chance)}."
