"""What in the findings of a poisoning matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxattack.report.wording import duration, percent, points, quantity, rate

Values = Mapping[str, Any]


def headline(findings: Values) -> str:
    """Whom poison makes err, and what it took."""
    return " ".join(sentences(findings))


def sentences(findings: Values) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    strongest, *others = sorted(findings["attacks"], key=effect, reverse=True)
    cost, victim = findings["cost"], findings["victim"]
    took = (
        f"{quantity(cost['victims'], 'victim')} were trained from scratch, {quantity(victim['seeds'], 'seed')} of each training "
        f"set; {duration(cost['seconds']['total'])} in all."
    )
    names = short_names(findings["attacks"])
    brief = "; ".join(_briefly(attack, names[attack["name"]]) for attack in others)
    beside = [f"Beside it, at their worst: {brief}."] if others else []
    return _of(strongest, worst_point(strongest)), " ".join([*beside, *_bound(findings), took])


def short_names(attacks: Sequence[Values]) -> dict[str, str]:
    """What each attack is called where there is little room: without its settings, where that tells it from the others."""
    bases = [attack["name"].partition("?")[0] for attack in attacks]
    return {
        attack["name"]: base if bases.count(base) == 1 else attack["name"]
        for attack, base in zip(attacks, bases, strict=True)
    }


def effect(attack: Values) -> float:
    """How much an attack does at its worst: success beyond that without poison, or the accuracy that it costs."""
    return _effect(worst_point(attack))


def worst_point(attack: Values) -> Values:
    """Its largest effect without a filter; of several alike the one with the least poison."""
    return max((point for point in attack["points"] if point["sanitise"] is None), key=_effect)


def _effect(point: Values) -> float:
    if point["success"] is None:
        return point["drop"]["value"]
    return point["success"]["value"] - point["without"]["value"]


def _of(attack: Values, point: Values) -> str:
    with_poison = f"With {rate(point['share'])} of poison by {attack['name']},"
    accuracy = f"accuracy is {percent(point['accuracy']['value'])}, {_moved(point['drop']['value'])} that without"
    if point["success"] is None:
        return f"{with_poison} {accuracy}."
    who = (
        "of records of other classes that bear its trigger are taken for its class"
        if attack["goal"] == "backdoor"
        else "of victims take their target for the class that was wanted"
    )
    without = percent(point["without"]["value"])
    return f"{with_poison} {percent(point['success']['value'])} {who} ({without} without); {accuracy}."


def _briefly(attack: Values, name: str) -> str:
    point = worst_point(attack)
    if point["success"] is None:
        return f"{name}, accuracy {_moved(point['drop']['value'])} that without ({rate(point['share'])})"
    return f"{name}, {percent(point['success']['value'])} ({rate(point['share'])})"


def _moved(drop: float) -> str:
    return f"{points(abs(drop))} points {'below' if drop >= 0 else 'above'}"


def _bound(findings: Values) -> list[str]:
    if not findings["bound"]:
        return []
    last = findings["bound"]["points"][-1]
    return [
        f"No {rate(last['share'])} of poison within clean spheres and slabs makes a linear model err on more than "
        f"{percent(min(last['bound'], 1))} of its clean training records; on records held out its own poison reaches "
        f"{percent(last['held_out_error'])}."
    ]
