"""The figures of a report that a limit may be set on, by name, for each kind of audit, and why an attack stopped early.

All are estimates; a name with ``lower`` is the lower end of the 95% interval, which allows for the choice of the attack. What was
not measured, as a false-positive rate that the scores do not resolve, is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from jaxattack.audit.findings.rates import FPRS, rate_key

Values = Mapping[str, Any]
Measure = Callable[[Values], float | None]
RATES = tuple(map(rate_key, FPRS))


def _claimed(findings: Values) -> Values:
    """The attack that the headline speaks of."""
    return next(attack for attack in findings["attacks"] if attack["name"] == findings["claim"]["attack"])


def _tpr(findings: Values, rate: str) -> float | None:
    attack = _claimed(findings)
    return attack["tpr"].get(rate) if attack["resolvable"].get(rate) else None


def _lower_tpr(findings: Values, rate: str) -> float | None:
    attack = _claimed(findings)
    return attack["tpr_interval_corrected"][rate][0] if attack["resolvable"].get(rate) else None


def auc_interval(attack: Mapping[str, Any]) -> tuple[float, float]:
    """The interval of the AUC, which allows for the choice of the attack; in a report of an earlier version that of any attack."""
    low, high = attack.get("auc_interval_corrected") or attack["auc_interval"]
    return low, high


MEMBERSHIP: Mapping[str, Measure] = {
    **{f"tpr@{rate}": partial(_tpr, rate=rate) for rate in RATES},
    **{f"tpr-lower@{rate}": partial(_lower_tpr, rate=rate) for rate in RATES},
    "auc": lambda findings: _claimed(findings)["auc"],
    "auc-lower": lambda findings: auc_interval(_claimed(findings))[0],
    "balanced-accuracy": lambda findings: _claimed(findings)["balanced_accuracy"],
}


def _known(findings: Values, figure: Measure) -> float | None:
    """A figure of the attack whose scores the records of one target have; None where no member is known."""
    known = next(attack["known"] for attack in findings["attacks"] if attack["name"] == findings["attack"])
    return known and figure(known)


def _known_tpr(findings: Values, rate: str) -> float | None:
    return _known(findings, lambda known: known["tpr"][rate] if known["resolvable"][rate] else None)


def _known_lower_tpr(findings: Values, rate: str) -> float | None:
    return _known(findings, lambda known: known["tpr_interval"][rate][0] if known["resolvable"][rate] else None)


TARGET: Mapping[str, Measure] = {
    **{f"tpr@{rate}": partial(_known_tpr, rate=rate) for rate in RATES},
    **{f"tpr-lower@{rate}": partial(_known_lower_tpr, rate=rate) for rate in RATES},
    "auc": lambda findings: _known(findings, lambda known: known["auc"]),
    "auc-lower": lambda findings: _known(findings, lambda known: known["auc_interval"][0]),
    "discoveries": lambda findings: findings["verdicts"]["discoveries"] / findings["verdicts"]["records"],
}


def _cells(findings: Values, family: str) -> list[Values]:
    """The cells of a family that were measured, of all defended columns; of the undefended one where it stands alone."""
    names = [column["name"] for column in findings["columns"]]
    defended = names[1:] or names
    return [
        cell
        for cell in findings["cells"]
        if cell["family"] == family and cell["defence"] in defended and not cell["reason"]
    ]


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _largest_tpr(findings: Values, rate: str) -> float | None:
    cells = [cell for cell in _cells(findings, "membership") if (cell["resolvable"] or {}).get(rate)]
    return _largest(cell["tpr"][rate] for cell in cells)


def _largest_leak(findings: Values, family: str) -> float | None:
    return _largest(cell["leak"] for cell in _cells(findings, family))


MATRIX: Mapping[str, Measure] = {
    **{f"tpr@{rate}": partial(_largest_tpr, rate=rate) for rate in RATES},
    "auc": partial(_largest_leak, family="membership"),
    "agreement": partial(_largest_leak, family="extraction"),
    "recognition": partial(_largest_leak, family="inversion"),
}


def _agreement(findings: Values) -> float | None:
    fidelity = findings["fidelity"]
    part = fidelity["held_out"] or fidelity["uniform"]
    return part and part["agreement"]


def _recognition(findings: Values) -> float | None:
    """By an independent model; by the victim where there is none."""
    recognition = findings["recognition"]
    return recognition["victim"] if recognition["top1"] is None else recognition["top1"]


EXTRACTION: Mapping[str, Measure] = {"agreement": _agreement}
INVERSION: Mapping[str, Measure] = {"recognition": _recognition}
EVASION: Mapping[str, Measure] = {"success": lambda findings: findings["success"]["among_right"]}
EPSILON: Mapping[str, Measure] = {"epsilon": lambda findings: findings["headline"] and findings["headline"]["epsilon"]}
OWNERSHIP: Mapping[str, Measure] = {
    "false-accusations": lambda findings: _largest(test["false"]["rate"] for test in findings["tests"] if test["false"])
}
RECONSTRUCTION: Mapping[str, Measure] = {
    "leak": lambda findings: findings["comparisons"][0]["leak"]["value"],
    "leak-lower": lambda findings: findings["comparisons"][0]["leak"]["low"],
}


def _unfiltered(findings: Values) -> list[Values]:
    """All points without a filter."""
    return [point for attack in findings["attacks"] for point in attack["points"] if point["sanitise"] is None]


POISONING: Mapping[str, Measure] = {
    "success": lambda findings: _largest(
        point["success"] and point["success"]["value"] for point in _unfiltered(findings)
    ),
    "drop": lambda findings: _largest(point["drop"]["value"] for point in _unfiltered(findings)),
}


def _read_right(findings: Values) -> float | None:
    """The mean over attributes of the accuracy on networks held out at random; None where that was not measured."""
    split = next((split for split in findings["splits"] if split["name"] == "random"), None)
    values = [row["accuracy"] for row in split["attributes"]] if split else []
    return None if not values or None in values else sum(values) / len(values)


ARCHITECTURE: Mapping[str, Measure] = {"accuracy": _read_right}

GENERATOR: Mapping[str, Measure] = {
    "auc": lambda findings: findings["attacks"][0]["auc"],
    "auc-lower": lambda findings: findings["attacks"][0]["auc_interval_corrected"][0],
    **{
        f"tpr@{rate}": lambda findings, rate=rate: _largest(
            attack["tpr"][rate] for attack in findings["attacks"] if attack["resolvable"].get(rate)
        )
        for rate in RATES[:-1]
    },
}
"""The largest of all attacks that were run; the lower end allows for the choice."""

MEASURES: Mapping[str, Mapping[str, Measure]] = {
    "membership": MEMBERSHIP,
    "matrix": MATRIX,
    "extraction": EXTRACTION,
    "inversion": INVERSION,
    "epsilon": EPSILON,
    "evasion": EVASION,
    "ownership": OWNERSHIP,
    "poisoning": POISONING,
    "reconstruction": RECONSTRUCTION,
    "architecture": ARCHITECTURE,
    "generator": GENERATOR,
    "target": TARGET,
    "compare": {},
}
"""By kind of audit; of each, what matters most first."""


def why_unfinished(findings: Values) -> str:
    """Why an attack stopped before the end of its own procedure; empty where it did not.

    An attack that came to its end and found little, or that nothing verifies, has finished. So has a theft that trains a
    substitute: it learns as many answers as the budget allows.
    """
    attack = findings["attack"]
    ended = attack.get("converged", attack["complete"]) or not attack.get("exact", True)
    return "" if ended else attack["reason"]
