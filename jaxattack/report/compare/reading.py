"""What in a comparison matters most: which attack and rate to speak of, which differences are clear, what to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.kind import Choice, check_choice
from jaxattack.report.wording import MISSING, number, percent, points, quantity, rate
from jaxattack.types import InputError

MINUS = "−"


def claimed(findings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attack that the page speaks of."""
    return next(attack for attack in findings["attacks"] if attack["name"] == findings["claim"]["attack"])


def quoted_rate(findings: Mapping[str, Any]) -> str | None:
    """The false-positive rate to quote; None where the scores resolve none."""
    return findings["claim"]["rate"]


def strongest_by_family(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attack of each family that finds the most of the first run, or else of another; the claimed one in any case."""
    first: dict[str, Mapping[str, Any]] = {}
    for attack in findings["attacks"]:
        first.setdefault(attack["family"], attack)
    return [attack for attack in findings["attacks"] if attack in first.values() or attack is claimed(findings)]


def signed_points(share: float, digits: int = 2) -> str:
    """A difference of shares in percentage points with its sign, such as "+2.1" or "−0.34"."""
    text = points(abs(share), digits)
    return text if text == "0" else f"{MINUS if share < 0 else '+'}{text}"


def signed(value: float, decimals: int = 3) -> str:
    """A difference with its sign."""
    text = f"{abs(value):.{decimals}f}"
    return text if not float(text) else f"{MINUS if value < 0 else '+'}{text}"


def contrast_in_points(contrast: Mapping[str, Any] | None) -> str:
    """A difference of shares with its interval: "−3.1 points (−4.9 to −1.2)"."""
    if contrast is None:
        return MISSING
    low, high = (signed_points(end) for end in contrast["interval"])
    return f"{signed_points(contrast['difference'])} points ({low} to {high})"


def choose(findings: Mapping[str, Any], choice: Choice) -> Mapping[str, Any]:
    """The findings with some attacks alone, the first of which the curves are of, and the runs under other names.

    Raises:
        InputError: an attack that is not there or cannot be run on the first, or not one name for each run.
    """
    runs = findings["runs"]
    check_choice("runs", [run["name"] for run in runs], choice.names)
    renamed = [
        {**run, "name": name} for run, name in zip(runs, choice.names or [run["name"] for run in runs], strict=True)
    ]
    if findings["subject"] != "membership":
        if choice.attacks:
            raise InputError("the figures of runs alone are of chosen attacks: leave attacks out.")
        return {**findings, "runs": renamed}
    by_name = {attack["name"]: attack for attack in findings["attacks"]}
    for name in choice.attacks:
        if name not in by_name:
            raise InputError(f"attacks has {name!r:.60} and the comparison {', '.join(by_name)}: choose from these.")
    chosen = choice.attacks or tuple(by_name)
    first = choice.attacks[0] if choice.attacks else findings["claim"]["attack"]
    if by_name[first]["runs"][0] is None:
        raise InputError(f"{first} cannot be run on {runs[0]['name']}: choose another attack first.")
    return {
        **findings,
        "runs": renamed,
        "attacks": [by_name[name] for name in dict.fromkeys(chosen)],
        "claim": {**findings["claim"], "attack": first},
    }


def headline(findings: Mapping[str, Any]) -> str:
    """What differs, for what that holds, in plain English."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline: the same attack on every run, and the strongest on each; or the cells of matrices."""
    if findings["subject"] == "matrix":
        return _of_matrices(findings)
    if findings["subject"] == "report":
        return _of_reports(findings)
    return _of_claim(findings), " ".join(_of_pair(findings, at) for at in range(len(findings["pairs"])))


def _of_claim(findings: Mapping[str, Any]) -> str:
    attack, quoted = claimed(findings), quoted_rate(findings)
    first, *others = findings["runs"]
    if quoted is None:
        figure, words = (lambda entry: number(entry["auc"])), f"The AUC of {attack['name']} is"
    else:
        figure = lambda entry: percent(entry["tpr"][quoted])  # noqa: E731
        words = f"At {rate(quoted)} false positives {attack['name']} finds"
    parts = [f"{figure(attack['runs'][0])} {'of the members ' if quoted else ''}in {first['name']}"]
    for run, entry, leak in zip(others, attack["runs"][1:], attack["differences"], strict=True):
        if entry is None or leak is None:
            parts.append(f"it cannot be run on {run['name']}")
            continue
        contrast = leak["auc"] if quoted is None else leak["tpr"][quoted]
        apart = _auc_words(contrast) if quoted is None else contrast_in_points(contrast)
        parts.append(f"{figure(entry)} in {run['name']}, {apart}")
    allowance = findings["claim"]["choices"] * len(others)
    allowing = f", and allow for {allowance} such differences" if allowance > 1 else ""
    return f"{words} {'; '.join(parts)}. Intervals are at 95%, for new records and new models{allowing}."


def _auc_words(contrast: Mapping[str, Any]) -> str:
    low, high = (signed(end) for end in contrast["interval"])
    return f"{signed(contrast['difference'])} ({low} to {high})"


def _of_pair(findings: Mapping[str, Any], at: int) -> str:
    pair, quoted = findings["pairs"][at], quoted_rate(findings)
    strongest = pair["strongest"]
    contrast = strongest["auc"] if quoted is None else strongest["tpr"][quoted]
    measure = "by AUC" if quoted is None else f"at {rate(quoted)} false positives"
    if contrast["clear"]:
        verdict = f"finds clearly {'less' if contrast['difference'] < 0 else 'more'} than"
    else:
        verdict = "does not clearly find more or less than"
    sentence = (
        f"The strongest attack on {pair['run']} ({strongest['attack']}) {verdict} the strongest on "
        f"{findings['runs'][0]['name']} ({strongest['than']}) {measure}"
    )
    accuracy = pair["test_accuracy"]
    if accuracy is not None:
        same = not accuracy["difference"] and not accuracy["clear"]
        sentence += f"; its test accuracy {'is the same' if same else f'differs by {contrast_in_points(accuracy)}'}"
    return f"{sentence}."


def pairing_in_words(pair: Mapping[str, Any], first: str) -> str:
    """What a run shares with the first, and what the intervals make of it."""
    if not pair["records"]:
        return (
            f"{pair['run']} and {first} share no records that are known to be the same: their differences are unpaired."
        )
    models = (
        f" and {quantity(pair['models'], 'model')} with the same members"
        if pair["models"]
        else ", but no model with the same members"
    )
    return f"{pair['run']} and {first} share {quantity(pair['records'], 'record')}{models}, told by {pair['basis']}: differences are paired on them."


def _of_matrices(findings: Mapping[str, Any]) -> tuple[str, str]:
    pairs = [
        (cell, contrast, run["name"])
        for cell in findings["cells"]
        for run, contrast in zip(findings["runs"][1:], cell["differences"], strict=True)
        if contrast is not None
    ]
    clear = [one for one in pairs if one[1]["clear"]]
    first = findings["runs"][0]["name"]
    sentence = f"{len(clear)} of {quantity(len(pairs), 'cell')} differ clearly from {first}"
    if clear:
        cell, contrast, run = max(clear, key=lambda one: abs(one[1]["difference"]))
        sentence += f"; the largest difference is that of {cell['attack']} on {cell['defence']} in {run}, {_auc_words(contrast)}"
    return (
        f"{sentence}.",
        f"Matrices keep no scores: differences are unpaired, and each interval allows for {findings['allowance']} of them.",
    )


def _of_reports(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The first figure that was measured in the first report, and what the intervals are worth."""
    first, *others = findings["runs"]
    row = next((row for row in findings["figures"] if row["values"][0] is not None), findings["figures"][0])
    parts = [f"{number(row['values'][0])} in {first['name']}"]
    for at, run in enumerate(others):
        contrast, difference = row["contrasts"][at], row["differences"][at]
        apart = "" if difference is None else f", {_auc_words(contrast) if contrast else signed(difference)}"
        parts.append(f"{number(row['values'][at + 1])} in {run['name']}{apart}")
    return (
        f"{row['name'][0].upper()}{row['name'][1:]}: {'; '.join(parts)}.",
        "Reports keep figures alone: differences are unpaired, and those without an interval say nothing of chance.",
    )
