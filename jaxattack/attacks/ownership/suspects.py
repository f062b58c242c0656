"""What every test asks of a suspect before its formula: that it is of the evidence's task, and its labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import Evidence, InputError, Oracle, WhiteBox


def require_task(suspect: Oracle | WhiteBox, evidence: Evidence, name: str) -> None:
    """Refuse a suspect of another task, or evidence of another test.

    Raises:
        InputError: records of another shape than the evidence's ``x``, fewer classes than its ``y`` has, or evidence that
            another test prepared.
    """
    if evidence.test != name:
        raise InputError(f"the evidence is of the test {evidence.test!r} and {name!r} is asked for: prepare that one.")
    terms = suspect if isinstance(suspect, WhiteBox) else suspect.access
    x, classes = evidence.arrays["x"], int(evidence.arrays["y"].max()) + 1
    if terms.inputs.shape != x.shape[1:] or terms.classes < classes:
        raise InputError(
            f"the suspect takes records of shape {terms.inputs.shape} and has {terms.classes} classes, and the evidence is of "
            f"records of shape {x.shape[1:]} and {classes} classes: give a suspect of the same task."
        )


def labels_asked(suspect: Oracle, x: Float[np.ndarray, "query *feature"]) -> Int[np.ndarray, "query"]:
    """What a suspect labels points, asked once each; a point outside of what it documents is moved to the edge."""
    inputs = suspect.access.inputs
    return np.asarray(suspect(np.clip(x, inputs.low, inputs.high)).label)
