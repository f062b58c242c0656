"""What in the findings of a matrix matters most: which cells stand beside one another, and sentences about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxattack.metrics.comparison import Interval, corrected, widened
from jaxattack.report.wording import number, percent, quantity, rate

FLOOR = "gap"
Cell = Mapping[str, Any]


def attacks_of(findings: Mapping[str, Any], family: str) -> list[str]:
    """The attacks of a family, the one that gets the most of the undefended column first and the floor last."""
    first = findings["columns"][0]["name"]
    leak = {
        cell["attack"]: cell["leak"] or 0.0
        for cell in findings["cells"]
        if cell["family"] == family and cell["defence"] == first
    }
    names = dict.fromkeys(cell["attack"] for cell in findings["cells"] if cell["family"] == family)
    return sorted(names, key=lambda name: (name == FLOOR, -leak.get(name, 0.0)))


def cells_at(findings: Mapping[str, Any], defence: str, attack: str) -> list[Cell]:
    """The cells of an attack on a column, as they stand beside one another: static, adaptive, repeated."""
    cells = [cell for cell in findings["cells"] if (cell["defence"], cell["attack"]) == (defence, attack)]
    return sorted(cells, key=lambda cell: (cell["adaptive"], cell["repetitions"]))


def word_of(cell: Cell) -> str:
    """How an attack was run."""
    if cell["repetitions"] > 1:
        return f"asked {cell['repetitions']} times"
    if cell["static_alike"]:
        return "static and adaptive"
    return "adaptive" if cell["adaptive"] else "static"


def largest_auc(findings: Mapping[str, Any], defence: str, *, adaptive: bool | None = None) -> float | None:
    """The largest AUC of the membership attacks on a column; None without any.

    Args:
        findings: of the matrix.
        defence: name of the column.
        adaptive: of those alone that know of the defence, or that do not; attacks that are the same either way count as
            both.
    """
    cells = _membership(findings, defence, adaptive=adaptive)
    return _largest(cells) if cells else None


def _membership(findings: Mapping[str, Any], defence: str, *, adaptive: bool | None) -> list[Cell]:
    """The measured membership cells of a column, as `largest_auc` takes them."""
    return [
        cell
        for cell in findings["cells"]
        if cell["defence"] == defence
        and cell["auc"] is not None
        and (adaptive in (None, cell["adaptive"]) or cell["static_alike"])
    ]


def _largest(cells: Sequence[Cell]) -> float:
    return max(cell["auc"] for cell in cells)


def quoted_rate(findings: Mapping[str, Any]) -> str | None:
    """The false-positive rate that columns are compared at; None where none allows enough false positives."""
    return next((column["strongest"]["rate"] for column in findings["columns"] if column["strongest"]), None)


def headline(findings: Mapping[str, Any]) -> str:
    """What a defence buys, and what it costs."""
    return " ".join(sentences(findings))


def sentences(findings: Mapping[str, Any]) -> tuple[str, str]:
    """The headline, sentence by sentence."""
    columns = [column for column in findings["columns"] if column["strongest"]]
    if not columns:
        return "No membership attack could be run.", _work(findings)
    undefended, defended = columns[0], columns[1:]
    first = f"Undefended, {_most(undefended)}"
    if defended:
        least = min(defended, key=lambda column: largest_auc(findings, column["name"]) or 0.0)
        first += (
            f"; of {quantity(len(defended), 'defence')} {least['name']} gives away least here, its largest AUC "
            f"{number(largest_auc(findings, least['name']))}, with {percent(_test(least))} test accuracy against "
            f"{percent(_test(undefended))}"
        )
    return f"{first}.", f"{_adaptive(findings, defended)}{_work(findings)}"


def _most(column: Mapping[str, Any]) -> str:
    best = column["strongest"]
    choice = f"allowing for the choice among {best['choices']}" if best["choices"] > 1 else "the only one run"
    if best["rate"] is None:
        low, high = best["auc_interval"]
        return f"{best['attack']} has an AUC of {number(best['auc'])} ({number(low)} to {number(high)}, {choice})"
    low, high = best["tpr_interval"]
    return (
        f"{best['attack']} finds {percent(best['tpr'])} of the members at {rate(best['rate'])} false positives "
        f"({percent(low)} to {percent(high)}, {choice})"
    )


def _adaptive(findings: Mapping[str, Any], defended: Sequence[Mapping[str, Any]]) -> str:
    """On how many columns the best attack knows of the defence: here, and beyond what the choice of the best explains."""
    sides = [
        (_membership(findings, column["name"], adaptive=True), _membership(findings, column["name"], adaptive=False))
        for column in defended
    ]
    known = [(adaptive, static) for adaptive, static in sides if adaptive and static]
    if not known:
        return ""
    names = {column["name"] for column in defended}
    cells = sum(cell["defence"] in names and cell["auc"] is not None for cell in findings["cells"])
    gains = sum(_largest(adaptive) > _largest(static) for adaptive, static in known)
    sure = sum(_surely_larger(adaptive, static, corrected(cells)) for adaptive, static in known)
    return (
        f"On {gains} of {len(known)} of them the best attack that knows of the defence has a larger AUC here than the best that does "
        f"not; on {sure or 'none'} the intervals, which allow for the choice among {quantity(cells, 'cell')}, bear that out. "
    )


def _surely_larger(adaptive: Sequence[Cell], static: Sequence[Cell], confidence: float) -> bool:
    """Whether some adaptive attack lies above all static ones where all intervals hold at once.

    Nothing is assumed of how the cells depend on one another, which share records and models.
    """
    lowest = max(_interval(cell, confidence).low for cell in adaptive)
    return lowest > max(_interval(cell, confidence).high for cell in static)


def _interval(cell: Cell, confidence: float) -> Interval:
    low, high = cell["auc_interval"]
    return widened(Interval(value=cell["auc"], low=low, high=high), confidence, cell.get("leak_freedom"))


def _work(findings: Mapping[str, Any]) -> str:
    ran = sum(not cell["reason"] for cell in findings["cells"])
    return (
        f"{quantity(ran, 'cell')} on {quantity(len(findings['columns']), 'column')}, {findings['cost']['models']:,} models "
        "trained."
    )


def _test(column: Mapping[str, Any]) -> float | None:
    return column["test_accuracy"] and column["test_accuracy"]["mean"]
