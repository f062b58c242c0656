"""Tables for a paper: LaTeX of the package booktabs, whatever letters are in the words."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LETTERS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "–": "--", "−": "$-$", "·": r"$\cdot$", "±": r"$\pm$", "×": r"$\times$", "…": r"\ldots{}", "′": "$'$",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text in which no letter means anything to LaTeX; letters that are not printable become spaces.

    Example:
        >>> escaped("rmia?a=0.5&b_c 100%")
        'rmia?a=0.5\\\\&b\\\\_c 100\\\\%'
    """
    return "".join(_LETTERS.get(letter, letter if letter.isprintable() else " ") for letter in text)


def booktabs(heads: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, label: str) -> str:
    """A floating table, its first column of words on the left and the others of numbers on the right.

    Args:
        heads: of the columns, as text.
        rows: of cells, as text.
        caption: as text.
        label: to refer to it by; letters, digits and hyphens.

    Returns:
        LaTeX that a document takes in with ``\\input`` where it loads booktabs.
    """
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9-]', '-', label)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
        _line(heads),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(map(escaped, cells))} \\"
