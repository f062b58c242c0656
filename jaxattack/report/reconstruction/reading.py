"""What in the findings of a reconstruction matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxattack.report.wording import dollars, duration, number, percent, quantity

_THINGS = {"members": "member", "others": "other", "records": "record", "updates": "update", "models": "model"}


def headline(findings: Mapping[str, Any]) -> str:
    """What the attack made, what others make without the model, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    attack, first = findings["attack"], findings["comparisons"][0]
    took = f"{_effort(findings['cost'])} and {duration(findings['cost']['seconds']['total'])}"
    targets = quantity(first["targets"], _THINGS[first["of"]])
    outcome = f"{attack['name']} on {findings['victim']['name']}, {targets}, with {took}: {_figures(findings)}"
    if not attack["complete"]:
        outcome += f" It is not complete: {attack['reason'].rstrip('.')}."
    return outcome, _leak(findings["comparisons"])


def _figures(findings: Mapping[str, Any]) -> str:
    first = findings["comparisons"][0]
    ours, theirs = first["attack"]["value"], first["baseline"]["value"]
    return f"{first['measure']} {percent(ours)}, against {percent(theirs)} by {first['against']}."


def _leak(rows: Sequence[Mapping[str, Any]]) -> str:
    """Whether the first comparison shows a leak; where it does not, which other does."""
    first, *others = rows
    leak = first["leak"]
    chance = "95%" if not others else f"95% for all {len(rows)} comparisons together"
    between = f"{number(leak['value'], 3)} ({chance}: {number(leak['low'], 3)} to {number(leak['high'], 3)})"
    if first["leaks"]:
        return f"The model leaks: the difference is {between}."
    for row in others:
        if row["leaks"]:
            return (
                f"No leak is shown by that: the difference is {between}. One is shown by another measure: "
                f"{row['measure']} {percent(row['attack']['value'])} of {row['of']}, against "
                f"{percent(row['baseline']['value'])} by {row['against']}."
            )
    return f"No leak is shown: the difference is {between}."


def _effort(cost: Mapping[str, Any]) -> str:
    parts = []
    if cost["queries"]:
        parts.append(quantity(cost["queries"], "query") + (f" ({dollars(cost['price'])})" if cost["price"] else ""))
    if cost["models"]:
        parts.append(quantity(cost["models"], "shadow model"))
    return ", ".join(parts) or "no query"
