"""Matrices side by side, cell by cell, from their reports.

A matrix keeps figures and no scores: differences are unpaired, of intervals that are recovered from those of the cells
(`jaxattack.metrics.comparison`), each widened for the number of cells that are compared (Bonferroni).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxattack.audit.comparison.settings import changes
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.comparison import Contrast, CostFindings, RunCost, Seconds
from jaxattack.audit.findings.matrix_comparison import (
    CellComparison,
    ColumnComparison,
    MatrixComparison,
    MatrixFindings,
)
from jaxattack.disk import read_json
from jaxattack.metrics.comparison import Interval, corrected, interval_difference, widened
from jaxattack.types import InputError

Key = tuple[str, str, bool, int]


class Leak(NamedTuple):
    """What a cell says.

    Attributes:
        family: of the attack.
        share: with its 95% interval.
        freedom: of that.
    """

    family: str
    share: Interval
    freedom: float | None


class MatrixSide(NamedTuple):
    """A matrix to be compared.

    Attributes:
        name: by which it is told from the others.
        title: its data, its model and its columns.
        cells: what was measured, by defence, attack, whether it is adaptive, and repetitions.
        accuracy: test accuracy of each column.
        cost: what it cost.
        settings: what was asked for.
    """

    name: str
    title: str
    cells: Mapping[Key, Leak]
    accuracy: Mapping[str, float | None]
    cost: RunCost
    settings: Mapping[str, Any]


def is_matrix(path: Path) -> bool:
    """Whether a folder is of a matrix."""
    return (path / "cells").is_dir() and not (path / "run.json").exists()


def side_of_matrix(folder: Path, name: str) -> MatrixSide:
    """A matrix, from its report.

    Raises:
        InputError: there is none, or it is damaged.
    """
    file = folder / "report.json"
    if not file.exists():
        raise InputError(f"{folder} is of a matrix without a report: give its command again with --out {folder}.")
    report = read_json(file)
    try:
        if report["kind"] != "matrix":
            raise ValueError("it is of another kind")
        columns = report["columns"]
        leaks = [(_key(cell), _leak(cell)) for cell in report["cells"]]
        accuracy = {
            str(column["name"]): None if column["test_accuracy"] is None else float(column["test_accuracy"]["mean"])
            for column in columns
        }
        cost = RunCost(
            models=int(report["cost"]["models"]),
            gradient_steps=int(report["cost"]["gradient_steps"]),
            queries=None,
            train=float(report["cost"]["seconds"]["train"]),
            observe=float(report["cost"]["seconds"]["observe"]),
            score=float(report["cost"]["seconds"]["attack"]),
            device=str(report["cost"]["device"]),
        )
        cells = {key: leak for key, leak in leaks if leak is not None}
        return MatrixSide(name, str(report["title"]), cells, accuracy, cost, dict(report["config"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file} is no report of a matrix as this version writes it ({error!r:.60}): give the matrix's command again with "
            f"--out {folder}."
        ) from error


def _key(cell: Mapping[str, Any]) -> Key:
    return str(cell["defence"]), str(cell["attack"]), bool(cell["adaptive"]), int(cell["repetitions"])


def _leak(cell: Mapping[str, Any]) -> Leak | None:
    if cell["leak"] is None or cell["leak_interval"] is None:
        return None
    low, high = cell["leak_interval"]
    share = Interval(value=float(cell["leak"]), low=float(low), high=float(high))
    if not 0 <= share.low <= share.value <= share.high <= 1:
        raise ValueError(f"a leak of {share.value} is not within {share.low} to {share.high}")
    freedom = cell.get("leak_freedom")
    return Leak(str(cell["family"]), share, None if freedom is None else float(freedom))


def compare_matrices(sides: Sequence[MatrixSide]) -> MatrixComparison:
    """Compare every matrix with the first, in the cells that both have.

    Args:
        sides: at least two.

    Raises:
        InputError: no other matrix has a cell of the first.
    """
    begin = time.perf_counter()
    first, *others = sides
    shared = [key for key in first.cells if any(key in other.cells for other in others)]
    if not shared:
        raise InputError(
            f"{first.name} and {' and '.join(other.name for other in others)} have no cell in common: compare matrices with the "
            "same defences and attacks."
        )
    allowance = sum(key in other.cells for key in shared for other in others)
    seconds = time.perf_counter() - begin
    return MatrixComparison(
        title=" against ".join([", ".join(other.name for other in others), first.name]),
        runs=tuple(MatrixFindings(name=side.name, title=side.title, cost=side.cost) for side in sides),
        columns=tuple(
            ColumnComparison(name=name, test_accuracy=tuple(side.accuracy.get(name) for side in sides))
            for name in first.accuracy
            if any(name in other.accuracy for other in others)
        ),
        cells=tuple(_cell(key, sides, allowance) for key in shared),
        allowance=allowance,
        changes=changes([side.settings for side in sides]),
        notes=_notes(sides),
        cost=CostFindings(seconds=Seconds(score=0.0, total=seconds), memory_bytes=peak_memory(), device=device()),
        config={"matrices": [side.title for side in sides]},
        environment=environment(),
    )


def _cell(key: Key, sides: Sequence[MatrixSide], allowance: int) -> CellComparison:
    defence, attack, adaptive, repetitions = key
    first, *others = (side.cells.get(key) for side in sides)
    assert first is not None
    return CellComparison(
        defence=defence,
        attack=attack,
        family=first.family,
        adaptive=adaptive,
        repetitions=repetitions,
        leaks=(first.share.value, *(None if one is None else one.share.value for one in others)),
        intervals=tuple(None if one is None else (one.share.low, one.share.high) for one in (first, *others)),
        differences=tuple(None if one is None else _contrast(one, first, corrected(allowance)) for one in others),
    )


def _contrast(leak: Leak, first: Leak, confidence: float) -> Contrast:
    ours, theirs = (widened(one.share, confidence, one.freedom) for one in (leak, first))
    difference = interval_difference(ours, theirs)
    low, high = max(difference.low, -1.0), min(difference.high, 1.0)
    return Contrast(difference=difference.value, interval=(low, high), clear=low > 0 or high < 0)


def _notes(sides: Sequence[MatrixSide]) -> tuple[str, ...]:
    """What one matrix has and another has not."""
    every = dict.fromkeys(key for side in sides for key in side.cells)
    return tuple(
        f"{side.name} lacks {len(lacking)} of {len(every)} cells, as {lacking[0][1]} on {lacking[0][0]}."
        for side in sides
        if (lacking := [key for key in every if key not in side.cells])
    )
