"""What in the findings of one target matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import percent, quantity, rate, small

STANDS_BEHIND = {
    "non-members": "known non-members of the target",
    "references": "scores of references on records they were not trained on",
    "record": "each record's own references",
}
"""What scores are compared with, in words."""


def headline(findings: Mapping[str, Any]) -> str:
    """How many records are called members, how many by chance, and how often that is right."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    return _called(findings), _grounds(findings)


def claimed(findings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attack whose scores the records have."""
    return next(attack for attack in findings["attacks"] if attack["name"] == findings["attack"])


def _called(findings: Mapping[str, Any]) -> str:
    verdicts = findings["verdicts"]
    by_chance = f"{verdicts['expected']:.0f}" if verdicts["expected"] >= 9.5 else f"{verdicts['expected']:.1f}"
    first = (
        f"{findings['attack']} calls {verdicts['called']:,} of {quantity(verdicts['records'], 'record')} members of this model at "
        f"{rate(verdicts['fpr'])} false positives; chance alone calls up to {by_chance}."
    )
    if verdicts["members"] and verdicts["non_members"]:
        return (
            f"{first} It finds {percent(verdicts['right'] / verdicts['members'])} of the {verdicts['members']:,} known members "
            f"and accuses {verdicts['wrong']:,} of the {verdicts['non_members']:,} known non-members."
        )
    return first


def _grounds(findings: Mapping[str, Any]) -> str:
    calibration, verdicts = findings["calibration"], findings["verdicts"]
    text = f"The p-values compare with {STANDS_BEHIND[calibration['name']]}"
    if calibration["smallest"] is not None:
        text += f" ({calibration['scores']:,}; none is below {small(calibration['smallest'])})"
    text += f". With at most 5% of them false, {quantity(verdicts['discoveries'], 'record')} {'is a member' if verdicts['discoveries'] == 1 else 'are members'}."
    if findings["references"]["alike"] is False and calibration["name"] != "non-members":
        return f"{text} But target and references are not trained alike: these p-values do not hold."
    return f"{text} This holds for this one model."
