"""What a test asks of a suspect around its formula: that it can be held against it, and its labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import Access, Evidence, InputError, Oracle, WhiteBox


def oracle_of(suspect: Oracle | WhiteBox, evidence: Evidence, name: str) -> Oracle:
    """The suspect of a test that asks.

    Args:
        suspect: of whom nothing has been asked yet.
        evidence: with records or points ``x``, and the ``classes`` of the owner's model.
        name: of the test.

    Raises:
        InputError: weights, evidence of another test, or a suspect of another task.
    """
    if isinstance(suspect, WhiteBox):
        raise InputError(f"{name} asks a suspect: give an oracle of it, as jaxattack.oracle.from_model makes one.")
    _require_task(suspect.access, evidence, name)
    return suspect


def weights_of(suspect: Oracle | WhiteBox, evidence: Evidence, name: str) -> WhiteBox:
    """The suspect of a test that reads weights; arguments and refusals as for `oracle_of`."""
    if not isinstance(suspect, WhiteBox):
        raise InputError(f"{name} reads the weights of a suspect: give a WhiteBox of it.")
    _require_task(suspect, evidence, name)
    return suspect


def _require_task(terms: Access | WhiteBox, evidence: Evidence, name: str) -> None:
    if evidence.test != name:
        raise InputError(f"the evidence is of the test {evidence.test!r} and {name!r} is asked for: prepare that one.")
    shape, classes = evidence.arrays["x"].shape[1:], int(evidence.arrays["classes"])
    if (terms.inputs.shape, terms.classes) != (shape, classes):
        raise InputError(
            f"the suspect takes records of shape {terms.inputs.shape} and has {terms.classes} classes, and the evidence is of "
            f"{shape} and {classes}: give a suspect of the same task."
        )


def labels_asked(suspect: Oracle, x: Float[np.ndarray, "query *feature"]) -> Int[np.ndarray, "query"]:
    """What a suspect labels points, asked once each; a point outside of what it documents is moved to the edge."""
    inputs = suspect.access.inputs
    return np.asarray(suspect(np.clip(x, inputs.low, inputs.high)).label)
