"""All confidences of an answer in the order of the classes: what attack networks of each class read (Shokri et al. 2017)."""

from __future__ import annotations

import jax

from jaxattack.signals.posterior import softmax_of
from jaxattack.signals.scores import Labels, Logits
from jaxattack.types import InputError, Sight, View, config

CLASSES = 256
"""The most classes: a sweep keeps a number of every class, record and model."""


@config
class ConfidenceVector:
    """The confidences in all classes, ["record cls"]; of more than `CLASSES` classes none."""

    name = "confidence_vector"
    paper = "Shokri et al. 2017, arXiv 1610.05820"
    queries = 1

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: too many classes.
        """
        return require_few_classes(softmax_of(view.answer(x)), self.name)


def require_few_classes(p: Logits, name: str) -> Logits:
    """Confidences of which a sweep may keep every class.

    Raises:
        InputError: too many classes for a signal of that name.
    """
    if p.shape[1] > CLASSES:
        raise InputError(
            f"the model has {p.shape[1]} classes and {name} keeps at most {CLASSES} a record: choose an attack "
            "that reads the highest confidences, such as ml-leaks-1."
        )
    return p
