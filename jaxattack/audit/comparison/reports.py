"""Reports of any other kind side by side: the figures that matter most, unpaired, the settings that differ, and the cost.

Of these audits the report is all that is kept. Where both reports have an interval of a figure, that of the difference is
recovered from them (`jaxattack.metrics.comparison`), each at the confidence at which all differences that there are hold
together (Bonferroni).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from jaxattack.audit.comparison.settings import changes, leaves, text
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.comparison import Contrast, CostFindings, Seconds
from jaxattack.audit.findings.report_comparison import CostRow, FigureComparison, ReportComparison, ReportFindings
from jaxattack.disk import read_json
from jaxattack.metrics import clopper_pearson
from jaxattack.metrics.comparison import Interval, corrected, interval_difference, widened
from jaxattack.metrics.proportions import paired_limits, unpaired_limits
from jaxattack.types import InputError

Report = Mapping[str, Any]


class Figure(NamedTuple):
    """A figure of a report.

    Attributes:
        value: of the figure.
        interval: where there is one.
        signed: whether it is a difference, which may be negative, and no share.
        freedom: of Student's t on the logit scale, if the interval of a share is that.
        ends: of the interval at any confidence, where counts or a mean tell them.
    """

    value: float
    interval: tuple[float, float] | None = None
    signed: bool = False
    freedom: float | None = None
    ends: Callable[[float], tuple[float, float]] | None = None

    def at(self, confidence: float) -> Interval:
        """The figure with its interval at a confidence; it has one."""
        assert self.interval is not None
        if self.ends is None:
            known = Interval(value=self.value, low=self.interval[0], high=self.interval[1])
            return widened(known, confidence, self.freedom)
        low, high = map(float, self.ends(confidence))
        return Interval(value=self.value, low=low, high=high)


Read = Callable[[Report], Figure | None]
"""A report to one of its figures; None where it was not measured."""


def _share(part: Mapping[str, Any] | None, value: str, interval: str | None = None) -> Figure | None:
    """A figure of a part of a report, which may be missing."""
    if part is None or part[value] is None:
        return None
    low, high = (None, None) if interval is None else part[interval]
    return Figure(float(part[value]), None if low is None or high is None else (float(low), float(high)))


def _known(report: Report) -> Mapping[str, Any] | None:
    """What the claimed attack on a target gets, where its members are known."""
    return next(attack["known"] for attack in report["attacks"] if attack["name"] == report["attack"])


def _known_tpr(report: Report) -> Figure | None:
    """None too where the non-members are too few to resolve the rate: the figure is then of no false positive at all."""
    known = _known(report)
    if known is None or not known["resolvable"]["0.01"]:
        return None
    figure = _share({"tpr": known["tpr"]["0.01"], "ends": known["tpr_interval"]["0.01"]}, "tpr", "ends")
    return figure and figure._replace(freedom=float(known["tpr_freedom"]["0.01"]))


def _known_auc(report: Report) -> Figure | None:
    known = _known(report)
    figure = _share(known, "auc", "auc_interval")
    return None if known is None or figure is None else figure._replace(freedom=float(known["auc_freedom"]))


def _agreement(report: Report, where: str) -> Figure | None:
    part = report["fidelity"][where]
    return _of_trials(_share(part, "agreement", "interval"), part and part["records"])


def _fooled(report: Report) -> Figure | None:
    return _of_trials(_share(report["success"], "among_right", "interval"), report["success"]["right"])


def _of_trials(share: Figure | None, trials: int | None) -> Figure | None:
    """A share of so many trials, whose interval is Clopper and Pearson's."""
    if share is None or trials is None:
        return share
    return share._replace(ends=partial(clopper_pearson, round(share.value * trials), trials))


def _called(report: Report) -> Figure:
    return Figure(report["verdicts"]["called"] / report["verdicts"]["records"])


def _leak(report: Report) -> Figure | None:
    """The first comparison's, whose interval allows for how many there are."""
    row = report["comparisons"][0]
    leak = row["leak"]
    figure = _share({"value": leak["value"], "ends": (leak["low"], leak["high"])}, "value", "ends")
    if figure is None or figure.interval is None:
        return figure and figure._replace(signed=True)
    known = corrected(len(report["comparisons"]))
    ends = _leak_ends(row["counts"], figure, known)
    if not np.allclose(ends(known), figure.interval, atol=1e-5):
        raise ValueError("its counts are another leak's")
    return figure._replace(signed=True, ends=ends)


def _leak_ends(counts: Mapping[str, int], leak: Figure, known: float) -> Callable[[float], tuple[float, float]]:
    """The ends of a leak's interval, by the counts that it follows from; of a mean by Student's t.

    Args:
        counts: as `jaxattack.audit.findings.reconstruction.Comparison` has them.
        leak: with its interval.
        known: the confidence of that.
    """
    if "ours_alone" in counts:
        return partial(paired_limits, counts["ours_alone"], counts["theirs_alone"], counts["trials"])
    if "our_trials" in counts:
        return partial(unpaired_limits, counts["ours"], counts["our_trials"], counts["theirs"], counts["their_trials"])
    freedom = counts["trials"] - 1

    def of_mean(confidence: float) -> tuple[float, float]:
        assert leak.interval is not None
        ratio = float(stdtrit(freedom, (1 + confidence) / 2) / stdtrit(freedom, (1 + known) / 2))
        low, high = (leak.value + ratio * (end - leak.value) for end in leak.interval)
        return low, high

    return of_mean


