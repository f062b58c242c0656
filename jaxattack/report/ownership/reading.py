"""What the findings say: the tests in order of what they prove, and the headline in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxattack.metrics import area_interval
from jaxattack.metrics.comparison import corrected
from jaxattack.report.wording import number, percent, quantity

LEVEL = 0.05
"""At which a test must tell the victim itself by its rank among independent models to have power; with fewer than 19 of them none can."""

MISLED = 0.8
"""AUC of independent models of another architecture from which the headline speaks of it, where its interval is above one half too:
of 10 and 30 models that are alike it is above in one case of five hundred."""


class Summary(NamedTuple):
    """What one test proves.

    Attributes:
        test: its findings.
        victim: its cell of the victim itself; None where it was not run.
        stolen: its cells of copies.
        independent: its cell of the independent models that it is calibrated on; None where it was not run.
        other: its cell of independent models of another architecture; None where there are none.
        choices: of how many tests that were run it is one.
    """

    test: Mapping[str, Any]
    victim: Mapping[str, Any] | None
    stolen: list[Mapping[str, Any]]
    independent: Mapping[str, Any] | None
    other: Mapping[str, Any] | None
    choices: int

    @property
    def apart(self) -> float:
        """How far independent models of another architecture are from being like those of the owner's, as an AUC."""
        return 0.5 if self.other is None else max(self.other["auc"], 0.5)

    @property
    def worst(self) -> Mapping[str, Any] | None:
        """The copies that it tells least from independent models."""
        return min(self.stolen, key=lambda cell: cell["auc"], default=None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the AUC of those copies, at the confidence at which those of all tests that were run hold together with 95%."""
        if self.worst is None or self.independent is None:
            return None
        return area_interval(
            self.worst["auc"], self.worst["models"], self.independent["models"], corrected(self.choices)
        )

    @property
    def power(self) -> bool:
        """Whether it knows the victim itself."""
        return self.victim is not None and self.victim["rank_p_value"] <= LEVEL

    @property
    def misled(self) -> bool:
        """Whether it takes independent models of another architecture for copies."""
        return self.other is not None and self.other["auc"] >= MISLED and self.other["auc_interval"][0] > 0.5


def summaries(findings: Mapping[str, Any]) -> list[Summary]:
    """Every test, in their order."""
    return [_summary(findings, test) for test in findings["tests"]]


def _summary(findings: Mapping[str, Any], test: Mapping[str, Any]) -> Summary:
    cells = [cell for cell in findings["cells"] if cell["test"] == test["name"]]

    def first(kind: str) -> Mapping[str, Any] | None:
        return next((cell for cell in cells if cell["kind"] == kind), None)

    stolen = [cell for cell in cells if cell["relation"] == "stolen"]
    other = next((cell for cell in cells if cell["relation"] == "independent" and cell["auc"] is not None), None)
    choices = len({cell["test"] for cell in findings["cells"]})
    return Summary(test, first("victim"), stolen, first("independent"), other, choices)


def short_names(tests: Sequence[str]) -> list[str]:
    """Names of tests without settings, where that leaves them apart."""
    bases = [test.partition("?")[0] for test in tests]
    return [base if bases.count(base) == 1 else test for base, test in zip(bases, tests, strict=True)]


def best(findings: Mapping[str, Any]) -> Summary | None:
    """The test that tells its hardest copies best; of several, the one that another architecture or questions mislead least.

    None where none was run.
    """
    ran = [summary for summary in summaries(findings) if summary.worst is not None]
    return max(ran, key=lambda one: (one.worst["auc"], -one.apart, -one.victim["queries"]), default=None)  # pyright: ignore[reportOptionalSubscript]


def headline(findings: Mapping[str, Any]) -> str:
    """What is proved, and of whom it is not."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline in two parts: power on the victim itself first."""
    if not findings["cells"]:
        return "No test could be run.", " ".join(f"{test['name']}: {test['reason']}" for test in findings["tests"])
    return _power(findings), f"{_best(findings)} {_false(findings)}".strip()


def _power(findings: Mapping[str, Any]) -> str:
    ran = [summary for summary in summaries(findings) if summary.victim]
    weak = [summary for summary in ran if not summary.power]
    independent = ran[0].independent["models"]  # pyright: ignore[reportOptionalSubscript]
    if 1 / (independent + 1) > LEVEL:
        return (
            f"{quantity(independent, 'independent model')} are too few for a test to tell the owner's own model from them at 5%: make 19 "
            "or more."
        )
    text = f"{len(ran) - len(weak)} of {quantity(len(ran), 'test')} tell the owner's own model from independent ones"
    if not weak:
        return f"{text}."
    names = ", ".join(f"{summary.test['name']} (AUC {number(summary.victim['auc'])})" for summary in weak)  # pyright: ignore[reportOptionalSubscript]
    return f"{text}; without power on it: {names}."


def _best(findings: Mapping[str, Any]) -> str:
    summary = best(findings)
    if summary is None:
        return ""
    worst, questions = summary.worst, summary.victim["queries"]  # pyright: ignore[reportOptionalSubscript]
    effort = quantity(questions, "question") if questions else "the suspect's weights"
    least = f"{number(worst['auc'])} or more ({worst['kind']} is the hardest)" if worst["auc"] < 1 else "1 for each"  # pyright: ignore[reportOptionalSubscript]
    low, high = summary.interval  # pyright: ignore[reportGeneralTypeIssues]
    allowing = f", allowing for the choice among {summary.choices} tests" if summary.choices > 1 else ""
    text = (
        f"The best of them, {summary.test['name']}, tells all {quantity(len(summary.stolen), 'kind')} of copies from independent "
        f"models with an AUC of {least}, with {effort} (95% interval of the hardest {number(low)} to {number(high)}{allowing})."
    )
    if not summary.misled:
        return text
    kind = summary.other["kind"]  # pyright: ignore[reportOptionalSubscript]
    return f"{text} {kind[0].upper()}{kind[1:]} models, of another architecture, are told apart by it too (AUC {number(summary.apart)})."


def _false(findings: Mapping[str, Any]) -> str:
    rates = [test for test in findings["tests"] if test["false"]]
    if not rates:
        return ""
    parts = ", ".join(f"{test['name']} {percent(test['false']['rate'])}" for test in rates)
    return f"Of {quantity(rates[0]['false']['models'], 'independent model')} p-values at 5% accuse: {parts}."
