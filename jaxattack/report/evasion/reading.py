"""What in the findings of an evasion matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import dollars, duration, number, percent, quantity


def headline(findings: Mapping[str, Any]) -> str:
    """Who is fooled, by how much, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    attack, success = findings["attack"], findings["success"]
    took = f"{_effort(findings['cost'])} and {duration(findings['cost']['seconds']['total'])}"
    first = (
        f"{attack['name']} fools {findings['victim']['name']} about {success['fooled']} of the "
        f"{quantity(success['right'], 'record')} that it labels right ({percent(success['among_right'])}), with {took}."
    )
    if not attack["complete"]:
        first += f" It is not complete: {attack['reason'].rstrip('.')}."
    return first, _far(findings)


def _effort(cost: Mapping[str, Any]) -> str:
    parts = []
    if cost["queries"]:
        parts.append(quantity(cost["queries"], "query") + (f" ({dollars(cost['price'])})" if cost["price"] else ""))
    if cost["gradients"]:
        parts.append(quantity(cost["gradients"], "gradient"))
    return ", ".join(parts) or "no query"


def _far(findings: Mapping[str, Any]) -> str:
    distance, success = findings["distance"], findings["success"]
    wrong = f"the victim is wrong about {percent(success['among_all'])} of all {quantity(success['records'], 'record')}"
    if distance is None:
        return f"{wrong[0].upper()}{wrong[1:]}."
    return (
        f"Half of the examples that fool it are within {number(distance['l2']['median'])} in the 2-norm and "
        f"{number(distance['linf']['median'])} in the max norm, in shares of each feature's range; after the attack {wrong}."
    )
