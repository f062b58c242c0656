"""What in the findings of an extraction matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import count, dollars, duration, number, percent, quantity, small
from jaxattack.types import EPSILON


def headline(findings: Mapping[str, Any]) -> str:
    """What was stolen, how alike it is, whether that is verified, and what it cost."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    attack, cost = findings["attack"], findings["cost"]
    size = f"{quantity(cost['queries'], 'query')} in {quantity(cost['calls'], 'call')}"
    extras = [dollars(cost["price"])] if cost["price"] else []
    extras += [f"{count(cost[part])} {words}" for part, words in PARTS if cost[part]]
    beside = f" ({', '.join(extras)})" if extras else ""
    took = f"{size}{beside} and {duration(cost['seconds']['total'])}"
    outcome = f"{_outcome(findings)}. {verified(attack['verification'])}"
    if not attack["converged"]:
        return f"After {took}, {attack['name']} did not finish: {attack['reason']}", f"The best so far {outcome}"
    if not attack["complete"]:
        return f"After {took}, {attack['name']} finished unverified: {attack['reason']}", f"The stolen model {outcome}"
    return f"{attack['name']} needed {took} to steal {findings['victim']['name']}.", f"The stolen model {outcome}"


def verified(verification: Mapping[str, Any]) -> str:
    """On how many fresh inputs the two models were compared, and how often they may disagree."""
    trials, wrong = verification["trials"], verification["disagreements"]
    if not trials:
        return "It was verified on nothing."
    apart = f"disagreed with the victim on {count(wrong)} of" if wrong else "never disagreed with the victim on"
    return f"It {apart} {quantity(trials, 'fresh input')}: on such, they differ in at most {percent(verification['bound'], 2)} (95%)."


def noticed(findings: Mapping[str, Any]) -> str:
    """Whether an owner who watched would have raised the alarm, in sentences; nothing where nobody watched."""
    watch = findings.get("watch")
    if not watch:
        return ""
    repeats = f" {count(watch['repeats'])} of the questions were repeated." if watch["repeats"] else ""
    if watch["lowest"] is None:
        return f"{watch['detector'].upper()} had too few distances between the {quantity(watch['questions'], 'question')} to test them.{repeats}"
    if watch["alarm"] is None:
        return (
            f"{watch['detector'].upper()} raised no alarm in {quantity(watch['questions'], 'question')}: the distances between them had a W "
            f"of {number(watch['lowest'])} at the lowest, and the alarm is raised below {number(watch['delta'])}.{repeats}"
        )
    share = percent(watch["alarm"] / watch["questions"])
    return (
        f"{watch['detector'].upper()} raised the alarm at question {count(watch['alarm'])}, after {share} of the {count(watch['questions'])}: "
        f"the distances between them had a W of {number(watch['lowest'])}, below {number(watch['delta'])}.{repeats}"
    )


def _outcome(findings: Mapping[str, Any]) -> str:
    places = [(words, findings["fidelity"][part]) for part, words in PLACES if findings["fidelity"][part] is not None]
    parameters = findings["parameters"]
    more = (
        f"has the victim's {count(parameters['unknowns'])} parameters to {small(parameters['max'])}"
        if parameters
        else ""
    )
    if not places:
        if findings["cost"]["comparison"] is not None:
            return "was not compared further, as no query was left for it"
        return more or "cannot be asked what the victim is asked"
    apart = [part["difference"] for _, part in places]
    if findings["victim"]["classes"] == 1:
        within = f"within {small(max(apart))}" if None not in apart else "at an unknown distance"
        text = f"answers {within} of the victim wherever it was compared"
    else:
        agreement = " and ".join(f"{percent(part['agreement'], 4)} of {words}" for words, part in places)
        text = f"gives the victim's label on {agreement}"
        variation = [part["total_variation"]["max"] for _, part in places if part["total_variation"]]
        # As much as verifying allows the numbers of a copy to be apart.
        if len(variation) == len(places) and max(variation) < EPSILON["float64"] ** 0.5:
            text += f", with the same confidences to {small(max(variation))}"
        elif None not in apart:
            text += f", with outputs within {small(max(apart))} of its own"
    return f"{text}; it {more}" if more else text


PARTS = (("verification", "to verify"), ("comparison", "to compare"))
PLACES = (("held_out", "records held out"), ("uniform", "random inputs"))
