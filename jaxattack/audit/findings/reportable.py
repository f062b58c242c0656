"""What a person gets of findings without asking for a part of them: in a terminal, in a notebook, in a folder.

Reports are made of audits and not the other way round: nothing here imports them. The package itself, which knows all of its
parts, says in `jaxattack/__init__` what makes a report, and `jaxattack.providers` asks it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jaxattack.providers import provider


class Reportable:
    """Findings, or a result that has findings: short to print, a table in a notebook, a folder on disk, a frame for pandas."""

    def __repr__(self) -> str:
        """Its title and what matters most, on two lines."""
        findings = self._report_parts()["findings"]
        name, title = type(self).__name__, getattr(findings, "title", "")
        try:
            first = provider("report").headline(findings).partition(". ")[0].rstrip(".")
        except Exception:  # findings may be partial, or made up in a test: whatever they lack, they print
            return f"<{name}: {title}>"
        return f"<{name}: {title}\n {first}.>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline, and the table of the terminal. All text of the findings is escaped."""
        return provider("report").fragment(self._report_parts()["findings"])

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the report: the page, its figures, JSON, CSV.

        Args:
            folder: made where missing; an earlier report in it is replaced.

        Returns:
            What was written.

        Raises:
            InputError: the folder cannot be written to.
        """
        return provider("report").write(Path(folder), **self._report_parts())

    def to_frame(self) -> Any:
        """The main table of the report, such as an attack a row, as a pandas frame.

        Raises:
            InputError: pandas is not installed.
        """
        return provider("report").frame(self._report_parts()["findings"])

    def _report_parts(self) -> dict[str, Any]:
        """The findings, and of a result what the report shows beside them."""
        findings = getattr(self, "findings", None)
        if findings is None:
            return {"findings": self}
        parts = {name: getattr(self, name, None) for name in ("pictures", "records")}
        return {"findings": findings} | {name: part for name, part in parts.items() if part is not None}
