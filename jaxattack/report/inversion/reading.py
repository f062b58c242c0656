"""What in the findings of an inversion matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import count, dollars, duration, number, percent, quantity

MEASURES = {"ssim": "structural similarity", "correlation": "correlation"}
_ALIKE, _MOSTLY = 0.05, 0.8
"""Likenesses that are no further apart are called alike, for two seeds of an attack differ by as much; and the part of the
reconstructions' likeness that a generator must reach by itself to be called where most of it comes from."""


def headline(findings: Mapping[str, Any]) -> str:
    """What was made, how it looks, who recognises it, and what it cost."""
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
    return first, " ".join(filter(None, (looks(findings), _outcome(findings))))


def looks(findings: Mapping[str, Any]) -> str:
    """What a person would see, as far as likeness says so; empty where no members are at hand."""
    appearance = findings.get("appearance")
    if not appearance:
        return ""
    measured = [row for row in findings["targets"] if row.get("passes") is not None]
    passing, measure = sum(row["passes"] for row in measured), MEASURES[appearance["measure"]]
    many = "None" if not passing else f"{count(passing)} of {count(len(measured))}"
    return (
        f"{many} would pass for {'a record' if passing < 2 else 'records'} of {'its' if passing < 2 else 'their'} class to the "
        f"eye: their mean {measure} with the nearest member is {number(appearance['nearest'], 2)}, and members have "
        f"{number(appearance['members'], 2)} with one another."
    )


def prior(findings: Mapping[str, Any]) -> str:
    """What of it the attack's generator gives without the victim; empty for an attack without one."""
    appearance = findings.get("appearance")
    if not appearance or not appearance["control"]:
        return ""
    control = appearance["control"]
    measure = MEASURES[appearance["measure"]]
    text = (
        f"The attack's generator has learnt from {quantity(control['records'], 'record')} of the attacker's own. Without the "
        f"victim its records have a mean {measure} of {number(control['of_any'], 2)} with the nearest member of any class, and of "
        f"{number(control['of_class'], 2)} with the nearest of a class that was asked for. "
    )
    mostly = control["of_any"] >= _MOSTLY * appearance["nearest"]
    text += f"That the reconstructions look like records comes {'mostly' if mostly else 'in part'} from the generator"
    if appearance["nearest"] - control["of_class"] > _ALIKE:
        text += "; which class they show comes from the victim. "
    else:
        text += ", and the victim adds nothing to which class they show. "
    own, member = (number(value, 2) for value in (control["own"], appearance["nearest"]))
    ahead = appearance["nearest"] - control["own"]
    if ahead > _ALIKE:
        return text + (
            f"The reconstructions are more like a member ({member}) than like any record of the attacker's own ({own})."
        )
    if ahead < -_ALIKE:
        return text + (
            f"The reconstructions are more like a record of the attacker's own ({own}) than like any member ({member}): much of "
            "them is what the generator learnt."
        )
    return text + (
        f"The reconstructions are as like a record of the attacker's own ({own}) as they are like a member ({member}): they "
        "show what a class looks like, and no one member of it."
    )


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
        return _of_records(findings["attack"]["updates"], likeness["psnr"], len(findings["targets"]))
    if recognition["top1"] is not None:
        text += f", and an independent model {percent(recognition['top1'])}"
    if likeness and likeness.get("correlation_mean") is not None:
        text += f"; their mean correlation with the class's average member is {number(likeness['correlation_mean'], 2)}"
    return f"{text}."


def _of_records(updates: Mapping[str, Any], psnr: float, records: int) -> str:
    """How near the reconstructions are to users' own records; reports of before have no labels and no baseline."""
    text = f"Their mean PSNR with the records themselves is {number(psnr, 1)} dB"
    if updates.get("baseline") is not None:
        text += f", where the mean of other records, which takes no gradient, has {number(updates['baseline'], 1)} dB"
        text += f"; {count(updates['nearer'])} of {count(records)} are nearer than that mean"
    if updates.get("labels") is not None:
        text += f"; {percent(updates['labels'])} of the labels came right"
    return f"{text}."
