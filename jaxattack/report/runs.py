"""The runs in a folder: what each is, how far it got and the figure that matters most. A damaged one is a row with a reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxattack.disk import read_json
from jaxattack.error import InputError
from jaxattack.report.document import measures, read, unfinished
from jaxattack.report.wording import quantity
from jaxattack.store import RunFolder

_ANSWERS = ("extraction", "inversion", "evasion", "reconstruction")
"""What the files are called that say whose answers a folder keeps (`jaxattack.audit.session`)."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One folder.

    Attributes:
        name: of the folder.
        kind: of audit, or "model"; empty where nothing tells it.
        title: of its report; empty without one.
        changed: when its report, or else anything in it, was written, in UTC.
        state: "complete", "stopped early", how much is there without a report, or "damaged".
        reason: what is damaged or why it stopped, in a sentence; empty otherwise.
        figure: what the figure that matters most is called, as limits name it (`jaxattack.report.measure`); empty without one.
        value: the figure.
        octets: of all its files.
    """

    name: str
    kind: str
    title: str
    changed: str
    state: str
    reason: str
    figure: str
    value: float | None
    octets: int


def list_runs(folder: Path) -> tuple[Run, ...]:
    """The runs in a folder, the one changed last first; folders in which nothing of an audit is are left out.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        places = [place for place in folder.iterdir() if place.is_dir() and not place.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}): give the folder that holds runs.") from error
    runs = [run for run in map(describe_run, places) if run is not None]
    return tuple(sorted(runs, key=lambda run: (run.changed, run.name), reverse=True))


def describe_run(place: Path) -> Run | None:
    """What a folder holds; None where nothing of an audit is there."""
    kind = title = state = reason = figure = ""
    value = None
    report = place / "report.json"
    try:
        if report.exists():
            state, findings = "damaged", read(place)
            kind, title, reason = findings["kind"], str(findings["title"]), unfinished(findings)
            figure, value = headline_figure(findings)
            state = "stopped early" if reason else "complete"
        else:
            kind, state = _without_report(place)
    except InputError as error:
        state, reason = "damaged", str(error)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration) as error:
        state, reason = "damaged", f"{report} lacks what a report has ({type(error).__name__}: {error})"
    if not state:
        return None
    files = [file for file in _files(place) if file.is_file() and not file.is_symlink()]
    changed = report.stat().st_mtime if report.exists() else max(file.stat().st_mtime for file in (place, *files))
    return Run(
        name=place.name, kind=kind, title=title, state=state, reason=reason, figure=figure, value=value,
        changed=datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
        octets=sum(file.stat().st_size for file in files),
    )  # fmt: skip


def headline_figure(findings: Mapping[str, Any]) -> tuple[str, float | None]:
    """The figure that the headline of a report speaks of, by name; no name and None where none was measured."""
    figures = {name: value for name, value in measures(findings).items() if value is not None}
    claim = findings.get("claim") or {}
    quoted = f"tpr@{claim.get('rate')}"
    names = [name for name in figures if not name.startswith("tpr")]
    name = quoted if quoted in figures else next(iter(names), "")
    return name, figures.get(name)


def _without_report(place: Path) -> tuple[str, str]:
    """The kind of what has no report, and how far it got; empty where nothing of an audit is there."""
    if (place / "run.json").exists():
        return "membership", f"{quantity(len(RunFolder.existing(place).complete_models()), 'model')}, no report"
    if (place / "cells").is_dir():
        return "matrix", f"{quantity(sum(1 for _ in (place / 'cells').glob('*.json')), 'cell')}, no report"
    if (place / "model.json").exists():
        read_json(place / "model.json")
        return "model", "complete"
    for kind in _ANSWERS:
        if (place / f"{kind}.json").exists():
            return kind, "answers, no report"
    poisoned = [copies for copies in place.glob("copies-*") if (copies / "run.json").exists()]
    return ("membership", f"{quantity(len(poisoned), 'run')} with poison, no report") if poisoned else ("", "")


def _files(place: Path) -> list[Path]:
    """All files in a folder and below; links are not followed."""
    return [Path(folder) / name for folder, _, names in os.walk(place) for name in names]
