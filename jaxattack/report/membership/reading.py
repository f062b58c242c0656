"""What in the findings matters most: which rate to quote, which attack is strongest, which curves to draw, what to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.metrics.roc import allowed
from jaxattack.report.kind import Choice, check_choice
from jaxattack.report.wording import count, number, percent, rate, shown, times, words
from jaxattack.types import InputError

QUOTED = "0.001"
BASELINE = "loss"
CURVES = 6


def rates(findings: Mapping[str, Any]) -> list[str]:
    """The false-positive rates of the findings, by name, largest first."""
    return sorted(findings["attacks"][0]["tpr"], key=float, reverse=True)


def quoted_rate(findings: Mapping[str, Any]) -> str | None:
    """The false-positive rate to quote: 0.1% where it allows ten false positives, else the lowest that does.

    Returns:
        The rate's name, or None where there is none.
    """
    return findings["claim"]["rate"]


def ranked(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attacks by the true-positive rate at the quoted rate, then by AUC, the strongest first."""
    quoted = quoted_rate(findings)

    def strength(attack: Mapping[str, Any]) -> tuple[float, float]:
        return (attack["tpr"][quoted] or 0 if quoted else 0, attack["auc"] or 0)

    return sorted(findings["attacks"], key=strength, reverse=True)


def claimed(findings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attack that the page speaks of: the one declared beforehand, else the strongest."""
    return next(attack for attack in findings["attacks"] if attack["name"] == findings["claim"]["attack"])


def baseline(findings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The loss threshold, what anybody can do who sees one model; None where it was not run."""
    return next((attack for attack in findings["attacks"] if attack["name"] == BASELINE), None)


def beats_chance(attack: Mapping[str, Any], name: str) -> bool:
    """Whether the interval of the true-positive rate, which allows for the choice of the attack, lies above chance."""
    return attack["tpr_interval_corrected"][name][0] > float(name)


def strongest_by_family(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The strongest attack of each family, the strongest first."""
    strongest: dict[str, Mapping[str, Any]] = {}
    for attack in ranked(findings):
        strongest.setdefault(attack["family"], attack)
    return list(strongest.values())


def choose(findings: Mapping[str, Any], choice: Choice) -> Mapping[str, Any]:
    """The findings with some attacks alone, in that order and under other names, all of which are drawn.

    Raises:
        InputError: an attack that is not there, too many, or not one name each.
    """
    by_name = {attack["name"]: attack for attack in findings["attacks"]}
    chosen = choice.attacks or tuple(attack["name"] for attack in attacks_to_draw(findings))
    for name in chosen:
        if name not in by_name:
            raise InputError(f"attacks has {name!r:.60} and the report {', '.join(by_name)}: choose from these.")
    check_choice("attacks", chosen, choice.names)
    names = choice.names or chosen
    attacks = [{**by_name[name], "name": shown} for name, shown in zip(chosen, names, strict=True)]
    return {**findings, "attacks": attacks, "chosen": [*names]} if choice.attacks or choice.names else findings


def attacks_to_draw(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attacks to draw: the strongest of each family, and always the loss threshold, which stands for its own.

    The strongest of all is drawn even where it is of the loss threshold's family. Where attacks were chosen, these.
    """
    if "chosen" in findings:
        return list(findings["attacks"])
    first, *others = strongest_by_family(findings)
    floor = baseline(findings)
    if floor is None or floor is first:
        return [first, *others][:CURVES]
    attacks = [first, *(floor if attack["family"] == floor["family"] else attack for attack in others)][:CURVES]
    return attacks if floor in attacks else [*attacks[: CURVES - 1], floor]


def about(attack: Mapping[str, Any]) -> str:
    """What an attack is, who published it, and its settings, in words; its description where an earlier version wrote it."""
    if attack.get("summary") is None:
        return attack["description"]
    sentences = [attack["summary"]]
    if attack.get("paper"):
        sentences.append(f"Source: {attack['paper']}.")
    if attack.get("settings"):
        sentences.append(f"Settings: {words(shown(attack['settings']))}.")
    return " ".join(sentences)


def headline(findings: Mapping[str, Any]) -> str:
    """What the claimed attack finds, for what that holds, and how well it ranks, in plain English."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline: what is found at a low rate, and the ranking or why no lower rate is quoted."""
    attack, quoted = claimed(findings), quoted_rate(findings)
    if quoted is None:
        few = f"{count(attack['roc']['negatives'])} scores of non-members are too few to say what an attack finds at a low false-positive rate."
        return few, _ranking(attack) + _sizes(findings, attack)
    ends = " to ".join(percent(end, 2) for end in attack["tpr_interval_corrected"][quoted])
    share, accused = percent(attack["tpr"][quoted], 2), _accused(attack, quoted)
    if beats_chance(attack, quoted):
        chance = times(attack["tpr"][quoted] / float(quoted))
        sentence = (
            f"{_name(attack)} finds {share} of the members while falsely accusing {accused} of the non-members "
            f"({chance} chance){_comparison(findings, quoted)}. {_holds(findings, ends)}"
        )
    else:
        subject = (
            f"{_name(attack)} does not find clearly more than chance would: it"
            if findings["claim"]["declared"]
            else f"No attack finds clearly more than chance would: the strongest, {_name(attack)},"
        )
        sentence = (
            f"{subject} finds {share} of the members while falsely accusing {accused} of the non-members. "
            f"{_holds(findings, ends)}"
        )
    sentence = sentence[0].upper() + sentence[1:] if attack["name"] == BASELINE else sentence
    return sentence, (_ranking(attack) if quoted == QUOTED else _limit(attack)) + _sizes(findings, attack)


def _accused(attack: Mapping[str, Any], quoted: str) -> str:
    """How many non-members are accused: the rate itself, or fewer where equal scores leave no threshold that has it."""
    fewer = attack["false_positives"][quoted] < allowed(float(quoted), attack["roc"]["negatives"])
    return f"at most {rate(quoted)}" if fewer else rate(quoted)


def _holds(findings: Mapping[str, Any], ends: str) -> str:
    """The interval, for what it holds, and what it allows for."""
    choices = findings["claim"]["choices"]
    choice = f", allowing for the choice among {choices} attacks," if choices > 1 else ""
    return f"For new records and new models of the same kind the 95% interval{choice} is {ends}."


def _name(attack: Mapping[str, Any]) -> str:
    return "the loss threshold" if attack["name"] == BASELINE else attack["name"]


def _comparison(findings: Mapping[str, Any], quoted: str) -> str:
    floor, compared = baseline(findings), findings["comparison"]
    if floor is None or compared is None:
        return ""
    sure = "" if compared["tpr"][quoted]["better"] else ", which is not clearly less"
    return f"; {_name(floor)} finds {percent(floor['tpr'][quoted], 2)}{sure}"


def _ranking(attack: Mapping[str, Any]) -> str:
    return (
        f"Shown a member and a non-member, {_name(attack)} tells which is which {percent(attack['auc'], 3)} of the time; "
        "guessing would be right 50% of the time."
    )


def _sizes(findings: Mapping[str, Any], attack: Mapping[str, Any]) -> str:
    """What takes the headline back: that members are told by how many their model has."""
    models = findings["models"]
    if not models.get("members_tell"):
        return ""
    return (
        f" But these figures tell models of many members from models of few ({count(models['fewest_members'])} to "
        f"{count(models['most_members'])}): in one model at a time the AUC is {number(attack['per_target']['auc']['mean'])}."
    )


def _limit(attack: Mapping[str, Any]) -> str:
    return f"{count(attack['roc']['negatives'])} scores of non-members resolve no lower rate with ten false positives."
