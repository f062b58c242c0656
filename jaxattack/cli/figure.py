"""One figure alone, as a file for a paper: what the commands `report` and `compare` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from jaxattack.cli.options import Names
from jaxattack.cli.output import Output, flat, say
from jaxattack.disk import make_folder, write_atomically
from jaxattack.types import InputError


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A figure alone, for a paper.

    Attributes:
        figure: write this one figure and nothing else, as roc, differences, tpr_by_models, histograms; a name that there is not
            is answered with all that there are. With --attacks, those attacks are drawn, in that order.
        names: of the curves in the legend: of the attacks in the order of --attacks, or of the runs of a comparison.
        format: pdf, svg or png, the last with 600 dots an inch; letters stay letters in pdf and svg.

    Raises:
        InputError: a format without a figure.
    """

    figure: str | None = None
    names: Names = ()
    format: Literal["pdf", "svg", "png"] = "pdf"

    def __post_init__(self) -> None:
        if self.figure is None and self.format != "pdf":
            raise InputError(f"format is {self.format} and no figure is named: name one, as --figure roc.")

    def refuse(self, output: Output) -> None:
        """Refuse what is of findings, where a figure alone is written.

        Raises:
            InputError: JSON, or a limit.
        """
        for name, value in (("json", output.json), ("fail-above", " ".join(output.fail_above))):
            if value:
                words = "given" if value is True else value
                raise InputError(
                    f"{name} is {words} and figure {self.figure}, which is all that is written: leave {name} out."
                )

    def check(self, kind: str) -> None:
        """Refuse, before anything is done, a figure that a kind of report has not.

        Raises:
            InputError: it lists those that there are.
        """
        if self.figure is not None:
            from jaxattack.report import check_figure

            check_figure(kind, self.figure)


AloneOptions = Annotated[Alone, flat("One figure, for a paper")]


def write_alone(
    alone: Alone,
    document: Mapping[str, Any],
    attacks: tuple[str, ...],
    out: Path | None,
    output: Output,
    pictures: Mapping[int, np.ndarray] | None = None,
) -> None:
    """Write the figure that is asked for, and say where it is.

    Args:
        alone: what is asked for.
        document: the findings.
        attacks: that are drawn.
        out: a folder; by default the one that the command runs in.
        output: what is printed.
        pictures: of records.

    Raises:
        InputError: no such figure, nothing to draw, or the figure of a report would be overwritten.
    """
    from jaxattack import report as pages  # drawing takes longer to import than the help takes to print

    assert alone.figure is not None
    drawing = pages.draw(
        document, alone.figure, form=alone.format, attacks=attacks, names=alone.names, pictures=pictures
    )
    folder = Path() if out is None else out
    path = folder / f"{alone.figure}.{alone.format}"
    if alone.format != "pdf" and path.exists() and (folder / "report.json").exists():
        raise InputError(f"{path} is the report's own figure: give another folder with --out, or the format pdf.")
    make_folder(folder)
    earlier = path.exists()
    write_atomically(path, lambda file: file.write(drawing))
    say(output, f"Wrote {path}" + (", in the place of the one that was there" if earlier else ""))
