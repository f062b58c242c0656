"""What in the findings of an audit of generators matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.audit.findings.rates import rate_key
from jaxattack.report.wording import count, duration, number, percent, quantity, rate

RATES = (0.1, 0.01, 0.001)
"""False-positive rates that are shown."""


def headline(findings: Mapping[str, Any]) -> str:
    """How well the strongest attack tells members, which attacks find nothing, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    return _strongest(findings), _without_power(findings)


def finds(attack: Mapping[str, Any]) -> bool:
    """Whether the interval of its AUC that allows for the number of attacks lies above guessing."""
    return attack["auc_interval_corrected"][0] > 0.5


def lowest_rate(findings: Mapping[str, Any]) -> str | None:
    """The lowest false-positive rate that allows ten false positives; None where no rate shown does."""
    negatives = findings["attacks"][0]["roc"]["negatives"]
    return next((rate_key(one) for one in reversed(RATES) if one * negatives >= 10), None)


def _strongest(findings: Mapping[str, Any]) -> str:
    first, target, cost = findings["attacks"][0], findings["generators"], findings["cost"]
    low, high = (number(end) for end in first["auc_interval_corrected"])
    attacks = len(findings["attacks"])
    choice = f"Strongest of {attacks} attacks, for whose number intervals allow: " if attacks > 1 else ""
    text = choice + (
        f"{first['name']} tells the members of {quantity(target['targets'], 'generator')} with an AUC of {number(first['auc'])} "
        f"({low} to {high})"
    )
    at = lowest_rate(findings)
    if at is not None:
        text += f" and a true-positive rate of {percent(first['tpr'][at])} at {rate(at)} false positives"
    return f"{text}, from {count(first['samples'])} samples of each, in {duration(cost['seconds']['total'])} in all."


def _without_power(findings: Mapping[str, Any]) -> str:
    attacks = findings["attacks"]
    without = [attack["name"] for attack in attacks if not finds(attack)]
    if not without:
        return f"Each of the {len(attacks)} attacks is above guessing."
    if len(without) == len(attacks):
        return "No attack is above guessing by the interval of its AUC."
    return f"Not above guessing by the interval of their AUC: {', '.join(without)}."