FIGURES: Mapping[str, Mapping[str, Read]] = {
    "target": {
        "AUC of the claimed attack": _known_auc,
        "TPR of the claimed attack at 1% false positives": _known_tpr,
        "records called members, share": _called,
    },
    "extraction": {
        "agreement on records held out": lambda report: _agreement(report, "held_out"),
        "agreement on random inputs": lambda report: _agreement(report, "uniform"),
    },
    "inversion": {
        "classes recognised by an independent model, share": lambda report: _share(report["recognition"], "top1"),
        "classes recognised by the victim, share": lambda report: _share(report["recognition"], "victim"),
    },
    "evasion": {"fooled, share of the records that were right": _fooled},
    "reconstruction": {"leak": _leak},
    "epsilon": {"epsilon, lower bound": lambda report: _share(report["headline"], "epsilon")},
}
"""The figures of each kind of report that are compared, by what they are called."""


class ReportSide(NamedTuple):
    """A report to be compared.

    Attributes:
        name: by which it is told from the others.
        kind: of report.
        title: one line.
        figures: by what they are called.
        cost: as text, by place.
        settings: what was asked for.
    """

    name: str
    kind: str
    title: str
    figures: Mapping[str, Figure | None]
    cost: Mapping[str, str | None]
    settings: Mapping[str, Any]


def is_report(path: Path) -> bool:
    """Whether a folder holds a report of which the figures alone can be compared."""
    return (path / "report.json").exists() and not (path / "run.json").exists() and (
        read_json(path / "report.json").get("kind") in FIGURES
    )  # fmt: skip


def side_of_report(folder: Path, name: str) -> ReportSide:
    """A report that `is_report` recognises.

    Raises:
        InputError: it is damaged.
    """
    report = read_json(folder / "report.json")
    try:
        kind = str(report["kind"])
        figures = {figure: read(report) for figure, read in FIGURES[kind].items()}
        cost = {place: _rounded(value) for place, value in leaves(report["cost"])}
        return ReportSide(name, kind, str(report["title"]), figures, cost, dict(report["config"]))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError, StopIteration, AttributeError) as error:
        raise InputError(
            f"{folder / 'report.json'} is no report as this version writes it ({error!r:.60}): make it again."
        ) from error


def _rounded(value: Any) -> str | None:
    """What something cost, as text of as many digits as say anything."""
    return None if value is None else f"{value:g}" if isinstance(value, float) else text(value)


def compare_reports(sides: Sequence[ReportSide]) -> ReportComparison:
    """Compare every report with the first.

    Args:
        sides: at least two.

    Raises:
        InputError: reports of different kinds.
    """
    begin = time.perf_counter()
    first, *others = sides
    for side in others:
        if side.kind != first.kind:
            raise InputError(
                f"{first.name} is of an audit of the kind {first.kind} and {side.name} of {side.kind}: compare audits of one kind."
            )
    pairs = [
        (name, side)
        for name, figure in first.figures.items()
        for side in others
        if _interval(figure, side.figures[name])
    ]
    allowance = max(len(pairs), 1)
    return ReportComparison(
        title=" against ".join([", ".join(side.name for side in others), first.name]),
        of=first.kind,
        runs=tuple(ReportFindings(name=side.name, title=side.title) for side in sides),
        figures=tuple(_figure(name, sides, allowance) for name in first.figures),
        costs=tuple(
            CostRow(name=place, values=tuple(side.cost.get(place) for side in sides))
            for place in dict.fromkeys(place for side in sides for place in side.cost)
        ),
        allowance=allowance,
        changes=changes([side.settings for side in sides]),
        notes=(),
        cost=CostFindings(
            seconds=Seconds(score=0.0, total=time.perf_counter() - begin), memory_bytes=peak_memory(), device=device()
        ),
        config={"reports": [side.title for side in sides]},
        environment=environment(),
    )


def _figure(name: str, sides: Sequence[ReportSide], allowance: int) -> FigureComparison:
    first, *others = (side.figures[name] for side in sides)
    return FigureComparison(
        name=name,
        values=tuple(None if one is None else one.value for one in (first, *others)),
        intervals=tuple(None if one is None else one.interval for one in (first, *others)),
        differences=tuple(None if one is None or first is None else one.value - first.value for one in others),
        contrasts=tuple(_contrast(one, first, allowance) for one in others),
    )


def _interval(first: Figure | None, other: Figure | None) -> bool:
    """Whether both have an interval."""
    return None not in (first, other) and None not in (first and first.interval, other and other.interval)


def _contrast(figure: Figure | None, first: Figure | None, allowance: int) -> Contrast | None:
    if figure is None or first is None or figure.interval is None or first.interval is None:
        return None
    difference = interval_difference(figure.at(corrected(allowance)), first.at(corrected(allowance)))
    least = -2.0 if figure.signed else -1.0  # of two differences of shares; of two shares
    low, high = max(difference.low, least), min(difference.high, -least)
    return Contrast(difference=difference.value, interval=(low, high), clear=low > 0 or high < 0)
