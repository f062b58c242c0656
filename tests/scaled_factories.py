"""Modules of one factory each, which differ in a number of their code alone."""

from __future__ import annotations

from pathlib import Path

SOURCE = """
from jaxattack.models import build
def small(shape, classes):
    model = build("softmax", tuple(shape), classes)
    return model._replace(apply=lambda variables, x: {scale} * model.apply(variables, x))
"""


def write_factories(folder: Path, **scales: float) -> None:
    """A module for each name, whose `small` makes a softmax regression of logits times a number."""
    for name, scale in scales.items():
        (folder / f"{name}.py").write_text(SOURCE.format(scale=scale))
