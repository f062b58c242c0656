"""What in the findings of an inversion matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import count, dollars, duration, number, percent, quantity


def headline(findings: Mapping[str, Any]) -> str:
    """What was made, who recognises it, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    attack, cost, recognition = findings["attack"], findings["cost"], findings["recognition"]
    restarts = quantity(recognition["restarts"], "reconstruction")
    classes = f"{len(findings['targets'])} of the {count(findings['victim']['classes'])} classes"
    if attack["updates"]:
        classes = f"{quantity(len(findings['targets']), 'record')} of {quantity(attack['updates']['users'], 'user')}"
    took = f"{_effort(cost)} and {duration(cost['seconds']['total'])}"
    first = f"{attack['name']} made {restarts} for {classes} of {findings['victim']['name']} with {took}."
    if not attack["complete"]:
        first = f"After {took}, {attack['name']} did not finish: {attack['reason']}"
    return first, _outcome(findings)


def _effort(cost: Mapping[str, Any]) -> str:
    parts = []
    if cost["queries"]:
        price = f" ({dollars(cost['price'])})" if cost["price"] else ""
        parts.append(quantity(cost["queries"], "query") + price)
    if cost["gradients"]:
        parts.append(quantity(cost["gradients"], "gradient"))
    return ", ".join(parts) or "no query"


def _outcome(findings: Mapping[str, Any]) -> str:
    recognition, likeness = findings["recognition"], findings["likeness"]
    text = "The victim was not asked what it takes them for, as no query was left for it"
    if recognition["victim"] is not None:
        text = f"The victim takes {percent(recognition['victim'])} of the best ones for their class"
    if findings["attack"]["updates"] and likeness and "psnr" in likeness:
        return f"Their mean PSNR with the records themselves is {number(likeness['psnr'], 1)} dB."
    if recognition["top1"] is not None:
        text += f", and an independent model {percent(recognition['top1'])}"
    if likeness and "correlation_mean" in likeness:
        text += f"; their mean correlation with the class's average member is {number(likeness['correlation_mean'], 2)}"
    return f"{text}."
