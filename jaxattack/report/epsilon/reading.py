"""What in the findings of a privacy audit matters most, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.wording import number, quantity, rate, small, words


def headline(findings: Mapping[str, Any]) -> str:
    """How large epsilon is at least, and what an accountant says."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    return _lower(findings), _beside(findings)


def size(findings: Mapping[str, Any]) -> str:
    """The experiment in words: "100 canaries in 64 runs"."""
    experiment = findings["experiment"]
    return f"{_canaries(experiment['canaries'])} in {quantity(experiment['models'], 'run')}"


def _canaries(value: int) -> str:
    return "1 canary" if value == 1 else f"{value:,} canaries"


def _lower(findings: Mapping[str, Any]) -> str:
    experiment, best = findings["experiment"], findings["headline"]
    if best is None:
        return f"No lower bound on epsilon is valid for {size(findings)}."
    confidence, delta = rate(experiment["confidence"]), small(experiment["delta"])
    if best["epsilon"] == 0:
        return (
            f"{size(findings)} show no leak at {confidence} confidence: no epsilon at delta {delta} is refuted, which is no "
            "proof of privacy."
        )
    return (
        f"At {confidence} confidence epsilon is at least {number(best['epsilon'], 2)} at delta {delta}: anything smaller is "
        f"refuted as {best['claim']}."
    )


def _beside(findings: Mapping[str, Any]) -> str:
    best = findings["headline"]
    if best is None:
        return "The table says of each bound what forbids it."
    largest = f"the largest of {len(best['tried'])} bounds that were tried, and pays for it"
    origin = (
        "declared beforehand"
        if best["declared"]
        else largest
        if len(best["tried"]) > 1
        else "the only one of its claim"
    )
    text = f"The bound is {words(best['name'])}, {origin}, from {size(findings)}."
    uppers = [row for row in findings["upper"] or () if row["epsilon"] is not None]
    if not uppers:
        noise = findings["training"] and findings["training"]["private"]["noise"]
        why = "no accountant has a bound at this delta" if noise else "no noise was added"
        return text + (f" Nothing bounds epsilon from above: {why}." if findings["upper"] else "")
    least = min(uppers, key=lambda row: row["epsilon"])
    text += f" The upper bound ({least['name']}) is {number(least['epsilon'], 2)}"
    if best["epsilon"] <= least["epsilon"]:
        return f"{text}."
    if _speaks_of(findings):
        return f"{text}, which is refuted: the training leaks more than it is accounted for."
    return f"{text}, which is less, but no accountant promises what the bound refutes: {best['claim']}."


def _speaks_of(findings: Mapping[str, Any]) -> bool:
    """Whether the bound refutes what accountants prove: of a record that is added, and where it is of Gaussian mechanisms, of one."""
    training = findings["training"]
    everything = bool(training) and training["private"]["rate"] == 1  # each step is then a Gaussian mechanism
    general = findings["headline"]["name"] in ("many_runs", "one_run")
    return not findings["experiment"]["replaces"] and (general or everything)
