"""The labels that an ONNX graph answers beside its scores: whether these rank the classes as they do, and what the classes are called.

The names of classes in a graph may be those of a classifier within, which was fitted on their numbers: of bagging, of a stack, of one
class against the rest. They are believed where the labels beside the scores are theirs. Where these are others and follow the columns in
their order, the columns have no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from jaxattack.types import InputError


def names_beside(
    path: str | Path,
    output: str,
    column: Int[np.ndarray, "record"],
    labels: Sequence[str] | Sequence[int],
    names: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the columns, none where the graph's are of something else; and a sentence where some labels are not the largest score's.

    Args:
        path: the file.
        output: the name of the scores.
        column: where each of a few records has its largest score.
        labels: that the graph answers beside them.
        names: of the columns, as the graph has them.

    Raises:
        InputError: of most records the largest score is another class's, as of the raw scores of support vector machines.
    """
    other = [str(label) != names[at] for at, label in zip(column, labels, strict=True)]
    if 2 * sum(other) <= len(other):
        told = (
            f"{path}: of {sum(other)} of {len(other)} random records the largest of {output} is of another class than the graph's own label: "
            "labels here are those of the scores.",
        )
        return tuple(names), told if any(other) else ()
    if _follow(column, labels) and (len(set(labels)) > 1 or str(labels[0]) not in names):
        return (), ()
    raise InputError(
        f"{path}: of {sum(other)} of {len(other)} records the largest of {output} is of another class than the graph's own label, as of the raw "
        "scores of support vector machines: export it with probabilities."
    )


def _follow(column: Int[np.ndarray, "record"], labels: Sequence[str] | Sequence[int]) -> bool:
    """Whether each column has one label, in the order of the columns."""
    pairs = sorted(set(zip(column.tolist(), labels, strict=True)))
    columns, theirs = zip(*pairs, strict=True)
    return len(set(columns)) == len(pairs) and list(theirs) == sorted(set(theirs))
