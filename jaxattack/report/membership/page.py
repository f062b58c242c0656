"""The page of a membership audit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.measure import auc_interval
from jaxattack.report.membership.listing import Listing
from jaxattack.report.membership.poison import poison_sentence
from jaxattack.report.membership.reading import (
    about,
    attacks_to_draw,
    beats_chance,
    claimed,
    quoted_rate,
    ranked,
    rates,
    sentences,
    strongest_by_family,
)
from jaxattack.report.style import Drawing

_PHASES = {
    "compile": "compile",
    "train": "train",
    "observe": "observe (query every model about every record)",
    "score": "score (run the attacks)",
    "report": "report",
    "total": "total",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing], listing: Listing | None = None) -> str:
    """The page of an audit.

    Args:
        findings: the values of `jaxattack.audit.findings.membership.MembershipFindings`.
        drawings: figures by name; those that are absent are left out.
        listing: of all records, where they are known.

    Returns:
        A whole HTML document.
    """
    return fill(
        "membership/page.html.jinja",
        findings,
        drawings,
        styles=() if listing is None else ("membership/records.css",),
        script=None if listing is None else "membership/records.js",
        listing=listing,
        headline=sentences(findings),
        poisoned=poison_sentence(findings) if findings.get("poison") else None,
        rates=rates(findings),
        quoted=quoted_rate(findings),
        best=claimed(findings),
        ranked=ranked(findings),
        strongest=strongest_by_family(findings),
        families=Counter(attack["family"] for attack in findings["attacks"]),
        about=about,
        drawn=attacks_to_draw(findings),
        beats_chance=beats_chance,
        auc_interval=auc_interval,
        others=findings["attacks"][0]["roc"]["negatives"] / max(findings["models"]["count"], 1),
        decimals=_decimals,
        chance_spread=1 / math.sqrt(3 * max(findings["models"]["count"], 1)),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )


def _decimals(name: str) -> int:
    """How many decimals a percentage near this rate needs: 1 at 1%, 2 at 0.1%."""
    return max(1, 1 - math.floor(math.log10(100 * float(name)) + 1e-9))
