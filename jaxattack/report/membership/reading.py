"""What in the findings matters most: which rate to quote, which attack is strongest, which curves to draw, what to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import count, percent, rate, times

QUOTED = "0.001"
CURVES = 6


def rates(findings: Mapping[str, Any]) -> list[str]:
    """The false-positive rates of the findings, by name, largest first."""
    return sorted(findings["attacks"][0]["tpr"], key=float, reverse=True)


def quoted_rate(findings: Mapping[str, Any]) -> str | None:
    """The false-positive rate to quote: 0.1% where the scores resolve it, else the lowest that they do.

    Returns:
        The rate's name, or None where the scores resolve none.
    """
    resolvable = [name for name in rates(findings) if findings["attacks"][0]["resolvable"][name]]
    return QUOTED if QUOTED in resolvable else min(resolvable, key=float, default=None)


def ranked(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attacks by the true-positive rate at the quoted rate, then by AUC, the strongest first."""
    quoted = quoted_rate(findings)

    def strength(attack: Mapping[str, Any]) -> tuple[float, float]:
        return (attack["tpr"][quoted] or 0 if quoted else 0, attack["auc"] or 0)

    return sorted(findings["attacks"], key=strength, reverse=True)


def strongest(findings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first of the ranked attacks."""
    return ranked(findings)[0]


def baseline(findings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The loss threshold, what anybody can do who sees one model; None where it was not run."""
    return next((attack for attack in findings["attacks"] if attack["name"] == "loss"), None)


def beats_chance(attack: Mapping[str, Any], name: str) -> bool:
    """Whether the interval of the true-positive rate lies above the false-positive rate."""
    return attack["tpr_interval"][name][0] > float(name)


def family(name: str) -> str:
    """The family of an attack, from its name: lira, rmia, attack-p, loss, ..."""
    first, _, rest = name.partition("-")
    return f"{first}-{rest.partition('-')[0]}" if first == "attack" else first


def drawn(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attacks to draw: the strongest, the strongest of each other family, and always the loss threshold."""
    chosen: dict[str, Mapping[str, Any]] = {}
    for attack in ranked(findings):
        chosen.setdefault(family(attack["name"]), attack)
    kept = list(chosen.values())[:CURVES]
    floor = baseline(findings)
    if floor is not None and floor not in kept:
        others = [attack for attack in kept if family(attack["name"]) != "loss"]
        kept = [*others[: CURVES - 1], floor]
    return kept


def headline(findings: Mapping[str, Any]) -> str:
    """What the strongest attack finds, in two sentences of plain English."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    first, quoted = strongest(findings), quoted_rate(findings)
    if quoted is None:
        few = f"{count(first['roc']['negatives'])} scores of non-members are too few to say what an attack finds at a low false-positive rate."
        return few, _ranking(first)
    found, accused = percent(first["tpr"][quoted], 2), rate(quoted)
    if beats_chance(first, quoted):
        chance = times(first["tpr"][quoted] / float(quoted))
        sentence = (
            f"{_called(first)} finds {found} of the members while falsely accusing {accused} of the non-members "
            f"({chance} chance){_compared(findings, quoted)}."
        )
    else:
        low, high = first["tpr_interval"][quoted]
        sentence = (
            f"No attack finds clearly more than chance would: the strongest, {_called(first)}, finds {found} of the members "
            f"(95% interval {percent(low, 2)} to {percent(high, 2)}) while falsely accusing {accused} of the non-members."
        )
    return sentence[0].upper() + sentence[1:] if first["name"] == "loss" else sentence, _ranking(
        first
    ) if quoted == QUOTED else _limit(first)


def _called(attack: Mapping[str, Any]) -> str:
    return "the loss threshold" if attack["name"] == "loss" else attack["name"]


def _compared(findings: Mapping[str, Any], quoted: str) -> str:
    floor = baseline(findings)
    if floor is None or floor is strongest(findings):
        return ""
    return f"; {_called(floor)} finds {percent(floor['tpr'][quoted], 2)}"


def _ranking(attack: Mapping[str, Any]) -> str:
    return (
        f"Shown a member and a non-member, {_called(attack)} tells which is which {percent(attack['auc'], 3)} of the time; "
        "guessing would be right 50% of the time."
    )


def _limit(attack: Mapping[str, Any]) -> str:
    return f"{count(attack['roc']['negatives'])} scores of non-members resolve no lower rate."
