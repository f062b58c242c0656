"""The folder of a report: each file is whole or absent, and the page is written last."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from jaxattack.audit.findings import values
from jaxattack.audit.membership_scores import SCORES, write_scores
from jaxattack.audit.record_table import RecordTable
from jaxattack.disk import write_atomically
from jaxattack.release import installation
from jaxattack.report.architecture import ARCHITECTURE
from jaxattack.report.compare import COMPARE
from jaxattack.report.epsilon import EPSILON
from jaxattack.report.evasion import EVASION
from jaxattack.report.extraction import EXTRACTION
from jaxattack.report.generator import GENERATOR
from jaxattack.report.inversion import INVERSION
from jaxattack.report.kept_pictures import PICTURES, write_pictures
from jaxattack.report.kind import FORMATS, Choice, Kind, Pictures, draw_all, draw_alone
from jaxattack.report.matrix import MATRIX
from jaxattack.report.membership import MEMBERSHIP
from jaxattack.report.membership.listing import list_records
from jaxattack.report.membership.records import RECORDS, records_csv
from jaxattack.report.ownership import OWNERSHIP
from jaxattack.report.poisoning import POISONING
from jaxattack.report.reconstruction import RECONSTRUCTION
from jaxattack.report.target import TARGET
from jaxattack.types import InputError

KINDS: Mapping[str, Kind] = {
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
    "compare": COMPARE,
}


def write(
    folder: str | os.PathLike[str],
    findings: Any,
    pictures: Pictures | None = None,
    records: RecordTable | None = None,
    *,
    lossless: bool = False,
) -> list[Path]:
    """Write the report of an audit, in the place of an earlier one.

    Args:
        folder: made where missing.
        findings: the dataclass that an audit returns, or values as `jaxattack.report` describes.
        pictures: record -> its image, where records are images.
        records: of a membership audit, for records.csv, scores.npz and the page's table of all records.
        lossless: refuse to remove what an earlier report had and this one lacks.

    Returns:
        What was written: report.json, the kind's own files, records.csv, scores.npz, pictures.npz, each figure as .svg and .png,
        and last report.html.

    Raises:
        InputError: the folder cannot be written to, or the disk is full; no file is left half written. Or something would be
            lost.
    """
    folder, plain = Path(folder), values(findings)
    kind = KINDS[plain["kind"]]
    drawings = draw_all(kind.figures, plain, pictures or {})
    contents: dict[str, str | bytes | Callable[[Path], None]] = {
        "report.json": json.dumps(plain, indent=1, allow_nan=False),
        **kind.files(plain),
    }
    if records is not None:
        contents |= {RECORDS: records_csv(records), SCORES: partial(write_scores, table=records)}
    elif pictures:
        contents[PICTURES] = partial(write_pictures, pictures=pictures)
    for name, drawing in drawings.items():
        contents |= {f"{name}.svg": drawing.svg, f"{name}.png": drawing.png}
    listing = {} if records is None else {"listing": list_records(records, pictures or {})}
    contents["report.html"] = kind.render(plain, drawings, **listing)
    # What an earlier report had and this one lacks would show other findings.
    absent = {f"{name}.{suffix}" for name in set(kind.figures) - set(drawings) for suffix in ("svg", "png")}
    absent |= {PICTURES} - set(contents)
    if plain["kind"] == "membership":
        absent |= {RECORDS, SCORES} - set(contents)
    lost = sorted(name for name in absent if (folder / name).exists())
    if lossless and lost:
        raise InputError(
            f"{folder} has {' and '.join(lost)}, which cannot be made again from its report.json alone: give another folder with "
            "--out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}: choose another.") from error
    for name, content in contents.items():
        if isinstance(content, str | bytes):
            octets = content if isinstance(content, bytes) else content.encode()
            write_atomically(folder / name, lambda file, octets=octets: file.write(octets) and None)
        else:
            content(folder / name)
    for name in lost:
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in contents]


def draw(
    findings: Any,
    figure: str,
    *,
    form: str = "pdf",
    attacks: Sequence[str] = (),
    names: Sequence[str] = (),
    pictures: Pictures | None = None,
) -> bytes:
    """One figure of a report as a file of its own, for print.

    Args:
        findings: as for `write`.
        figure: its name.
        form: pdf, svg or png; letters stay letters in pdf and svg.
        attacks: those that are drawn, where attacks are; of a comparison, the first is the one whose curves are.
        names: of the curves, in the legend; of attacks, and of runs in a comparison.
        pictures: record -> its image, where records are images.

    Raises:
        InputError: an unknown figure, form or attack, nothing to draw, or not one name each.
    """
    plain = values(findings)
    kind = KINDS[plain["kind"]]
    check_figure(plain["kind"], figure)
    if form not in FORMATS:
        raise InputError(f"format is {form!r:.60}: choose from {', '.join(FORMATS)}.")
    chosen = kind.choose(plain, Choice(attacks=tuple(attacks), names=tuple(names)))
    drawing = draw_alone(kind.figures[figure], chosen, pictures or {}, form)
    if drawing is None:
        raise InputError(f"figure is {figure}, and these findings have nothing to draw in it: choose another.")
    return drawing


def check_figure(kind: str, figure: str) -> None:
    """Refuse a figure that a kind of report has not.

    Raises:
        InputError: it lists those that there are.
    """
    if figure not in KINDS[kind].figures:
        raise InputError(f"figure is {figure!r:.60}: a report on {kind} has {', '.join(KINDS[kind].figures)}.")


def table(findings: Any) -> RenderableType:
    """The findings, as for `write`, for a terminal of 80 columns."""
    plain = values(findings)
    return KINDS[plain["kind"]].table(plain)


def fragment(findings: Any, *, width: int = 100) -> str:
    """The findings, as for `write`, as a piece of HTML for a notebook: the headline, and the table of a terminal.

    Args:
        findings: as for `write`.
        width: of the table, in characters.
    """
    console = Console(record=True, file=io.StringIO(), width=width, color_system="truecolor", force_jupyter=False)
    console.print(table(findings))
    rows = console.export_html(inline_styles=True, code_format="{code}")
    return f"<p>{escape(headline(findings))}</p>\n<pre>{rows}</pre>"


def frame(findings: Any) -> Any:
    """The main table of the findings, as for `write`, as a pandas frame: what the report's first CSV file holds.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError(f"a frame needs pandas: {installation('tables')}.") from error
    plain = values(findings)
    files = KINDS[plain["kind"]].files(plain)
    text = next(text for name, text in files.items() if name.endswith(".csv"))
    return pandas.read_csv(io.StringIO(text))


def headline(findings: Any) -> str:
    """What matters most in the findings, as for `write`, in plain sentences."""
    plain = values(findings)
    return KINDS[plain["kind"]].headline(plain)
