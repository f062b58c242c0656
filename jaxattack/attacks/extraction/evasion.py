"""Adversarial examples made on a stolen model and tried on its victim: the end that many thefts serve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.signs import Perturbation, adversarial
from jaxattack.types import Extraction, InputError, Ledger, Oracle


class Transfer(NamedTuple):
    """How adversarial examples made on a stolen model fare against the victim.

    Attributes:
        example: Float["record *feature"], the examples.
        fooled: Bool["record"], the victim labelled the record right and its example wrong.
        right: Bool["record"], the victim labelled the record right.
        cost: what was asked: every record and every example once.
    """

    example: np.ndarray
    fooled: Bool[np.ndarray, "record"]
    right: Bool[np.ndarray, "record"]
    cost: Ledger

    @property
    def rate(self) -> float:
        """The share of the records labelled right that are fooled; NaN where there are none."""
        return float(self.fooled.sum() / self.right.sum()) if self.right.any() else float("nan")


def transfer(
    oracle: Oracle,
    extraction: Extraction,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    perturbation: Perturbation,
) -> Transfer:
    """Make adversarial examples on a stolen model and try them on the victim (Papernot et al. 2017).

    Args:
        oracle: the victim; asked for each record and each example, in one call.
        extraction: with a model to differentiate.
        x: records.
        y: their true labels.
        perturbation: how the examples are made.

    Raises:
        InputError: an extraction without a model.
    """
    if extraction.model is None:
        raise InputError(f"{extraction.attack} stole no network: adversarial examples need one to differentiate.")
    before = oracle.ledger
    example = adversarial(extraction.model, extraction.variables, x, y, oracle.access.inputs, perturbation)
    label = oracle(np.concatenate([np.asarray(x, np.float64), example])).label
    right = label[: len(x)] == y
    return Transfer(example, right & (label[len(x) :] != y), right, oracle.ledger - before)
